# One part: id,region,amount -> region,cents
BEGIN { FS = "," }
NR == 1 { next } # the header
$3 !~ /^[0-9]+[.][0-9][0-9]$/ {
  print "not an amount: " $0 > "/dev/stderr"
  bad = 1
  exit 65
}
{ cents[$2] += int($3 * 100 + 0.5); summed++ }
END {
  if (bad) exit 65
  for (region in cents) printf "%s,%d\n", region, cents[region]
  print "summed " summed + 0 > ENVIRON["BATCHCTL_COUNTERS"]
}
