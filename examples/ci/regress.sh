#!/usr/bin/env bash
# Judges the repository in the current folder: against its baselines, or against where this branch has
# left the one that is named. Leaves reports in loadline-report/; ends as `loadline regress` does.
set -euo pipefail
if ! command -v loadline >/dev/null || ! command -v loadline-runner >/dev/null; then
  repository="${LOADLINE_REPOSITORY:-https://github.com/loadline/loadline}"
  cargo install --locked --git "$repository" xtask loadline-runner
fi
mkdir -p loadline-report
arguments=()
if [ -n "${1:-}" ]; then arguments+=(--against "$(git merge-base HEAD "$1")"); fi
for report in json=report.json junit=junit.xml html=report.html summary=summary.md; do
  arguments+=(--report "${report%%=*}=loadline-report/${report#*=}")
done
exec loadline regress "${arguments[@]}"
