# Features of mails: one CSV line a mail below a header line. Mails come as arguments, or one on stdin.
# Words and marks are counted in the mail as sent: base64 and quoted-printable are not decoded.

function begin_mail(file,    parts, n) {
  n = split(file, parts, "/")
  group = n > 1 ? parts[n - 1] : ""   # the folder says what it is; on stdin nothing does
  id = n > 1 ? parts[n] : ""
  sub(/\..*/, "", id)
  in_header = 1
  reply = subject = ""
  lines = urls = words = marks = html = money = 0
}

# 0 to 10: what speaks for spam.
function score(    points) {
  points = html ? 3 : 0
  if (shouting) points += 2
  if (words >= 3) points += 2
  if (marks >= 5) points += 1
  if (money) points += 1
  if (reply == "") points += 1
  return points
}

function end_mail(    letters) {
  letters = subject
  gsub(/[^A-Za-z]/, "", letters)
  shouting = length(letters) >= 8 && letters !~ /[a-z]/
  gsub(/[^A-Za-z0-9@._+-]/, "_", id)
  print id "," group "," lines "," urls "," words "," html "," shouting "," score()
  mails++
  total_lines += lines
  total_urls += urls
}

BEGIN { print "mail,group,lines,urls,words,html,shouting,score" }

FNR == 1 {
  if (started) end_mail()
  started = 1
  begin_mail(FILENAME)
}

{ lines++ }

in_header && /^\r?$/ { in_header = 0; next }
in_header && /^[Ss]ubject:/ { subject = substr($0, 9) }
in_header && /^(In-Reply-To|References):/ { reply = 1 }
in_header && id == "" && tolower($1) == "message-id:" { id = $2; gsub(/[<>]/, "", id) }

{
  text = tolower($0)
  if (text ~ /text\/html|<html/) html = 1
  if (in_header) next
  urls += gsub(/https?:\/\//, "&", text)
  words += gsub(/free|guarantee|click here|remove|offer|credit|order now|dear /, "&", text)
  marks += gsub(/!/, "!", text)
  if (text ~ /\$ ?[0-9]/) money = 1
}

END {
  if (!started) { print "features: an empty mail" > "/dev/stderr"; exit 65 }
  end_mail()
  printf "mails %d\nlines %d\nurls %d\n", mails, total_lines, total_urls >> ENVIRON["BATCHCTL_COUNTERS"]
}
