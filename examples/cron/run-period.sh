#!/bin/sh
# Runs a job for one period, once, however often this is called: the run key is the job file's name and the period.
# Prints nothing when all is well, for cron mails what is printed. Otherwise: what happened, and what fixes it.
#
#   run-period.sh claims.yaml 2026-11
#   run-period.sh claims.yaml 2026-11 unfinished    only if that job was begun and has not ended
#
# While it waits for a late input it says so in the log, and on a terminal.
# Leaves out/claims-2026-11.csv, .html (the report), .compared.txt (beside the run before) and log/claims-2026-11.log.
# From the environment: AWAIT, how long an input may be late; LIMIT, how long to wait for the job; REGRESS, how much
# worse than the run before is worth a mail.
set -u
cd "$(dirname "$0")" || exit 1
# A file that is named must exist: without it nothing runs elsewhere by mistake.
export BATCHCTL_CONFIG="${BATCHCTL_CONFIG:-$PWD/batchctl.config.json}"
file=$1 period=$2
name=$(basename "$file" .yaml)
key="key:$name-$period"
out="out/$name-$period"
mkdir -p out log || exit 1
said=$(mktemp log/.firing.XXXXXX) || exit 1
trap 'rm -f "$said" "$said.compared"' EXIT
trap 'exit 143' HUP INT TERM

# mail WHAT: the head of the mail, and what the run said.
mail() {
  printf '%s %s on %s: %s (exit %s)\n\n' "$name" "$period" "$(uname -n)" "$1" "$code"
  cat "$said"
}

# tell TEXT: into the log, and to a person at a terminal; cron mails none of it.
tell() {
  printf '== %s: %s\n' "$(date)" "$1" >>"log/$name-$period.log"
  if [ -t 2 ]; then printf '%s %s %s\n' "$name" "$period" "$1" >&2; fi
}

# then_do TEXT...: the end of the mail, a paragraph each.
then_do() {
  printf '\n%s\n' "$@"
  printf '\ncd %s\n./run-period.sh %s %s\n' "$PWD" "$file" "$period"
}

submit() {
  batchctl run "$file" --period "$period" --run-key "$name-{period}" "$@" >"$said" 2>&1
  code=$?
}

# compare: beside the run before, once a period. Of two firings at once the one whose link comes first speaks.
compare() {
  if [ -e "$out.compared.txt" ]; then return; fi
  batchctl report "$key" --compare last --regress "${REGRESS:-30%}" --quiet >"$said.compared" 2>&1
  compared=$?
  case $compared in
    0 | 11) ln "$said.compared" "$out.compared.txt" 2>/dev/null || return ;;
    4) return ;; # the first of its name
  esac
  if [ "$compared" -eq 0 ]; then return; fi
  if [ "$compared" -ne 11 ]; then
    cat "$said.compared"
  else
    printf '%s %s on %s: done and proven, but worse than the run before (exit 11)\n\n' "$name" "$period" "$(uname -n)"
    grep '^worse:' "$said.compared"
    printf '\nAll figures: %s/%s.compared.txt\n' "$PWD" "$out"
  fi
  if [ "$code" -eq 0 ]; then code=$compared; fi
}

set -- "${3:-}" --timeout "${LIMIT:-6h}" -o "$out.csv" --quiet
if batchctl status "$key" --json --quiet >"$said" 2>/dev/null; then
  there=yes
else
  there=no
fi
if [ "$1" = unfinished ]; then
  case $(cat "$said") in
    *'"state":"running"'* | *'"state":"submitted"'*) ;;
    *) exit 0 ;;
  esac
fi
shift

if [ "$there" = yes ]; then
  submit "$@"
  # The input was moved away since. The job knows what it read.
  if [ "$code" -eq 4 ]; then
    batchctl run "$key" "$@" >"$said" 2>&1
    code=$?
  fi
else
  batchctl plan "$file" --period "$period" --quiet >/dev/null 2>&1
  if [ $? -eq 4 ]; then tell "waits for its input, up to ${AWAIT:-2h}"; fi
  submit --await-input "${AWAIT:-2h}" "$@"
fi
{
  printf '== %s: exit %s\n' "$(date)" "$code"
  cat "$said"
} >>"log/$name-$period.log"

case $code in
  0 | 5 | 6 | 9 | 10) batchctl report "$key" --format html -o "$out.html" --quiet || [ "$code" -ne 0 ] || code=8 ;;
esac

case $code in
  0) ;;
  2 | 3)
    mail 'the job file, the configuration or this script is not valid'
    then_do 'Nothing was begun. Fix what is named above, then:'
    ;;
  4)
    mail "its input had not come after ${AWAIT:-2h}"
    then_do 'Nothing was begun. When the input is there:'
    ;;
  5)
    mail 'the job failed, or was cancelled'
    echo
    batchctl failures "$key" --quiet 2>&1
    then_do "What is done stays done. Look:   batchctl failures $key, batchctl logs $key --failed
The program was wrong: fix it,   batchctl retry $key --with $file
It was passing, try again:       batchctl retry $key
Go without, by name:             batchctl skip $key --cause C --reason TEXT
The data was wrong: fix it,      batchctl run $file --period $period --run-key '$name-{period}' --again -o $out.csv" \
      'Then finish it, with the report:'
    ;;
  6)
    mail "not finished after ${LIMIT:-6h}"
    echo
    batchctl why "$key" --quiet 2>&1
    then_do 'Nothing is lost, and nobody works on it now. The same line goes on where it was:'
    ;;
  7)
    case $(batchctl status "$key" --json --quiet 2>/dev/null) in
      *'"state":"paused"'*)
        mail 'the job is paused'
        echo
        batchctl why "$key" --quiet 2>&1
        then_do "Nothing is lost. When it may go on: batchctl resume $key. Then:"
        ;;
      *)
        mail 'refused'
        then_do "Nothing was begun. Was the input, the job file or the program changed after the period was run? Then either put the
old one back, or ask for a second run on purpose:
batchctl run $file --period $period --run-key '$name-{period}' --again -o $out.csv" 'Then:'
        ;;
    esac
    ;;
  8)
    mail 'a service stayed away: a full disk, a locked database'
    echo
    batchctl doctor --quiet 2>&1
    then_do 'Nothing is lost. Fix what is named above, then:'
    ;;
  9)
    mail 'THE PROOF FAILED: something is missing, double or altered. Do not use the result'
    echo
    batchctl verify "$key" --quiet 2>&1
    then_do "Keep everything as it is. batchctl verify $key --deep reads every byte; --repair sends again what is missing. Then:"
    ;;
  10)
    mail 'done and proven, but late'
    then_do "Why: batchctl report $key. To see the answer again:"
    ;;
  127)
    mail 'batchctl or node is not on the PATH'
    then_do "PATH is $PATH. In the crontab, set PATH above the lines. Then:"
    ;;
  129 | 130 | 137 | 143)
    mail 'interrupted'
    then_do 'Nothing is lost. It goes on with:'
    ;;
  *)
    mail 'an unexpected error'
    then_do 'The same with --verbose says more; the command is in this script. Again:'
    ;;
esac

case $code in
  0 | 10) compare ;;
esac
exit "$code"
