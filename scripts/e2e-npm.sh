#!/usr/bin/env bash
# Takes seven npm clients through installing, publishing, everything after it,
# and every path that could reveal a withheld version, and prints a table of
# clients and cases:
#
#   e2e-npm.sh          the long form: all cases, and volume from the npm registry
#                       that npm is configured for (or SLUICE_NPM_REMOTE)
#   e2e-npm.sh short    the short form, without network; part of `make test`
#
# SLUICE_E2E_CLIENTS="npm yarn4" takes only those, SLUICE_E2E_CASES='^P2' only the
# cases whose name matches, SLUICE_E2E_VERBOSE=1 shows what clients print. The status is not 0 when a case
# failed. It starts bin/sluice on a free port with its data in a temporary
# folder, and ends what it started.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ -x bin/sluice ]] || { echo 'there is no bin/sluice; `make build` makes it' >&2; exit 1; }
scripts/install-tools.sh
go test -c -o .cache/bin/e2e-npm ./cmd/internal/e2e
export SLUICE_E2E_BIN=$PWD/bin/sluice SLUICE_TEST_CLIENTS=$PWD/.cache/clients
case ${1:-long} in
  long) export SLUICE_E2E_LONG=1 ;;
  short) unset SLUICE_E2E_LONG ;;
  *) echo 'usage: e2e-npm.sh [short]' >&2; exit 2 ;;
esac
cd cmd/internal/e2e # the cases read their settings from docs/npm.md
exec ../../../.cache/bin/e2e-npm -test.run '^TestNPMClients$' -test.timeout 40m
