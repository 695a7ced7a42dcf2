/**
 * The watchdog's program (law 5), for `/bin/sh -c` with the worker's marker (`NAME=value`) as $1 and, if commands run
 * in user groups of their own, an expression for their lines in /proc/PID/status as $2; otherwise $2 is empty. It reads
 * process groups from stdin (`add N`, `del N`); the end of stdin means that the worker is gone. It then kills those
 * groups at once, and after that every process with the marker in its environment, or with such a user group, including
 * those that left their process group. It never kills a number below 2: `kill -9 -1` would end everything.
 */
export const WATCHDOG_SCRIPT = `
trap '' HUP INT QUIT TERM
PATH=/usr/bin:/bin
marker=$1
users=$2
groups=' '
safe() {
  case $1 in '' | *[!0-9]* | 0* | 1) return 1 ;; esac
}
marked() {
  grep -lzxF -e "$marker" /proc/[0-9]*/environ
  [ -z "$users" ] || grep -lE -e "$users" /proc/[0-9]*/status
} 2>/dev/null
belongs() {
  grep -qzxF -e "$marker" "/proc/$1/environ" && return 0
  [ -n "$users" ] && grep -qE -e "$users" "/proc/$1/status"
}
while read -r verb id; do
  safe "$id" || continue
  case $verb in
    add) groups="$groups$id " ;;
    del) case $groups in *" $id "*) groups="\${groups%% $id *} \${groups#* $id }" ;; esac ;;
  esac
done
for id in $groups; do
  safe "$id" && kill -9 "-$id"
done 2>/dev/null
[ -r /proc/self/environ ] || exit 0
round=0
while [ $round -lt 5 ]; do
  round=$((round + 1))
  found=$(marked)
  [ -n "$found" ] || break
  for path in $found; do
    id=\${path#/proc/}
    id=\${id%/*}
    safe "$id" || continue
    belongs "$id" && kill -9 "$id"
  done 2>/dev/null
done
exit 0
`;
