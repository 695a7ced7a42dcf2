# shellcheck shell=sh
# Today, and the length of a month. POSIX sh and one call of `date`: no arithmetic with `date -d`, which is GNU's alone,
# takes 31 March less a month for 3 March, and refuses times that the clocks skip.

# Sets year, month, day and weekday (1 is Monday) as plain numbers, in the zone of TZ, from one look at the clock.
# shellcheck disable=SC2034 # read by whoever takes this file in
today() {
  read -r year month day weekday <<EOF
$(date '+%Y %m %d %u')
EOF
  month=${month#0} day=${day#0} # 08 would be read as octal
  [ -n "$weekday" ] || exit 1
}

# days_in YEAR MONTH: prints 28 to 31.
days_in() {
  case $2 in
    4 | 6 | 9 | 11) echo 30 ;;
    2) if [ $(($1 % 4)) -eq 0 ] && { [ $(($1 % 100)) -ne 0 ] || [ $(($1 % 400)) -eq 0 ]; }; then echo 29; else echo 28; fi ;;
    *) echo 31 ;;
  esac
}
