#!/usr/bin/env bash
# Installs valgrind, which counts instructions, and Loadline with its runner from the sources around this
# file. They go into FOLDER, which belongs to exactly these sources (key.sh names it). FOLDER/bin comes
# first in PATH, so that an older `loadline` elsewhere in PATH is not used.
set -euo pipefail
sources="$(cd "$(dirname "$0")/../.." && pwd)"
if ! command -v valgrind >/dev/null && command -v apt-get >/dev/null; then
  sudo=""
  if [ "$(id -u)" != 0 ]; then sudo="sudo -n"; fi
  { $sudo apt-get update -qq; $sudo apt-get install -y -qq --no-install-recommends valgrind; } ||
    echo "::notice title=loadline::valgrind cannot be installed here, so Loadline counts no instructions and names no function"
fi
if [ ! -x "$FOLDER/bin/loadline" ] || [ ! -x "$FOLDER/bin/loadline-runner" ] ||
  ! "$FOLDER/bin/loadline" --version >/dev/null; then
  # Cargo would read the configuration of a repository that these sources were checked out into.
  case "$sources/" in
  "${GITHUB_WORKSPACE:-/nowhere}"/*)
    mkdir -p "$FOLDER/sources"
    cp -R "$sources"/Cargo.* "$sources/.cargo" "$sources/crates" "$sources/xtask" "$FOLDER/sources"
    sources="$FOLDER/sources"
    ;;
  esac
  # In / because a rust-toolchain.toml of the measured repository does not apply to Loadline. The flags
  # and the target folder of its build do not either.
  cd /
  unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_RUSTFLAGS CARGO_BUILD_TARGET CARGO_BUILD_BUILD_DIR
  export CARGO_TARGET_DIR="$FOLDER/target"
  for package in crates/loadline crates/runner; do
    cargo install --debug --locked --force --root "$FOLDER" --path "$sources/$package"
  done
  rm -rf "$FOLDER/sources" "$FOLDER/target"
fi
"$FOLDER/bin/loadline" --version
echo "$FOLDER/bin" >>"${GITHUB_PATH:-/dev/null}"
