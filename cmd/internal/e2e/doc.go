// Package e2e follows the main path with real clients: a built sluice with a
// PostgreSQL of its own on a free port, npm, pnpm and yarn in front of it, and
// behind it a package source that can be switched off. It is one test that
// prints a table of cases with their times.
//
// The short form is part of `go test` and needs no network: its source is made
// here. The long form, `make e2e-main`, installs hundreds of packages from the
// npm registry that npm is configured for. Both run the same cases:
//
//   - SLUICE_E2E_LONG=1 chooses the long form
//   - SLUICE_NPM_REMOTE is its source; default: what npm is configured for
//   - SLUICE_E2E_BIN is the program under test; default: built from here
//   - SLUICE_TEST_CLIENTS has the clients, as scripts/install-tools.sh puts
//     them; default: .cache/clients
//   - SLUICE_SHARED_DATA has real advisories, in its folder osv; without it the
//     case that imports them is left out
//
// Nothing listens on a fixed port, and only processes that were started here
// are ended, by their number.
package e2e
