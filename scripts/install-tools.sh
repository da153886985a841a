#!/usr/bin/env bash
# Installs into .cache what the tests use, quietly and once:
#
#   install-tools.sh                 PostgreSQL's programs when the machine has
#                                    none, and the package clients
#   install-tools.sh golangci-lint   the linter as well (builds for minutes)
#
# Clients are in .cache/clients/<folder>/node_modules/.bin, each in a folder of
# its own, because some claim each other's names. They come from the registry
# that npm is configured for; all of them are a download of some 100 MB and half
# a minute.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/check-tools.sh
mkdir -p .cache/bin .cache/clients

golangci_lint=v2.15.0
# folder=name@version
clients=(
  npm=npm@11.19.1
  pnpm=pnpm@10.34.9
  pnpm12=pnpm@12.21.0
  yarn=yarn@1.22.22
  berry=@yarnpkg/cli-dist@4.18.1
  bun=bun@1.4.5
  deno=deno@2.9.6
)

go build -o .cache/bin/testpg ./cmd/internal/postgres/testpg
.cache/bin/testpg find >/dev/null

# install_client installs folder=name@version unless exactly that is there.
install_client() {
  local dir=.cache/clients/${1%%=*} spec=${1#*=}
  local name=${spec%@*} version=${spec##*@}
  local manifest=$dir/node_modules/$name/package.json
  if [[ -f $manifest ]] && grep -q "\"version\": *\"$version\"" "$manifest"; then
    return
  fi
  echo "installing $spec"
  rm -rf "$dir"
  mkdir -p "$dir"
  echo '{"private":true}' >"$dir/package.json"
  npm install --prefix "$dir" --ignore-scripts --no-audit --no-fund --no-package-lock --loglevel=error "$spec" >/dev/null
  # Programs of bun and pnpm 12 are put into their places by their own script.
  local script=$dir/node_modules/$name/install.js
  if [[ -f $script ]] && ! (cd "${script%/*}" && node install.js); then
    rm -rf "$dir"
    return 1
  fi
}
for client in "${clients[@]}"; do
  install_client "$client"
done

if [[ ${1:-} == golangci-lint ]] && ! .cache/bin/golangci-lint version 2>/dev/null | grep -q "${golangci_lint#v} "; then
  echo "installing golangci-lint $golangci_lint"
  GOBIN=$PWD/.cache/bin go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$golangci_lint"
fi
