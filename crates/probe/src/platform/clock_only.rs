//! [`Counters`] where there is no perf: the thread's processor time, if the system tells it.

use loadline_scenario::metric::{Absence, Metric};

use super::system::thread_cpu_ns;
use crate::tally::{Cores, Mark, Marks, SLOTS};

/// The task clock, or nothing.
pub(crate) struct Counters {
    task_clock: bool,
}

impl Counters {
    pub(crate) fn open(asked: &[Metric], absences: &mut [Option<Absence>; SLOTS]) -> Counters {
        let task_clock = asked.contains(&Metric::TaskClock) && thread_cpu_ns().is_some();
        for &metric in asked {
            let is_counted = match metric {
                Metric::TaskClock => task_clock,
                Metric::WallTime => true,
                _ => false,
            };
            if !is_counted {
                absences[metric as usize] = Some(Absence::NotOnThisPlatform);
            }
        }
        Counters { task_clock }
    }

    /// Nothing: there is no counter that programs would inherit.
    pub(crate) fn open_programs(
        asked: &[Metric],
        absences: &mut [Option<Absence>; SLOTS],
    ) -> Counters {
        for &metric in asked.iter().filter(|&&metric| metric != Metric::WallTime) {
            absences[metric as usize] = Some(Absence::NotOnThisPlatform);
        }
        Counters { task_clock: false }
    }

    pub(crate) fn enable(&mut self, _absences: &mut [Option<Absence>; SLOTS]) {}

    #[inline]
    pub(crate) fn read(&mut self, marks: &mut Marks, absences: &mut [Option<Absence>; SLOTS]) {
        if self.task_clock {
            match thread_cpu_ns() {
                Some(ns) => marks[Metric::TaskClock as usize] = Mark::of_clock(ns),
                None => absences[Metric::TaskClock as usize] = Some(Absence::NotOnThisPlatform),
            }
        }
    }
}

/// A clock goes on wherever the thread is.
pub(crate) fn cores_covered(_asked: &[Metric]) -> [Cores; SLOTS] {
    [Cores::All; SLOTS]
}
