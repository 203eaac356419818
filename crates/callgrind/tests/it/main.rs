//! The format of callgrind, and real profiles.

#![allow(clippy::unwrap_used)]

mod format;
#[cfg(unix)]
mod valgrind;
