#!/usr/bin/env bash
# Writes the generated code anew: first the entities, then what the API binds
# to them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
go generate ./...
if [[ -f gqlgen.yml ]]; then
  go tool gqlgen generate
fi
