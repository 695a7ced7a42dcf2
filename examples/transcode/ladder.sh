#!/bin/sh
# Encodes one film in three heights, for players that choose by their bandwidth. The film is decoded once.
set -eu
film=$1
stem=$2
ffmpeg -hide_banner -loglevel error -y -i "$film" -filter_complex '[0:v]split=3[a][b][c];
  [a]scale=-2:360[high];[b]scale=-2:240[middle];[c]scale=-2:144[low]' -threads 1 \
  -map '[high]' -map '0:a?' -c:v libx264 -crf 23 -c:a aac -movflags +faststart "$BATCHCTL_OUTPUT_DIR/$stem-360p.mp4" \
  -map '[middle]' -map '0:a?' -c:v libx264 -crf 25 -c:a aac -movflags +faststart "$BATCHCTL_OUTPUT_DIR/$stem-240p.mp4" \
  -map '[low]' -map '0:a?' -c:v libx264 -crf 27 -c:a aac -movflags +faststart "$BATCHCTL_OUTPUT_DIR/$stem-144p.mp4"

frames() {
  ffprobe -v error -count_frames -select_streams v:0 -show_entries stream=nb_read_frames -of default=nokey=1:noprint_wrappers=1 "$1"
}
echo "source $(frames "$film")" >>"$BATCHCTL_COUNTERS"
for height in 360 240 144; do echo "p$height $(frames "$BATCHCTL_OUTPUT_DIR/$stem-${height}p.mp4")" >>"$BATCHCTL_COUNTERS"; done
