#!/usr/bin/env bash
# Measures and judges in the current folder, and leaves reports of every form in loadline-report/.
# AGAINST, SCENARIOS, SHARD and ARGUMENTS say what to measure. SCENARIOS and ARGUMENTS are split into
# words at blanks and newlines; quotes keep a word together, as in a shell. With SESSIONS, a folder that
# holds the sessions of all shards, these are judged as one and nothing is measured.
# NAME tells this use from others in the same workflow. LOADLINE is the command to start.
# This script ends with 0 also after a regression; its output `exit-code` is Loadline's own.
set -euo pipefail
reports=loadline-report
rm -rf "$reports"
mkdir "$reports"
. "$(dirname "$0")/words.sh"
read -ra loadline <<<"${LOADLINE:-loadline}"
add_words scenarios "${SCENARIOS:-}"
add_words arguments "${ARGUMENTS:-}"
if [ -n "${AGAINST:-}" ]; then
  if [ "$(git rev-parse --is-shallow-repository)" = true ] &&
    ! git rev-parse --quiet --verify "$AGAINST^{commit}" >/dev/null; then
    fail "this clone is shallow and does not contain $AGAINST (set fetch-depth: 0 of actions/checkout)"
  fi
  arguments+=(--against "$AGAINST")
fi
if [ -n "${SHARD:-}" ]; then arguments+=(--shard "$SHARD"); fi
verb=regress
if [ -n "${SESSIONS:-}" ]; then
  verb=merge
  n_before=${#arguments[@]}
  while IFS= read -r session; do
    arguments+=("$(dirname "$session")")
  done < <(find "$SESSIONS" -name session.json | sort)
  if [ "${#arguments[@]}" = "$n_before" ]; then
    fail "there is no session in $SESSIONS (see the logs of the jobs that measure)"
  fi
fi
for report in json=report.json junit=junit.xml html=report.html \
  github=annotations.txt summary=summary.md comment=comment.md; do
  arguments+=(--format "${report%%=*}" --output "$reports/${report#*=}")
done
code=0
"${loadline[@]}" "$verb" "${arguments[@]}" | tee "$reports/report.txt" || code="${PIPESTATUS[0]}"
# GitHub reads annotations from what a step prints.
if [ -f "$reports/annotations.txt" ]; then cat "$reports/annotations.txt"; fi
if [ -f "$reports/summary.md" ]; then
  # GitHub drops a summary of more than 1 MiB.
  "$(dirname "$0")/shorten.sh" 1000000 <"$reports/summary.md" >>"${GITHUB_STEP_SUMMARY:-/dev/null}"
fi
# Of several unwinders each has a report.
samples="$(cat "$reports"/report*.json 2>/dev/null | sed -n 's|^.*"samples": *"\(.*\)/runs.jsonl".*$|\1|p' | tail -n 1 || true)"
# An artifact's name may hold neither slashes nor blanks.
root="${ROOT:-.}"
name="$(printf '%s@%s' "${NAME:-loadline}" "${root#.}" | tr / + | tr -c 'A-Za-z0-9@+._-' -)"
part="${SHARD:+@${SHARD/\//-of-}}${SESSIONS:+@all}"
# The job that comments finds the report of a shard incomplete, so a shard has no name there.
if [ -z "${SHARD:-}" ]; then echo "$name" >"$reports/name.txt"; fi
{
  echo "exit-code=$code"
  echo "name=$name$part"
  echo "folders<<END"
  echo "$PWD/$reports"
  if [ -n "$samples" ]; then echo "$samples"; fi
  echo "END"
} >>"${GITHUB_OUTPUT:-/dev/null}"
