//! Drives modules through a schedule of loads, operations and unloads.

pub(crate) mod observer;
mod operation;
mod options;
mod run;
mod threads;
mod worker;

pub use observer::{Event, Observer, Role};
pub use options::{Calls, Options, Proof};
pub use run::{Driven, drive};
