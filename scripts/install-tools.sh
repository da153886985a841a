#!/usr/bin/env bash
# Installs into .cache what the tests use, quietly and once:
#
#   install-tools.sh                 PostgreSQL's programs when the machine has
#                                    none, and the package clients
#   install-tools.sh golangci-lint   the linter as well (builds for minutes)
#   install-tools.sh dex             dex, an identity provider (builds for minutes)
#   install-tools.sh browser         playwright-core, and Chromium where apt can
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

# dex cannot be installed by name, because its module replaces others: it is
# built from a module that requires it.
dex=v0.0.0-20240807174518-43956db7fd75 # 2.41.1
if [[ ${1:-} == dex && ! -x .cache/bin/dex-$dex ]]; then
  echo "building dex $dex"
  dir=.cache/dex
  mkdir -p "$dir"
  (
    cd "$dir"
    rm -f go.mod go.sum
    go mod init dex.local
    go get "github.com/dexidp/dex/cmd/dex@$dex" github.com/dexidp/dex/api/v2@v2.2.0
    go build -o "../bin/dex-$dex" github.com/dexidp/dex/cmd/dex
  ) >"$dir.log" 2>&1 || { tail -20 "$dir.log"; exit 1; }
fi
if [[ ${1:-} == dex ]]; then
  ln -sf "dex-$dex" .cache/bin/dex
fi

if [[ ${1:-} == browser ]]; then
  install_client playwright-core=playwright-core@1.56.1
  if ! command -v chromium >/dev/null && [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    echo "installing chromium"
    apt-get install -y -qq chromium >.cache/chromium.log 2>&1 || tail -5 .cache/chromium.log
  fi
fi
