# The gather: the rows of all mails under one header line, as they come. Counts them.
{ print }
END { printf "mails %d\n", (NR > 0 ? NR - 1 : 0) >> ENVIRON["BATCHCTL_COUNTERS"] }
