//! The arithmetic of counting. Two marks make a difference, differences make a tally, and a tally makes a
//! [`Reading`]. This module uses no kernel interface and no clock.

use crate::event::Event;
use crate::reading::{Absence, Reading};

/// The number of places in an array that has one place per event. The index is `event as usize`.
pub(crate) const SLOTS: usize = Event::ALL.len();

/// The values of all counters at one moment.
pub(crate) type Marks = [Mark; SLOTS];

/// The value of one counter at one moment: everything since it was enabled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// The count, in the unit of the event.
    pub(crate) count: u64,
    /// Nanoseconds for which the counter was enabled (`time_enabled` of `perf_event_open(2)`).
    pub(crate) enabled_ns: u64,
    /// Nanoseconds for which the counter really counted (`time_running`).
    pub(crate) running_ns: u64,
}

impl Mark {
    /// Creates the mark of a clock, which counts its own time and is never multiplexed.
    pub(crate) const fn of_clock(ns: u64) -> Mark {
        Mark { count: ns, enabled_ns: ns, running_ns: ns }
    }
}

/// The counts of one counter in all stretches of one phase.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Tally {
    /// The count, not scaled.
    pub(crate) count: u64,
    /// Nanoseconds for which the counter was enabled.
    pub(crate) enabled_ns: u64,
    /// Nanoseconds for which the counter really counted.
    pub(crate) running_ns: u64,
    /// Whether the counter ran backwards in this phase.
    decreased: bool,
}

impl Tally {
    #[inline]
    pub(crate) fn add(&mut self, from: Mark, to: Mark) {
        match advance(from.count, to.count) {
            Some(count) => self.count = self.count.saturating_add(count),
            None => self.decreased = true,
        }
        // Both times come from one clock for the whole context. A step back by some nanoseconds only changes
        // the share a little.
        let enabled_ns = to.enabled_ns.saturating_sub(from.enabled_ns);
        let running_ns = to.running_ns.saturating_sub(from.running_ns);
        self.enabled_ns = self.enabled_ns.saturating_add(enabled_ns);
        self.running_ns = self.running_ns.saturating_add(running_ns);
    }

    /// Converts the tally into a reading of `event`.
    ///
    /// The rule of `perf_event_open(2)` applies: a counter that ran for a part of its enabled time is scaled
    /// by `enabled / running`. That is right for a multiplexed counter. A counter may also stop because the
    /// thread is on a core that the counter does not cover. It then says nothing about that core, so it is
    /// never scaled: [`Absence::OneCoreType`].
    ///
    /// A counter that did not run has no count, which is different from a count of zero. It is
    /// [`Absence::TooShort`] if it was not even enabled, because nothing ran while it could be read. It is
    /// [`Absence::NeverRan`] if it was enabled but not scheduled. A counter that ran and counted 0 of an
    /// event that always happens is [`Absence::CountedNothing`]. A counter that ran backwards is broken:
    /// [`Absence::FailedSelfTest`].
    pub(crate) fn reading(&self, event: Event, cores: Cores) -> Reading {
        if self.decreased {
            return Reading::Unavailable(Absence::FailedSelfTest);
        }
        if self.enabled_ns == 0 && self.running_ns == 0 {
            return Reading::Unavailable(Absence::TooShort);
        }
        if self.running_ns < self.enabled_ns && cores == Cores::OfOneType {
            return Reading::Unavailable(Absence::OneCoreType);
        }
        if self.running_ns == 0 {
            return Reading::Unavailable(Absence::NeverRan);
        }
        if self.count == 0 && always_happens(event) {
            return Reading::Unavailable(Absence::CountedNothing);
        }
        if self.running_ns >= self.enabled_ns {
            return Reading::Exact(self.count);
        }
        let share = self.running_ns as f64 / self.enabled_ns as f64;
        Reading::Multiplexed { estimate: self.count as f64 / share, share }
    }
}

/// The cores that a counter covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cores {
    /// Every core that a thread can be on.
    All,
    /// The cores of one type of a hybrid CPU.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    OfOneType,
}

/// Returns whether every running thread causes this event.
const fn always_happens(event: Event) -> bool {
    matches!(event, Event::Instructions | Event::Cycles | Event::Branches | Event::TaskClock)
}

