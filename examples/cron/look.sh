#!/bin/sh
# Looks at every job that is open, and prints why one is slow, stuck or failing. Changes nothing; silent when all is well.
set -u
cd "$(dirname "$0")" || exit 1
# A file that is named must exist: without it nothing runs elsewhere by mistake.
export BATCHCTL_CONFIG="${BATCHCTL_CONFIG:-$PWD/batchctl.config.json}"
worst=0
for state in submitted running; do
  jobs=$(batchctl jobs --state "$state" --json --quiet) || exit
  for job in $(printf '%s\n' "$jobs" | sed -n 's/^{"job":"\([^"]*\)".*/\1/p'); do
    found=$(batchctl why "$job" --quiet 2>&1) && continue
    worst=$?
    printf '%s\n\n' "$found"
  done
done
exit "$worst"
