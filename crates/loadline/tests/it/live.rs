//! Sessions that are really measured.

mod calibrate;
mod command;
#[cfg(unix)]
mod copied;
mod culprit;
mod files;
mod lock;
mod plan;
mod resume;
mod scaling;
mod session;
mod shard;
mod unwinders;
