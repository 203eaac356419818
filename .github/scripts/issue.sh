#!/usr/bin/env bash
# Puts the file DRIFT into the open issue of GITHUB_REPOSITORY that an earlier run has left, or into a
# new one. An issue of the same account that starts with the marker is that one.
set -euo pipefail
title="Costs that differ from the baselines"
marker="<!-- loadline: drift -->"
body="$(mktemp)"
trap 'rm -f "$body"' EXIT
# An issue holds 65,536 characters; the job's summary has all of them.
{ echo "$marker"; "$(dirname "$0")/shorten.sh" 65000 <"$DRIFT"; } >"$body"
account="$(gh api graphql --field query='{ viewer { login } }' --jq .data.viewer.login)"
issues="repos/$GITHUB_REPOSITORY/issues"
first_lines='.[] | [.number, .user.login, ((.body // "") | split("\n")[0] // "" | rtrimstr("\r"))] | @tsv'
number="$(gh api --paginate "$issues?state=open&per_page=100" --jq "$first_lines" |
  awk -F '\t' -v account="$account" -v marker="$marker" '$2 == account && $3 == marker && !n++ { print $1 }')"
if [ -n "$number" ]; then
  gh api --method PATCH "$issues/$number" --field "body=@$body" --silent
else
  gh api --method POST "$issues" --field "title=$title" --field "body=@$body" --silent
fi
