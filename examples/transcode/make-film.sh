#!/bin/sh
# Makes a film with sound from ffmpeg's own test sources: make-film.sh SECONDS FILE.mkv [WIDTHxHEIGHT]
#
# 25 frames a second. Each picture carries its time and frame number, so a lost or doubled frame can be seen. The tone
# beeps once a second, so it can be heard whether sound and picture go together.
set -eu
if [ $# -lt 2 ]; then
  echo "usage: $0 SECONDS FILE.mkv [WIDTHxHEIGHT]" >&2
  exit 2
fi
exec ffmpeg -hide_banner -loglevel error -y \
  -f lavfi -i "testsrc2=size=${3:-640x360}:rate=25:duration=$1" \
  -f lavfi -i "sine=frequency=220:beep_factor=4:sample_rate=48000:duration=$1" \
  -c:v libx264 -preset ultrafast -g 50 -pix_fmt yuv420p -c:a pcm_s16le -fflags +bitexact "$2"
