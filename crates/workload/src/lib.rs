//! The workloads that Loadline measures. A workload has modules, which are generated or compiled from the
//! user's files. It has an order of loads and unloads, and operations on the loaded modules.
//!
//! [`drive`] takes N artifacts through a `Schedule`, which defines when each thread loads, calls, unwinds
//! through and drops each module. After each step, [`drive`] tells an [`Observer`] which work filled the time
//! since the last step. At the end it returns a [`Proof`] of the work.
//!
//! ```
//! # fn main() -> Result<(), loadline_workload::Error> {
//! use loadline_scenario::{Generated, LoadOrder, Collector, Phase, UnloadOrder};
//! use loadline_workload::corpus::Workshop;
//! use loadline_workload::{Event, Observer, Options, drive, engine};
//!
//! #[derive(Default)]
//! struct Unloads(usize);
//!
//! impl Observer for Unloads {
//!     fn step(&mut self, event: Event) {
//!         self.0 += usize::from(event.phase == Phase::Unload);
//!     }
//! }
//!
//! let workshop = Workshop::generating(Generated::default(), Collector::Clock)?;
//! let artifacts = (0..3).map(|index| workshop.artifact(index)).collect::<Result<Vec<_>, _>>()?;
//! let schedule = LoadOrder::hold_all(UnloadOrder::OldestFirst).schedule(3, 7);
//! let options = Options::default();
//! let driven = drive(&engine::loading()?, &artifacts, &schedule, &options, |_| Unloads(0))?;
//! assert_eq!(driven.proof.loaded, 3);
//! assert_eq!(driven.observers[0].1.0, 3);
//! # Ok(())
//! # }
//! ```

pub mod backtrace;
mod call;
pub mod corpus;
mod drive;
pub mod engine;
mod error;
pub mod generate;

/// The measured loader. A program that measures needs no second dependency for it.
pub use loadline_loader as loader;

pub use call::Call;
pub use drive::{Calls, Driven, Event, Observer, Options, Proof, Role, drive};
pub use error::Error;

// Makes Cargo rebuild this crate for another clone with the same target folder (.cargo/config.toml).
const _: Option<&str> = option_env!("LOADLINE_CLONE");
