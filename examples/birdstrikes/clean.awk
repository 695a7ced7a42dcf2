# FAA bird strikes: CSV on stdin, its columns found by name in the header line; on stdout, tab-separated:
# state, species, damage, repair and total cost in whole dollars. Exit 65: a record that can't be right.
#
# RFC 4180: a quoted field may hold commas, newlines and doubled quotes; lines end with CRLF or LF.

# Cuts a record into field[1..n]; returns n.
function cut(record, field,    n, rest, quoted) {
  split("", field)
  if (index(record, "\"") == 0) return split(record, field, ",")
  n = 0
  rest = record ","
  while (rest != "") {
    if (substr(rest, 1, 1) == "\"") {
      if (!match(rest, /^"([^"]|"")*",/)) bad("a quote in the middle of a field")
      quoted = substr(rest, 2, RLENGTH - 3)
      gsub(/""/, "\"", quoted)
      field[++n] = quoted
    } else {
      match(rest, /^[^,]*,/)
      field[++n] = substr(rest, 1, RLENGTH - 1)
    }
    rest = substr(rest, RLENGTH + 1)
  }
  return n
}

# A field as it may stand between tabs.
function plain(text) {
  gsub(/[\t\r\n]+/, " ", text)
  return text
}

function bad(why) {
  printf "clean: record %d of this part: %s\n", records, why > "/dev/stderr"
  failed = 1
  exit 65
}

function column(name) {
  if (!(name in at)) bad("no column \"" name "\" in the header")
  return field[at[name]]
}

function dollars(name,    text) {
  text = column(name)
  if (text !~ /^[0-9]+$/) bad("\"" name "\" should be whole dollars, found \"" plain(text) "\"")
  return text + 0
}

# One record, header included.
function take(record,    i, n, other, repair, total) {
  n = cut(record, field)
  if (!columns) {
    columns = n
    for (i = 1; i <= n; i++) at[field[i]] = i
    print "state\tspecies\tdamage\trepair\ttotal"
    return
  }
  records++
  if (n != columns) bad("expected " columns " fields, found " n)
  other = dollars("Cost Other")
  repair = dollars("Cost Repair")
  total = dollars("Cost Total $")
  if (other + repair != total) bad(other " other + " repair " repair isn't the total of " total)
  cost += total
  if (total > 0) paid++
  printf "%s\t%s\t%s\t%.0f\t%.0f\n", plain(column("Origin State")), plain(column("Wildlife Species")),
    plain(column("Effect Amount of damage")), repair, total
}

{
  pending = open ? pending "\n" $0 : $0
  open = gsub(/"/, "\"", pending) % 2 # an odd number of quotes: the record goes on in the next line
  if (open) next
  sub(/\r$/, "", pending)
  if (pending != "") take(pending)
}

END {
  if (failed) exit 65
  if (open) bad("the last quoted field never ends")
  printf "records %d\nstrikes_with_cost %d\ncost %.0f\n", records, paid, cost >> ENVIRON["BATCHCTL_COUNTERS"]
}
