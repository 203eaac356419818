//! Perf counters around the phases of a run: which events, on which thread, in which phase.
//!
//! ```
//! use loadline_probe::Probe;
//! use loadline_scenario::metric::{Metric, Phase};
//!
//! let mut probe = Probe::open(&[Metric::Instructions, Metric::PageFaults, Metric::TaskClock]);
//! probe.start();
//! let sum = probe.measure(Phase::Work, || (0..1000u64).sum::<u64>());
//! for (metric, reading) in probe.totals(Phase::Work).iter() {
//!     println!("{metric}: {reading:?}"); // an `Absence` with its reason where there is no count
//! }
//! # assert_eq!(sum, 499_500);
//! ```
//!
//! **The measured process is sacred.** Counters run from [`Probe::start`] on and are only *read* at
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
//!
//! [`Reading::Unavailable`]: loadline_scenario::metric::Reading::Unavailable
//! [`Absence::remedy`]: loadline_scenario::metric::Absence::remedy

#[cfg(target_os = "linux")]
mod event;
#[cfg(target_os = "linux")]
mod group;
#[cfg(target_os = "linux")]
mod inherited;
#[cfg(target_os = "linux")]
mod known_work;
mod platform;
mod probe;
#[cfg(target_os = "linux")]
mod self_test;
mod tally;
mod totals;

pub use probe::Probe;
pub use totals::Totals;
