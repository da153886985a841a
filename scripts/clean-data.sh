#!/usr/bin/env bash
# Removes the data folder of `sluice dev`:
#
#   clean-data.sh data
#
# It refuses while a Sluice uses it, and stops a PostgreSQL that a killed one
# left running there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
dir=${1:?usage: clean-data.sh folder}
if [[ ! -d $dir ]]; then
  echo "there is no folder $dir"
  exit 0
fi
while IFS= read -r -d '' lock; do
  if command -v flock >/dev/null && ! flock -n "$lock" true; then
    echo "a Sluice (process $(cat "$lock")) is using $dir; stop it first" >&2
    exit 1
  fi
done < <(find "$dir" -maxdepth 3 -type f -name lock -print0)
while IFS= read -r -d '' pidfile; do
  pid=$(head -n 1 "$pidfile")
  # The number proves nothing: a postmaster works in its data folder.
  if [[ $(readlink "/proc/$pid/cwd" || true) == "$(cd "${pidfile%/*}" && pwd -P)" ]]; then
    echo "stopping PostgreSQL, process $pid"
    kill -INT "$pid"
    while [[ -e /proc/$pid/cwd ]]; do sleep 0.1; done
  fi
done < <(find "$dir" -maxdepth 4 -type f -name postmaster.pid -print0)
rm -rf -- "$dir"
echo "removed $dir"
