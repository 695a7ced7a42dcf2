# Payable amounts in euros, by the rates of rates.csv (euros for one unit, six decimals), rounded half up to the cent.
# Reads what price.mjs wrote, whose fields hold no commas; writes claim, region, eur. Exit 65: a currency without a rate.
#
# Money is whole cents, a rate whole millionths. awk counts in doubles, exact up to 2^53: what could pass it is refused.

function bad(why) {
  print "convert: line " FNR ": " why > "/dev/stderr"
  failed = 1
  exit 65
}

# 1234.50 -> 123450
function cents(text) {
  if (text !~ /^[0-9]+\.[0-9][0-9]$/) bad("expected money like 1234.50, found \"" text "\"")
  sub(/\./, "", text)
  return text + 0
}

function money(c,    r) {
  r = c % 100
  return sprintf("%.0f.%02.0f", (c - r) / 100, r)
}

BEGIN {
  FS = OFS = ","
  while ((status = (getline line < "rates.csv")) > 0) {
    if (line ~ /^[A-Z][A-Z][A-Z],[0-9]+\.[0-9][0-9][0-9][0-9][0-9][0-9]\r?$/) {
      currency = substr(line, 1, 3)
      gsub(/[^0-9]/, "", line)
      rate[currency] = line + 0
    }
  }
  if (status < 0) bad("can't read rates.csv")
  print "claim", "region", "eur"
}

FNR == 1 { next }

{
  if (!($3 in rate)) bad("no rate for " $3 " in rates.csv")
  amount += cents($4)
  payable = cents($5)
  all_payable += payable
  product = payable * rate[$3] + 500000
  if (product > 9e15 || amount > 9e15) bad("an amount too large to convert exactly")
  eur = (product - product % 1000000) / 1000000
  all_eur += eur
  records++
  print $1, $2, money(eur)
}

END {
  if (failed) exit 65
  printf "records %d\namount %s\npayable %s\neur %s\n", records, money(amount), money(all_payable),
    money(all_eur) >> ENVIRON["BATCHCTL_COUNTERS"]
}
