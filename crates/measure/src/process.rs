//! How Loadline starts, watches and ends processes.

pub mod cargo;
pub mod child;
pub mod installed;
pub mod interrupt;
pub mod lock;
pub mod parallel;
pub mod preload;
pub mod runner;
pub mod unwinders;
mod vgdb;
