#!/usr/bin/env bash
# Measures and judges in the current folder, and leaves reports of every form in loadline-report/.
# What is asked for stands in AGAINST, SCENARIOS, SHARD and ARGUMENTS; with SESSIONS, a folder with
# the sessions of all shards, these are judged as one instead. LOADLINE is what to type for it.
# Always ends well; how the judgement ended is said as `exit-code=…`.
set -euo pipefail
reports=loadline-report
mkdir -p "$reports"
read -ra loadline <<<"${LOADLINE:-loadline}"
read -ra arguments <<<"${SCENARIOS:-} ${ARGUMENTS:-}"
if [ -n "${AGAINST:-}" ]; then arguments+=(--against "$AGAINST"); fi
if [ -n "${SHARD:-}" ]; then arguments+=(--shard "$SHARD"); fi
verb=regress
if [ -n "${SESSIONS:-}" ]; then
  verb=merge
  while IFS= read -r session; do
    arguments+=("$(dirname "$session")")
  done < <(find "$SESSIONS" -name session.json | sort)
fi
for report in json=report.json junit=junit.xml sarif=report.sarif html=report.html \
  github=annotations.txt summary=summary.md comment=comment.md; do
  arguments+=(--report "${report%%=*}=$reports/${report#*=}")
done
code=0
"${loadline[@]}" "$verb" "${arguments[@]}" | tee "$reports/report.txt" || code="${PIPESTATUS[0]}"
# GitHub reads annotations from what a step prints.
if [ -f "$reports/annotations.txt" ]; then cat "$reports/annotations.txt"; fi
if [ -f "$reports/summary.md" ]; then
  cat "$reports/summary.md" >>"${GITHUB_STEP_SUMMARY:-/dev/null}"
fi
samples="$(sed -n 's|^.*samples: \(.*\)/runs.jsonl$|\1|p' "$reports/report.txt" | tail -n 1)"
{
  echo "exit-code=$code"
  echo "part=${SHARD:+${SHARD/\//-of-}}${SESSIONS:+all}"
  echo "folders<<END"
  echo "$PWD/$reports"
  if [ -n "$samples" ]; then echo "$samples"; fi
  echo "END"
} >>"${GITHUB_OUTPUT:-/dev/null}"
