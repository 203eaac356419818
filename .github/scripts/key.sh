#!/usr/bin/env bash
# Prints what an installed Loadline depends on: its sources, the Rust toolchain, the operating system
# and the C library. `key=` names the cache, `folder=` is where install.sh puts the programs, and
# `image=` names the kind of machine in reports.
set -euo pipefail
sources="$(cd "$(dirname "$0")/../.." && pwd)"
digest() {
  if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi
}
# A program that was built on a newer image does not start on an older one.
image() {
  if [ -r /etc/os-release ]; then
    (. /etc/os-release && echo "$ID-${VERSION_ID:-rolling}")
  elif command -v sw_vers >/dev/null; then
    echo "macos-$(sw_vers -productVersion | cut -d . -f 1)"
  else
    uname -s
  fi
}
libc() {
  getconf GNU_LIBC_VERSION 2>/dev/null || ldd --version 2>&1 | sed -n '1,2p' || true
}
image="$(image | tr -c 'A-Za-z0-9.\n-' -)"
# In / because a rust-toolchain.toml of the measured repository does not apply to Loadline.
toolchain="$(cd / && rustc --version)" || {
  echo "::error title=loadline::there is no Rust toolchain (install one from https://rustup.rs in an earlier step)" >&2
  exit 1
}
digest="$({
  cd "$sources"
  find Cargo.toml Cargo.lock crates xtask -type f -not -path '*/target/*' -print0 | sort -z | xargs -0 cat
  echo "$toolchain"
  uname -m
  libc
} | digest | cut -c 1-16)"
{
  echo "key=$image-$digest"
  echo "image=$image"
  echo "folder=${RUNNER_TOOL_CACHE:-$HOME/.cache}/loadline/$image-$digest"
} >>"${GITHUB_OUTPUT:-/dev/stdout}"
