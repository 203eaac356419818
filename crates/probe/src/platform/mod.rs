//! One module per platform. All of them have the same interface:
//!
//! ```text
//! Counters::open(&[Event], &mut [Option<Absence>; SLOTS]) -> Counters   on the calling thread
//! Counters::open_programs(the same)                                      on programs it starts
//! Counters::enable(&mut self, &mut [Option<Absence>; SLOTS])             starts them
//! Counters::read(&mut self, &mut Marks, &mut [Option<Absence>; SLOTS])   no allocation
//! cores_covered(&[Event]) -> [Cores; SLOTS]                             the cores per counter
//! ```
//!
//! Wall time is the same on all platforms, so the probe itself measures it.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(target_os = "linux")]
pub(crate) use linux::{Counters, cores_covered};

#[cfg(any(target_os = "linux", target_os = "macos"))]
mod thread_clock;

#[cfg(not(target_os = "linux"))]
mod clock_only;
#[cfg(not(target_os = "linux"))]
pub(crate) use clock_only::{Counters, cores_covered};
