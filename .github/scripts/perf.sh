#!/usr/bin/env bash
# Lets programs count by perf_event_open, where this user may allow it: Ubuntu forbids it.
set -euo pipefail
setting="${PERF_EVENT_PARANOID:-/proc/sys/kernel/perf_event_paranoid}"
if [ ! -r "$setting" ] || [ "$(cat "$setting")" -le 1 ]; then exit 0; fi
before="$(cat "$setting")"
sudo=""
if [ "$(id -u)" != 0 ]; then sudo="sudo -n"; fi
if $sudo sysctl -q -w kernel.perf_event_paranoid=1 2>/dev/null && [ "$(cat "$setting")" -le 1 ]; then
  echo "kernel.perf_event_paranoid was $before and is 1 now"
else
  echo "::notice title=loadline::kernel.perf_event_paranoid is $before and cannot be changed here, so Loadline measures without perf counters (https://github.com/loadline/loadline/blob/main/docs/reference/metrics.md)"
fi
