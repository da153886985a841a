#!/usr/bin/env bash
# Writes the generated code anew: first the entities and the API's client, then
# what the API binds to the entities.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
go generate ./...
if [[ -f gqlgen.yml ]]; then
  go tool gqlgen generate
fi
