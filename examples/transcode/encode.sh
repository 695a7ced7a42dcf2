#!/bin/sh
# Encodes one segment of picture, or the sound, and counts what came out: frames, and seconds of film.
set -eu
in=$1
out=$2
crf=$3
if [ "$BATCHCTL_INPUT_NAME" = sound.mka ]; then
  exec ffmpeg -hide_banner -loglevel error -y -i "$in" -c:a aac -b:a 128k -f matroska "$out"
fi
# One thread: batchctl runs a task for each core.
ffmpeg -hide_banner -loglevel error -y -i "$in" -c:v libx264 -preset medium -crf "$crf" -threads 1 -f matroska "$out"
ffprobe -v error -count_frames -select_streams v:0 -show_entries stream=nb_read_frames,r_frame_rate \
  -of default=nokey=1:noprint_wrappers=1 "$out" |
  awk 'NR == 1 { split($1, rate, "/") } NR == 2 { print "frames", $1; printf "seconds %.3f\n", $1 * rate[2] / rate[1] }' >>"$BATCHCTL_COUNTERS"
