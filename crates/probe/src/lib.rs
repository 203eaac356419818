//! Perf counters around the phases of a run: which events, on which thread, in which phase.
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
//! **Counters must not disturb what they measure.** Counters run from [`Probe::start`] on and are only *read* at
//! the border of a phase: one `read(2)` for each kernel group into a buffer of fixed size, no
//! allocation, no formatting, no ioctl.
//!
//! **A reading is a value in either case.** What cannot be opened, never got a register, or
//! miscounted a loop whose count is known, is a [`Reading::Unavailable`] with its reason and remedy
//! ([`Absence::remedy`]); it is never 0.
//!
//! What it does not do: count registrations of unwind tables or resident bytes (their makers do),
//! sample, or count other threads than the one that opened it. Each thread opens its own [`Probe`];
//! [`Totals::sum`] adds them up. Programs that a thread starts are counted by
//! [`Probe::of_programs`], with all their threads and children.

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

// Has Cargo build this again for another clone with the same target folder (.cargo/config.toml).
const _: Option<&str> = option_env!("LOADLINE_CLONE");
