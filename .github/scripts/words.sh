# Sourced by regress.sh and drift.sh: what an input of the action says, as arguments of a command.
arguments=()

fail() {
  echo "::error title=loadline::$1" >&2
  exit 2
}

# Appends the words of $2, the text of the input $1, to `arguments`. Blanks and newlines separate words;
# quotes keep a word together, as in a shell.
add_words() {
  local words word
  words="$(mktemp)"
  printf '%s\n' "$2" | tr '\r' '\n' | xargs -r printf '%s\0' >"$words" || {
    rm -f "$words"
    fail "cannot split the input \`$1\` into words: close each quote on the line where it opens"
  }
  while IFS= read -r -d '' word; do arguments+=("$word"); done <"$words"
  rm -f "$words"
}
