#!/bin/sh
# Removes old jobs' outputs, and checks what jobs stand on. Prints only what needs a person.
# From the environment: KEEP, how long a finished job's outputs, parts and logs stay in the store.
set -u
cd "$(dirname "$0")" || exit 1
# A file that is named must exist: without it nothing runs elsewhere by mistake.
export BATCHCTL_CONFIG="${BATCHCTL_CONFIG:-$PWD/batchctl.config.json}"
worst=0
said=$(batchctl prune --older-than "${KEEP:-90d}" --yes --quiet 2>&1) || {
  worst=$?
  printf 'prune (exit %s):\n%s\n\n' "$worst" "$said"
}
said=$(batchctl doctor --strict --quiet 2>&1) || {
  worst=$?
  printf 'doctor (exit %s):\n%s\n' "$worst" "$(printf '%s\n' "$said" | grep -v '^pass ')"
}
# What a firing that was killed left, and the logs of firings long past.
find log -name '.firing.*' -mtime +7 -exec rm -f {} + 2>/dev/null
find log -name '*.log' -mtime +400 -exec rm -f {} + 2>/dev/null
exit "$worst"
