#!/usr/bin/env bash
# Puts each comment.md below REPORTS under the pull request PULL_REQUEST of GITHUB_REPOSITORY. name.txt
# beside it names the use of Loadline: a comment that the same account left for this name is replaced.
set -euo pipefail
comments="repos/$GITHUB_REPOSITORY/issues/$PULL_REQUEST/comments"
mkdir -p "$REPORTS"
body="$(mktemp)"
trap 'rm -f "$body"' EXIT
account="$(gh api graphql --field query='{ viewer { login } }' --jq .data.viewer.login)"
# Number, account and first line of each; of these the first that this account left with this marker.
first_lines='.[] | [.id, .user.login, ((.body // "") | split("\n")[0] // "" | rtrimstr("\r"))] | @tsv'
ours() {
  awk -F '\t' -v account="$account" -v marker="$marker" '$2 == account && $3 == marker && !n++ { print $1 }'
}
n_comments=0
while IFS= read -r file; do
  report="$(dirname "$file")/comment.md"
  if [ ! -f "$report" ]; then continue; fi
  name="$(tr -cd 'A-Za-z0-9@+._-' <"$file")"
  marker="<!-- loadline: ${name//--/-} -->"
  { echo "$marker"; "$(dirname "$0")/shorten.sh" 65000 <"$report"; } >"$body"
  id="$(gh api --paginate "$comments?per_page=100" --jq "$first_lines" | ours)"
  if [ -n "$id" ]; then
    gh api --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$id" --field "body=@$body" --silent
  else
    gh api --method POST "$comments" --field "body=@$body" --silent
  fi
  n_comments=$((n_comments + 1))
done < <(find "$REPORTS" -name name.txt | sort)
if [ "$n_comments" = 0 ]; then
  echo "::notice title=loadline::no job left a report, so there is nothing to comment"
fi
