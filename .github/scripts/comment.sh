#!/usr/bin/env bash
# Puts loadline-report/comment.md under the pull request PULL_REQUEST of GITHUB_REPOSITORY: into the
# comment that an earlier run on the same kind of MACHINE has left, or a new one.
set -euo pipefail
if [ ! -f loadline-report/comment.md ]; then
  echo "notice: nothing was judged, so there is nothing to comment"
  exit 0
fi
marker="<!-- loadline on $MACHINE -->"
body=loadline-report/comment-body.md
{ echo "$marker"; cat loadline-report/comment.md; } >"$body"
comments="repos/$GITHUB_REPOSITORY/issues/$PULL_REQUEST/comments"
ours=".[] | select(.body | startswith(\"$marker\")) | .id"
id="$(gh api --paginate "$comments" --jq "$ours" | head -n 1)"
if [ -n "$id" ]; then
  gh api --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$id" --field "body=@$body" --silent
else
  gh api --method POST "$comments" --field "body=@$body" --silent
fi
