#!/bin/sh
# Cuts a film without encoding it: segments of about SEGMENT seconds, and the sound as one file.
#
# A segment begins at a key frame, so each one can be decoded by itself. The sound stays whole, because each encoder of
# sound adds samples at the beginning: cut sound, joined again, drifts away from the picture.
set -eu
film=$1
segment=$2
probe() { ffprobe -v error -select_streams "$1" -show_entries "$2" -of default=nokey=1:noprint_wrappers=1 "$film"; }

if [ -z "$(probe v:0 stream=index)" ]; then
  echo "cut: $BATCHCTL_INPUT_BASENAME has no picture" >&2
  exit 65 # no retry will find one
fi
ffmpeg -hide_banner -loglevel error -i "$film" -map 0:v:0 -c copy \
  -f segment -segment_time "$segment" -reset_timestamps 1 "$BATCHCTL_OUTPUT_DIR/%05d.mkv"
if [ -n "$(probe a:0 stream=index)" ]; then
  ffmpeg -hide_banner -loglevel error -i "$film" -map 0:a:0 -c copy "$BATCHCTL_OUTPUT_DIR/sound.mka"
fi
ffprobe -v error -count_packets -select_streams v:0 -show_entries stream=nb_read_packets -of default=nokey=1:noprint_wrappers=1 "$film" |
  awk '{ print "frames", $1 }' >>"$BATCHCTL_COUNTERS"
