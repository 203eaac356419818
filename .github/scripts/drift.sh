#!/usr/bin/env bash
# Measures what the baselines cover and shows what costs differently from them, in the summary and in
# one issue that is kept up to date. Refreshes nothing: a baseline is written by people.
set -euo pipefail
read -ra loadline <<<"${LOADLINE:-loadline}"
read -ra scenarios <<<"${SCENARIOS:-}"
read -ra more <<<"${ARGUMENTS:-}"
mkdir -p loadline-report
text=loadline-report/report.txt
drift=loadline-report/drift.md
code=0
"${loadline[@]}" regress "${scenarios[@]}" "${more[@]}" | tee "$text" || code="${PIPESTATUS[0]}"
session="$(sed -n 's|^.*samples: \(.*\)/runs.jsonl$|\1|p' "$text" | tail -n 1)"
if [ -z "$session" ]; then
  echo "nothing was measured (exit code $code)" >&2
  exit 1
fi
title="What costs differently from the baselines"
{
  echo "# $title"
  echo "On ${MACHINE:-this machine}, at $(git rev-parse HEAD). \`regress\` ended with exit code $code."
  for baseline in "${BASELINES:-baselines}"/*.toml; do
    name="$(basename "$baseline" .toml)"
    if [ "$name" = calibration ] || ! grep -q "\"$name\"" "$session/session.json"; then continue; fi
    echo
    echo '```text'
    "${loadline[@]}" diff "$name" "$session" || echo "cannot compare $name (exit code $?)"
    echo '```'
  done
} | tee "$drift"
cat "$drift" >>"${GITHUB_STEP_SUMMARY:-/dev/null}"
if [ -z "${GH_TOKEN:-}" ]; then exit 0; fi
search=".[] | select(.title == \"$title\") | .number"
number="$(gh issue list --state open --json number,title --jq "$search" | head -n 1)"
# An issue holds 65,536 characters; the summary has all of them.
head -c 60000 "$drift" >"$drift.issue"
if [ -n "$number" ]; then
  gh issue edit "$number" --body-file "$drift.issue"
else
  gh issue create --title "$title" --body-file "$drift.issue"
fi
