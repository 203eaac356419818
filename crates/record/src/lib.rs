//! What Loadline keeps in files: sessions, baselines, calibrations, profiles and recipes, with their
//! formats, and writes that replace a file whole.
//!
//! This crate starts no process, judges nothing and prints nothing.

pub mod compat;
mod error;
pub mod escalation;
mod exit;
#[cfg(any(test, feature = "fixtures"))]
pub mod fixtures;
mod program;
pub mod reproduce;
pub mod request;
pub mod suggest;
pub mod time;

mod files;

pub use error::{Context, Error, Result};
pub use exit::Exit;
pub use files::{
    atomic, baseline, calibration, format1, header, layout, measured, profile, recipe, session,
};
pub use program::{PROGRAM, Program};
pub use request::{Acceptance, Floor, Forecast, Machine, SHARD_SEED, Shard, Strictness};

// Has Cargo build this again for another clone with the same target folder (.cargo/config.toml).
const _: Option<&str> = option_env!("LOADLINE_CLONE");
