#!/usr/bin/env bash
# Installs loadline and its runner from the sources around this file, unless they are there already,
# and valgrind, without which no instructions are counted.
set -euo pipefail
sources="$(cd "$(dirname "$0")/../.." && pwd)"
if ! command -v valgrind >/dev/null && command -v apt-get >/dev/null; then
  sudo apt-get update -qq && sudo apt-get install -y -qq --no-install-recommends valgrind ||
    echo "notice: valgrind is not installed; instructions are not counted, and no symbol is named"
fi
if ! command -v loadline >/dev/null || ! command -v loadline-runner >/dev/null; then
  cargo install --debug --locked --path "$sources/xtask"
  cargo install --debug --locked --path "$sources/crates/runner"
fi
loadline --version
