//! What Loadline keeps in files: sessions, baselines, calibrations, profiles and recipes, with their
//! formats, and writes that replace a file whole.
//!
//! This crate starts no process, judges nothing and prints nothing.

pub mod atomic;
pub mod baseline;
pub mod calibration;
pub mod compat;
mod error;
pub mod escalation;
mod exit;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
pub mod header;
pub mod layout;
pub mod profile;
mod program;
pub mod recipe;
pub mod reproduce;
pub mod request;
pub mod rounds;
pub mod session;
pub mod suggest;
pub mod time;

pub use error::{Context, Error, Result};
pub use exit::Exit;
pub use program::{PROGRAM, Program};
pub use request::{Acceptance, Floor, Forecast, SHARD_SEED, Shard, Strictness, Surroundings};

// Has Cargo build this again for another clone with the same target folder (.cargo/config.toml).
const _: Option<&str> = option_env!("LOADLINE_CLONE");
