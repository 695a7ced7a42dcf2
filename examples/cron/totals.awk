# All parts: region,cents -> region,amount, sorted
BEGIN { FS = ","; print "region,amount" }
{ cents[$1] += $2 }
END {
  for (region in cents) printf "%s,%d.%02d\n", region, cents[region] / 100, cents[region] % 100 | "sort"
  close("sort")
}
