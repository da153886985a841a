#!/usr/bin/env bash
# Installs into .cache what the tests use, quietly and once:
#
#   install-tools.sh                 PostgreSQL's programs when the machine has
#                                    none, and the package clients
#   install-tools.sh golangci-lint   the linter as well (builds for minutes)
#
# Clients are in .cache/clients/<name>/node_modules/.bin, each in a folder of
# its own, because some claim each other's names.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/check-tools.sh
mkdir -p .cache/bin .cache/clients

golangci_lint=v2.15.0
clients=(pnpm@10.34.9 yarn@1.22.22)

go build -o .cache/bin/testpg ./cmd/internal/postgres/testpg
.cache/bin/testpg find >/dev/null

# install_client installs name@version unless exactly that is there.
install_client() {
  local name=${1%@*} version=${1##*@} dir=.cache/clients/${1%@*}
  local manifest=$dir/node_modules/$name/package.json
  if [[ -f $manifest ]] && grep -q "\"version\": *\"$version\"" "$manifest"; then
    return
  fi
  echo "installing $1"
  mkdir -p "$dir"
  echo '{"private":true}' >"$dir/package.json"
  npm install --prefix "$dir" --ignore-scripts --no-audit --no-fund --no-package-lock --loglevel=error "$1" >/dev/null
}
for client in "${clients[@]}"; do
  install_client "$client"
done

if [[ ${1:-} == golangci-lint ]] && ! .cache/bin/golangci-lint version 2>/dev/null | grep -q "${golangci_lint#v} "; then
  echo "installing golangci-lint $golangci_lint"
  GOBIN=$PWD/.cache/bin go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$golangci_lint"
fi
