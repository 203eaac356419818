#!/usr/bin/env bash
# Copies Markdown from standard input, at most BYTES bytes of it. Cuts between lines, so that no
# character is cut, and closes a code block that is open there.
set -euo pipefail
LC_ALL=C awk -v room="$1" -v more="*The rest is left out: the text is too long.*" '
  BEGIN { room -= length(more) + 10 }
  is_full { next }
  {
    room -= length($0) + 1
    if (room < 0) { is_full = 1; next }
    if (/^ *```/) is_code = !is_code
    print
  }
  END {
    if (is_full) { if (is_code) print "```"; print ""; print more }
  }
'
