#!/usr/bin/env bash
# Generates the code and fails when that changed anything. It compares with the
# working tree, not with the last commit, so work in progress does not disturb
# it; what it found to differ stays, ready to be committed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if ! git rev-parse --git-dir >/dev/null 2>&1; then
  echo 'not a git checkout: generated code is not checked'
  exit 0
fi
fingerprint() {
  git ls-files -z --cached --others --exclude-standard -- ent graph cmd/internal/apiclient go.mod go.sum schema.graphql |
    while IFS= read -r -d '' file; do
      if [[ -f $file ]]; then printf '%s  %s\n' "$(git hash-object --no-filters "$file")" "$file"; fi
    done
}
before=$(fingerprint)
scripts/generate.sh
after=$(fingerprint)
if [[ $before != "$after" ]]; then
  echo 'the generated code was not up to date; `make generate` changes:' >&2
  diff <(echo "$before") <(echo "$after") | sed -n 's/^[<>] [0-9a-f]*  /  /p' | sort -u >&2
  exit 1
fi