/// Returns the distance from one value of a 64-bit counter to the next. Returns `None` if the counter went
/// back. A counter that wrapped continues through 2^64.
///
/// The kernel extends narrower hardware counters to 64 bits itself (`x86_perf_event_update`,
/// `armpmu_event_update`), so a true wrap needs centuries. A distance of at most half the range is a wrap,
/// and a larger one is a step back.
const fn advance(from: u64, to: u64) -> Option<u64> {
    let way = to.wrapping_sub(from);
    if way <= u64::MAX / 2 { Some(way) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Mark = Mark { count: 0, enabled_ns: 0, running_ns: 0 };

    fn tally(marks: &[(u64, u64, u64)]) -> Tally {
        let mut tally = Tally::default();
        let mut last = START;
        for &(count, enabled_ns, running_ns) in marks {
            let mark = Mark { count, enabled_ns, running_ns };
            tally.add(last, mark);
            last = mark;
        }
        tally
    }

    fn reading(marks: &[(u64, u64, u64)]) -> Reading {
        tally(marks).reading(Event::PageFaults, Cores::All)
    }

    #[test]
    fn readings_follow_the_running_time() {
        type Steps = &'static [(u64, u64, u64)];
        let table: [(Steps, Reading); 6] = [
            (&[(10, 100, 100)], Reading::Exact(10)),
            (&[(10, 100, 25)], Reading::Multiplexed { estimate: 40.0, share: 0.25 }),
            (&[(10, 100, 0)], Reading::Unavailable(Absence::NeverRan)),
            (&[(0, 0, 0)], Reading::Unavailable(Absence::TooShort)),
            // Nothing happened and the counter was running, so this zero is a count.
            (&[(0, 100, 100)], Reading::Exact(0)),
            // The counter was off in the second stretch, so it covers half of the phase.
            (
                &[(10, 100, 100), (10, 200, 100)],
                Reading::Multiplexed { estimate: 20.0, share: 0.5 },
            ),
        ];
        for (marks, expected) in table {
            assert_eq!(reading(marks), expected, "{marks:?}");
        }
    }

    /// A missing counter, a counter that is never scheduled, a counter that counts nothing, and a phase that
    /// ends too early are distinct cases.
    #[test]
    fn a_count_of_nothing_is_none_of_what_always_happens() {
        let of = |event, mark| tally(&[mark]).reading(event, Cores::All);
        for event in [Event::Instructions, Event::Cycles, Event::Branches, Event::TaskClock] {
            let absent = |mark| match of(event, mark) {
                Reading::Unavailable(absence) => absence,
                reading => panic!("{event}: {reading:?}"),
            };
            assert_eq!(absent((0, 0, 0)), Absence::TooShort);
            assert_eq!(absent((0, 100, 0)), Absence::NeverRan);
            assert_eq!(absent((0, 100, 100)), Absence::CountedNothing);
            assert_eq!(absent((0, 100, 50)), Absence::CountedNothing);
        }
        assert_eq!(of(Event::BranchMisses, (0, 100, 100)), Reading::Exact(0));
    }

    /// In rust-lang/rustc-perf#1892, the thread spent 18 % of the time on the cores that the counter covers.
    #[test]
    fn a_count_of_one_core_type_is_never_scaled_up() {
        let of = |cores, running| tally(&[(180, 100, running)]).reading(Event::Cycles, cores);
        let partial = Reading::Unavailable(Absence::OneCoreType);
        assert_eq!(of(Cores::OfOneType, 18), partial);
        assert_eq!(of(Cores::OfOneType, 0), partial);
        // The thread stayed on cores of that type.
        assert_eq!(of(Cores::OfOneType, 100), Reading::Exact(180));
        let shared = Reading::Multiplexed { estimate: 1000.0, share: 0.18 };
        assert_eq!(of(Cores::All, 18), shared);
    }

    #[test]
    fn a_stretch_counts_from_its_own_start() {
        let mut tally = Tally::default();
        let from = Mark { count: 1000, enabled_ns: 5000, running_ns: 3000 };
        tally.add(from, Mark { count: 1007, enabled_ns: 5100, running_ns: 3100 });
        let reading = tally.reading(Event::PageFaults, Cores::All);
        assert_eq!(reading, Reading::Exact(7), "turns taken before the phase are not its");
    }

    #[test]
    fn a_decreasing_counter_is_unavailable_for_good() {
        let broken = Reading::Unavailable(Absence::FailedSelfTest);
        assert_eq!(reading(&[(10, 100, 100), (9, 200, 200), (50, 300, 300)]), broken);
    }

    #[test]
    fn a_wrapping_counter_goes_on() {
        let mut tally = Tally::default();
        let from = Mark { count: u64::MAX - 2, enabled_ns: 0, running_ns: 0 };
        tally.add(from, Mark { count: 4, enabled_ns: 10, running_ns: 10 });
        assert_eq!(tally.reading(Event::PageFaults, Cores::All), Reading::Exact(7));
    }

    #[test]
    fn times_that_step_back_do_not_panic() {
        assert_eq!(reading(&[(10, 100, 100), (20, 99, 98)]), Reading::Exact(20));
    }
}
