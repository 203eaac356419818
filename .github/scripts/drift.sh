#!/usr/bin/env bash
# Measures what the baselines cover and writes what costs differently from them to
# loadline-report/drift.md and to the summary. Refreshes nothing: people write baselines.
# SCENARIOS and ARGUMENTS are split into words as in regress.sh. issue.sh makes an issue of the result.
set -euo pipefail
. "$(dirname "$0")/words.sh"
read -ra loadline <<<"${LOADLINE:-loadline}"
add_words scenarios "${SCENARIOS:-}"
add_words arguments "${ARGUMENTS:-}"
mkdir -p loadline-report
report=loadline-report/report.json
drift=loadline-report/drift.md
code=0
rm -f "$report"
arguments+=(--format json --output "$report")
"${loadline[@]}" regress "${arguments[@]}" || code=$?
session="$(sed -n 's|^.*"samples": *"\(.*\)/runs.jsonl".*$|\1|p' "$report" 2>/dev/null | tail -n 1 || true)"
if [ -z "$session" ]; then
  echo "::error title=loadline::nothing was measured (exit code $code)" >&2
  exit 1
fi
baselines="$(sed -n 's/^baselines *= *"\([^"]*\)".*/\1/p' loadline.toml 2>/dev/null || true)"
{
  echo "# Costs that differ from the baselines"
  echo "On ${MACHINE:-this machine}, at $(git rev-parse HEAD). \`regress\` ended with exit code $code."
  for baseline in "${baselines:-baselines}"/*.toml; do
    name="$(basename "$baseline" .toml)"
    if [ "$name" = calibration ] || ! grep -q "\"$name\"" "$session/session.json"; then continue; fi
    echo
    echo '```text'
    "${loadline[@]}" diff "$name" "$session" || echo "cannot compare $name (exit code $?)"
    echo '```'
  done
} | tee "$drift"
# GitHub drops a summary of more than 1 MiB.
"$(dirname "$0")/shorten.sh" 1000000 <"$drift" >>"${GITHUB_STEP_SUMMARY:-/dev/null}"
