#!/usr/bin/env bash
# Builds the documentation as a book, in target/book. Needs mdbook in PATH.
# The pages link to files outside of docs/, which are no pages of the book: there these links lead to GitHub.
set -euo pipefail
cd "$(dirname "$0")/../.."
sources=target/book-sources
rm -rf "$sources" target/book
mkdir -p target
cp -r docs "$sources"
github=https://github.com/loadline/loadline/blob/main
# A page in docs/ leaves it by one `../`, a page in a folder of docs/ by two.
find "$sources" -maxdepth 1 -name '*.md' -exec sed -i -E "s#\]\(\.\./#](${github}/#g" {} +
find "$sources" -mindepth 2 -name '*.md' -exec sed -i -E "s#\]\(\.\./\.\./#](${github}/#g" {} +
mdbook build "$sources" --dest-dir "$PWD/target/book"
