#!/bin/sh
# The month's run. Its period is the month whose end is nearest: until the 15th the month before, from the 16th on this
# one. So it is right on the last evening, after midnight, and when a person calls it again days later.
#
#   month-end.sh                     now
#   month-end.sh last-day            only on the last day of the month
#   month-end.sh last-business-day   only on its last Monday to Friday that the file `holidays` doesn't name
#   month-end.sh unfinished          only if the period's job was begun and has not ended
#   month-end.sh 2026-11             that period, whatever the date
set -u
cd "$(dirname "$0")" || exit 1
# shellcheck source=calendar.sh
. ./calendar.sh

last_business_day() {
  at=$(days_in "$year" "$month")
  on=$(((weekday - 1 + at - day) % 7 + 1))
  while [ "$on" -gt 5 ] || grep -qs "^$(printf '%04d-%02d-%02d' "$year" "$month" "$at")" holidays; do
    at=$((at - 1)) on=$(((on + 5) % 7 + 1))
  done
  echo "$at"
}

today
unfinished=
case ${1:-now} in
  now) ;;
  last-day) [ "$day" -eq "$(days_in "$year" "$month")" ] || exit 0 ;;
  last-business-day) [ "$day" -eq "$(last_business_day)" ] || exit 0 ;;
  unfinished) unfinished=unfinished ;;
  [0-9][0-9][0-9][0-9]-[01][0-9]) exec ./run-period.sh claims.yaml "$1" ;;
  *)
    echo "month-end.sh: expected last-day, last-business-day, unfinished or a period such as 2026-11, found \"$1\""
    exit 2
    ;;
esac

if [ "$day" -lt 16 ]; then
  month=$((month - 1))
  if [ "$month" -eq 0 ]; then month=12 year=$((year - 1)); fi
fi
exec ./run-period.sh claims.yaml "$(printf '%04d-%02d' "$year" "$month")" $unfinished
