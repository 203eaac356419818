//! Counts perf events around the phases of a run: each event, per thread and per phase.
//!
//! ```
//! use loadline_probe::{Event, Probe};
//!
//! let mut probe = Probe::<()>::open(&[Event::Instructions, Event::PageFaults, Event::TaskClock]);
//! probe.start();
//! let sum = probe.measure((), || (0..1000u64).sum::<u64>());
//! for (event, reading) in probe.totals(()).iter() {
//!     println!("{event}: {reading:?}"); // an `Absence` with its reason where there is no count
//! }
//! # assert_eq!(sum, 499_500);
//! ```
//!
//! **Counters must not disturb what they measure.** Counters run from [`Probe::start`] on, and are only
//! *read* at the border of a phase. Each read is one `read(2)` per kernel group into a buffer of fixed size,
//! without allocation, formatting or ioctl.
//!
//! **Every event has a reading, even without a count.** A counter may fail to open, may never get a register,
//! or may miscount a loop whose count is known. Its reading is then [`Reading::Unavailable`] with a reason
//! and a remedy ([`Absence::remedy`]), and never 0.
//!
//! This crate does not count registrations of unwind tables or resident bytes; the programs that make them
//! do. It does not sample. It does not count threads other than the one that opened the probe. Each thread
//! opens its own [`Probe`], and [`Totals::sum`] adds them up. [`Probe::of_programs`] counts the programs that
//! a thread starts, with all their threads and children.

mod event;
#[cfg(target_os = "linux")]
mod group;
#[cfg(target_os = "linux")]
mod inherited;
#[cfg(target_os = "linux")]
mod known_work;
#[cfg(target_os = "linux")]
mod perf;
mod phase;
mod platform;
mod probe;
mod reading;
#[cfg(target_os = "linux")]
mod self_test;
mod tally;
mod totals;

pub use event::Event;
pub use phase::Phase;
pub use probe::Probe;
pub use reading::{Absence, Reading};
pub use totals::Totals;

/// Tests the example in the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

// Makes Cargo rebuild this crate for another clone with the same target folder (.cargo/config.toml).
const _: Option<&str> = option_env!("LOADLINE_CLONE");
