//! [`Totals`]: the counts of one thread, or of several threads together, in one phase.

use crate::event::Event;
use crate::reading::{Absence, Reading};
use crate::tally::{Cores, SLOTS, Tally};

/// The readings of all requested events over all stretches of one phase. A value is plain data: it is `Copy`,
/// uses no heap, and can leave the thread on which it was counted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Totals {
    laps: u64,
    entries: [Option<Entry>; SLOTS],
}

/// A reading with the times that weight it in a sum.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Entry {
    reading: Reading,
    enabled_ns: u64,
    running_ns: u64,
}

impl Totals {
    /// Totals without any event.
    const EMPTY: Totals = Totals { laps: 0, entries: [None; SLOTS] };

    /// Creates totals without events, for a phase that occurred `laps` times.
    pub(crate) const fn of_laps(laps: u64) -> Totals {
        Totals { laps, ..Totals::EMPTY }
    }

    /// Adds an event with its count or the reason why there is none.
    pub(crate) fn insert(
        &mut self,
        event: Event,
        tally: &Tally,
        absence: Option<Absence>,
        cores: Cores,
    ) {
        let reading = match absence {
            Some(absence) => Reading::Unavailable(absence),
            None if self.laps == 0 => Reading::Unavailable(Absence::NotMeasured),
            None => tally.reading(event, cores),
        };
        let (enabled_ns, running_ns) = (tally.enabled_ns, tally.running_ns);
        self.entries[event as usize] = Some(Entry { reading, enabled_ns, running_ns });
    }

    /// Returns the number of stretches of the phase, summed over threads. 0 means that the phase did not
    /// occur.
    pub fn laps(&self) -> u64 {
        self.laps
    }

    /// Returns the reading of `event`, or `None` if the probe was not asked for the event.
    ///
    /// In a phase that did not occur, the reading is [`Absence::NotMeasured`] or the counter's own absence.
    pub fn reading(&self, event: Event) -> Option<Reading> {
        self.entries[event as usize].map(|entry| entry.reading)
    }

    /// Returns the requested events with their readings, in the order of [`Event::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Event, Reading)> + '_ {
        Event::ALL.into_iter().filter_map(|m| self.reading(m).map(|reading| (m, reading)))
    }

    /// Adds up the totals of several threads.
    ///
    /// A thread on which the phase did not occur adds nothing. Every other thread must have a reading. If one
    /// has none, the sum has none either, because a sum without that thread would look like a smaller cost.
    /// Exact counts stay exact. If one of the readings is multiplexed, the sum is multiplexed, and its share
    /// is the running time of all threads divided by their enabled time.
    pub fn sum(threads: &[Totals]) -> Totals {
        let mut taking_part = threads.iter().filter(|totals| totals.laps > 0);
        let Some(first) = taking_part.next().or(threads.first()) else { return Totals::EMPTY };
        taking_part.fold(*first, |sum, next| sum.plus(next))
    }

    /// Adds two totals of phases that occurred.
    fn plus(mut self, other: &Totals) -> Totals {
        self.laps = self.laps.saturating_add(other.laps);
        for (mine, theirs) in self.entries.iter_mut().zip(&other.entries) {
            *mine = match (*mine, *theirs) {
                (Some(a), Some(b)) => Some(a.plus(b)),
                // Only one thread was asked for the event, so the cost on the other thread is unknown.
                (Some(one), None) | (None, Some(one)) => Some(one.plus(Entry::NOT_MEASURED)),
                (None, None) => None,
            };
        }
        self
    }
}

impl Entry {
    const NOT_MEASURED: Entry =
        Entry { reading: Reading::Unavailable(Absence::NotMeasured), enabled_ns: 0, running_ns: 0 };

    fn plus(self, other: Entry) -> Entry {
        let enabled_ns = self.enabled_ns.saturating_add(other.enabled_ns);
        let running_ns = self.running_ns.saturating_add(other.running_ns);
        let reading = match (self.reading, other.reading) {
            (Reading::Unavailable(absence), _) | (_, Reading::Unavailable(absence)) => {
                Reading::Unavailable(absence)
            }
            (Reading::Exact(a), Reading::Exact(b)) => Reading::Exact(a.saturating_add(b)),
            (a, b) => Reading::Multiplexed {
                estimate: a.value().unwrap_or_default() + b.value().unwrap_or_default(),
                share: running_ns as f64 / enabled_ns as f64,
            },
        };
        Entry { reading, enabled_ns, running_ns }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tally::Mark;

    const EVENT: Event = Event::Instructions;

    fn counted(count: u64, enabled_ns: u64, running_ns: u64) -> Totals {
        let mut tally = Tally::default();
        tally.add(Mark::default(), Mark { count, enabled_ns, running_ns });
        let mut totals = Totals::of_laps(1);
        totals.insert(EVENT, &tally, None, Cores::All);
        totals
    }

    fn absent(laps: u64, absence: Option<Absence>) -> Totals {
        let mut totals = Totals::of_laps(laps);
        totals.insert(EVENT, &Tally::default(), absence, Cores::All);
        totals
    }

    fn sum(threads: &[Totals]) -> Option<Reading> {
        Totals::sum(threads).reading(EVENT)
    }

    #[test]
    fn exact_counts_add_up() {
        let threads = [counted(10, 100, 100), counted(5, 50, 50)];
        assert_eq!(sum(&threads), Some(Reading::Exact(15)));
        assert_eq!(Totals::sum(&threads).laps(), 2);
    }

    #[test]
    fn a_multiplexed_thread_makes_the_sum_multiplexed() {
        let expected = Reading::Multiplexed { estimate: 50.0, share: 125.0 / 200.0 };
        assert_eq!(sum(&[counted(10, 100, 100), counted(10, 100, 25)]), Some(expected));
        assert_eq!(sum(&[counted(10, 100, 25), counted(10, 100, 100)]), Some(expected));
    }

    #[test]
    fn one_blind_thread_blinds_the_sum() {
        let blind = Some(Reading::Unavailable(Absence::TooManyFiles));
        let threads = [counted(10, 100, 100), absent(1, Some(Absence::TooManyFiles))];
        assert_eq!(sum(&threads), blind);
    }

    #[test]
    fn a_thread_without_the_phase_adds_nothing() {
        let elsewhere = [absent(0, None), counted(10, 100, 100), absent(0, None)];
        assert_eq!(sum(&elsewhere), Some(Reading::Exact(10)));
        let blind_elsewhere = [absent(0, Some(Absence::NotOffered)), counted(10, 100, 100)];
        assert_eq!(sum(&blind_elsewhere), Some(Reading::Exact(10)));
    }

    #[test]
    fn a_phase_on_no_thread_is_not_measured() {
        let nowhere = [absent(0, None), absent(0, None)];
        assert_eq!(sum(&nowhere), Some(Reading::Unavailable(Absence::NotMeasured)));
        assert_eq!(sum(&[]), None);
    }

    #[test]
    fn a_metric_asked_on_one_thread_only_has_no_sum() {
        let threads = [counted(10, 100, 100), Totals::of_laps(1)];
        assert_eq!(sum(&threads), Some(Reading::Unavailable(Absence::NotMeasured)));
    }
}
