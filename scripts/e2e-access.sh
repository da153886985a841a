#!/usr/bin/env bash
# Attacks a whole node with two organizations, asks it who may do what, and logs
# in; prints two tables, the steps of the logins, and a line with the sums:
#
#   e2e-access.sh          the long form: dex as a provider, Chromium as a browser,
#                          and bin/sluice as the demonstration (builds dex for
#                          minutes, once)
#   e2e-access.sh short    the short form, without dex and browser; part of `make test`
#
# SLUICE_E2E_ATTACKS='Hosts' makes only the attacks whose group or name has that
# text. The status is not 0 when an attack got in or gave a hint, when the node
# disagrees with the table of roles, or when a step of a login failed. Everything
# listens on loopback, on free ports, and ends with the script.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
mkdir -p .cache/bin
case ${1:-long} in
  long)
    [[ -x bin/sluice ]] || { echo 'there is no bin/sluice; `make build` makes it' >&2; exit 1; }
    scripts/install-tools.sh dex
    scripts/install-tools.sh browser
    chromium=$(command -v chromium || true)
    [[ -n $chromium ]] || { echo 'chromium is not installed, and apt-get could not install it' >&2; exit 1; }
    export SLUICE_E2E_LONG=1 SLUICE_E2E_BIN=$PWD/bin/sluice SLUICE_TEST_DEX=$PWD/.cache/bin/dex SLUICE_TEST_CHROMIUM=$chromium
    export SLUICE_TEST_PLAYWRIGHT=$PWD/.cache/clients/playwright-core/node_modules/playwright-core
    ;;
  short)
    unset SLUICE_E2E_LONG
    go build -o .cache/bin/testpg ./cmd/internal/postgres/testpg
    ;;
  *) echo 'usage: e2e-access.sh [short]' >&2; exit 2 ;;
esac
go test -c -o .cache/bin/e2e-access ./cmd/sluice
testpg=$PWD/.cache/bin/testpg tests=$PWD/.cache/bin/e2e-access
cd cmd/sluice # the tests read files beside them
log=$PWD/../../.cache/e2e-access.log # what the nodes say about what they refuse
if ! SLUICE_E2E_TABLES=1 "$testpg" run -- "$tests" -test.run '^TestAccess$' -test.timeout 20m </dev/null 2>"$log" | sed '/^PASS$/d'; then
  tail -5 "$log" >&2
  echo 'the nodes'"'"' log is .cache/e2e-access.log' >&2
  exit 1
fi
