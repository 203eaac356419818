//! [`Counters`] for platforms without perf: the thread's CPU time, if the operating system reports it.

#[cfg(target_os = "macos")]
#[path = "macos.rs"]
mod system;
#[cfg(windows)]
#[path = "windows.rs"]
mod system;
#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
#[path = "other.rs"]
mod system;

use system::thread_cpu_ns;

use crate::event::Event;
use crate::reading::Absence;
use crate::tally::{Cores, Mark, Marks, SLOTS};

/// The task clock, if it is available.
pub(crate) struct Counters {
    task_clock: bool,
}

impl Counters {
    pub(crate) fn open(asked: &[Event], absences: &mut [Option<Absence>; SLOTS]) -> Counters {
        let task_clock = asked.contains(&Event::TaskClock) && thread_cpu_ns().is_some();
        for &event in asked {
            let is_counted = match event {
                Event::TaskClock => task_clock,
                Event::WallTime => true,
                _ => false,
            };
            if !is_counted {
                absences[event as usize] = Some(Absence::NotOnThisPlatform);
            }
        }
        Counters { task_clock }
    }

    /// Opens no counter, because there is none that programs would inherit.
    pub(crate) fn open_programs(
        asked: &[Event],
        absences: &mut [Option<Absence>; SLOTS],
    ) -> Counters {
        for &event in asked.iter().filter(|&&event| event != Event::WallTime) {
            absences[event as usize] = Some(Absence::NotOnThisPlatform);
        }
        Counters { task_clock: false }
    }

    pub(crate) fn enable(&mut self, _absences: &mut [Option<Absence>; SLOTS]) {}

    #[inline]
    pub(crate) fn read(&mut self, marks: &mut Marks, absences: &mut [Option<Absence>; SLOTS]) {
        if self.task_clock {
            match thread_cpu_ns() {
                Some(ns) => marks[Event::TaskClock as usize] = Mark::of_clock(ns),
                None => absences[Event::TaskClock as usize] = Some(Absence::NotOnThisPlatform),
            }
        }
    }
}

/// Returns all cores, because a clock runs wherever the thread is.
pub(crate) fn cores_covered(_asked: &[Event]) -> [Cores; SLOTS] {
    [Cores::All; SLOTS]
}
