//! Measures: the runner and its supervision, the build of the other side, the choice of sizes, and a session
//! from its plan to its last saved run.
//!
//! This crate judges nothing. Its caller passes a function that says what else to measure.

pub mod builds;
pub mod out;
pub mod process;
pub mod project;
pub mod session;

// Makes Cargo rebuild this crate for another clone with the same target folder (.cargo/config.toml).
const _: Option<&str> = option_env!("LOADLINE_CLONE");
