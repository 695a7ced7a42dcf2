#!/bin/sh
# Joins the encoded segments, in order, and the sound, into one film. Nothing is encoded again.
set -eu
segments=$1
film=$2
list=segments.txt
sound=

# Each output of encode lies in the directory under its task's number; sound, if there is any, comes last.
for each in "$segments"/*; do
  if [ "$(ffprobe -v error -show_entries stream=codec_type -of default=nokey=1:noprint_wrappers=1 "$each")" = audio ]; then
    sound=$each
  else
    echo "file '$each'" >>"$list"
  fi
done
set -- -f concat -safe 0 -i "$list"
if [ -n "$sound" ]; then set -- "$@" -i "$sound" -map 0:v -map 1:a; fi
ffmpeg -hide_banner -loglevel error -y "$@" -c copy -movflags +faststart "$film"
ffprobe -v error -count_frames -select_streams v:0 -show_entries stream=nb_read_frames -of default=nokey=1:noprint_wrappers=1 "$film" |
  awk '{ print "frames", $1 }' >>"$BATCHCTL_COUNTERS"
