#!/usr/bin/env bash
# Judges the repository in the current folder: against its baselines, or against the commit where this
# branch left the revision that is named. Leaves reports in loadline-report/; ends as `loadline regress`
# does.
set -euo pipefail
version="${LOADLINE_VERSION:-0.1.0}"
arguments=()
if [ -n "${1:-}" ]; then
  if ! base="$(git merge-base HEAD "$1")"; then
    echo "error: cannot find where this branch left $1" >&2
    if [ "$(git rev-parse --is-shallow-repository)" = true ]; then
      echo "this clone is shallow: fetch the whole history (git fetch --unshallow; GIT_DEPTH: 0 on GitLab)" >&2
    else
      echo "run git fetch origin first, or name a revision that this branch comes from" >&2
    fi
    exit 1
  fi
  arguments+=(--against "$base")
fi
if [ "$(loadline --version 2>/dev/null)" != "loadline $version" ] || ! command -v loadline-runner >/dev/null; then
  repository="${LOADLINE_REPOSITORY:-https://github.com/loadline/loadline}"
  cargo install --debug --locked --force --git "$repository" --tag "v$version" loadline loadline-runner
fi
mkdir -p loadline-report
for report in json=report.json junit=junit.xml html=report.html summary=summary.md; do
  arguments+=(--format "${report%%=*}" --output "loadline-report/${report#*=}")
done
exec loadline regress "${arguments[@]}"
