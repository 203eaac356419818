#!/usr/bin/env bash
# Says what the program that install.sh installs is made of, as `key=…`: the name of a cache.
set -euo pipefail
cd "$(dirname "$0")/../.."
digest() {
  if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi
}
key="$({ find Cargo.toml Cargo.lock crates xtask -type f -not -path '*/target/*' -print0 |
  sort -z | xargs -0 cat; rustc --version; } | digest | cut -c 1-16)"
echo "key=$key" >>"${GITHUB_OUTPUT:-/dev/stdout}"
