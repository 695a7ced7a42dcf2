#!/bin/sh
# The gather: converted claims on stdin, one header line; claims and euros by region on stdout, in exact cents.
set -eu
LC_ALL=C
export LC_ALL

echo region,claims,eur
awk -F, '
  function money(c,    r) {
    r = c % 100
    return sprintf("%.0f.%02.0f", (c - r) / 100, r)
  }
  NR == 1 { next }
  {
    cents = $3
    sub(/\./, "", cents)
    claims[$2]++
    eur[$2] += cents
    records++
    total += cents
    if (total > 9e15) { # doubles are exact up to 2^53
      print "totals: the sum is too large to be exact" > "/dev/stderr"
      failed = 1
      exit 65
    }
  }
  END {
    if (failed) exit 65
    for (region in claims) print region "," claims[region] "," money(eur[region])
    printf "records %d\neur %s\n", records, money(total) >> ENVIRON["BATCHCTL_COUNTERS"]
  }' >rows
sort rows
