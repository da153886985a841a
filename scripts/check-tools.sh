#!/usr/bin/env bash
# Says what is missing of the three things that a checkout needs.
set -euo pipefail
missing=0
for tool in go node npm; do
  if ! command -v "$tool" >/dev/null; then
    echo "$tool is not installed; Sluice is built with Go, Node 20.19 or newer, and npm" >&2
    missing=1
  fi
done
[[ $missing == 0 ]] || exit 1
node -e '
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`node is version ${process.versions.node}; the web pages are built with 20.19 or newer`);
  process.exit(1);
}'
