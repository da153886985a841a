#!/usr/bin/env bash
# Follows the main path with real clients and prints a table of cases:
#
#   e2e-main.sh          the long form: hundreds of packages from the npm registry
#                        that npm is configured for (or SLUICE_NPM_REMOTE), and a
#                        cascade over 10,000 registries; a few minutes
#   e2e-main.sh short    the short form, without network; part of `make test`
#
# It starts bin/sluice on a free port with its data in a temporary folder, and
# ends what it started. With SLUICE_SHARED_DATA set, it also imports the
# advisories below its folder osv.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
[[ -x bin/sluice ]] || { echo 'there is no bin/sluice; `make build` makes it' >&2; exit 1; }
scripts/install-tools.sh
go test -c -o .cache/bin/e2e-main ./cmd/internal/e2e
export SLUICE_E2E_BIN=$PWD/bin/sluice SLUICE_TEST_CLIENTS=$PWD/.cache/clients
case ${1:-long} in
  long) export SLUICE_E2E_LONG=1 ;;
  short) unset SLUICE_E2E_LONG ;;
  *) echo 'usage: e2e-main.sh [short]' >&2; exit 2 ;;
esac
exec .cache/bin/e2e-main -test.run '^TestMainPath$' -test.timeout 30m
