#!/usr/bin/env bash
# Runs every fuzz target of the repository, one after the other:
#
#   fuzz.sh 10s
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
time=${1:-10s}
found=0
while IFS=: read -r file target; do
  found=$((found + 1))
  echo "--- $target in ${file%/*}, $time"
  go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" "./${file%/*}"
done < <(grep -rHoE --include='*_test.go' --exclude-dir=node_modules --exclude-dir=.cache '^func Fuzz[A-Za-z0-9_]*' . |
  sed -e 's|^\./||' -e 's|:func |:|' | sort)
if [[ $found == 0 ]]; then
  echo 'no fuzz target found' >&2
  exit 1
fi
