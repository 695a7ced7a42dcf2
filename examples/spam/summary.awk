# One line a group of mails, from the table; a mail that scores the threshold or more counts as flagged.

BEGIN {
  FS = ","
  threshold = ENVIRON["BATCHCTL_PARAM_THRESHOLD"]
  if (threshold !~ /^[0-9]+$/) {
    print "summary: the parameter threshold should be a whole number, found \"" threshold "\"" > "/dev/stderr"
    refused = 1
    exit 65
  }
  threshold += 0
}

NR > 1 {
  group = $2 == "" ? "all" : $2
  mails[group]++
  html[group] += $6
  urls[group] += $4
  lines[group] += $3
  if ($8 >= threshold) { flagged[group]++; all_flagged++ }
  total++
}

END {
  if (refused) exit 65
  print "group,mails,lines,urls,html,flagged,flagged_percent"
  fflush() # before sort writes to the same place
  for (group in mails)
    printf "%s,%d,%d,%d,%d,%d,%.1f\n", group, mails[group], lines[group], urls[group], html[group], flagged[group],
      100 * flagged[group] / mails[group] | "sort"
  close("sort")
  printf "mails %d\nflagged %d\n", total, all_flagged >> ENVIRON["BATCHCTL_COUNTERS"]
}
