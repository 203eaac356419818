#!/usr/bin/env bash
# Runs the loader's tests with another release of Wasmtime: a version, or the newest that Cargo.toml allows.
#   WASMTIME   such as 48.0.0, or newest
set -euo pipefail

if [ "$WASMTIME" = newest ]; then
  cargo update wasmtime
else
  cargo update wasmtime --precise "$WASMTIME"
fi
cargo tree --package loadline-loader --depth 1 --prefix none | grep '^wasmtime'
cargo test --package loadline-loader
