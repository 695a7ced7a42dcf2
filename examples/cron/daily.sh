#!/bin/sh
# The run of a day's increment. Its period is the day before, by the calendar: also where that had 23 or 25 hours.
#
#   daily.sh              now, for yesterday
#   daily.sh 2026-11-30   that day, whatever the date
set -u
cd "$(dirname "$0")" || exit 1
if [ $# -gt 0 ]; then exec ./run-period.sh daily.yaml "$1"; fi
# shellcheck source=calendar.sh
. ./calendar.sh

today
day=$((day - 1))
if [ "$day" -eq 0 ]; then
  month=$((month - 1))
  if [ "$month" -eq 0 ]; then month=12 year=$((year - 1)); fi
  day=$(days_in "$year" "$month")
fi
exec ./run-period.sh daily.yaml "$(printf '%04d-%02d-%02d' "$year" "$month" "$day")"
