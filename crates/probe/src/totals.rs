//! [`Totals`]: what one thread, or several together, counted in one phase.

use crate::event::Event;
use crate::reading::{Absence, Reading};
use crate::tally::{Cores, SLOTS, Tally};

/// Every asked event's reading over all stretches of one phase. Plain data: `Copy`, no heap, free
/// to leave the thread it was counted on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Totals {
    laps: u64,
    entries: [Option<Entry>; SLOTS],
}

/// A reading with the times that say how much it weighs in a sum.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Entry {
    reading: Reading,
    enabled_ns: u64,
    running_ns: u64,
}

impl Totals {
    /// Nothing asked, nothing counted.
    const EMPTY: Totals = Totals { laps: 0, entries: [None; SLOTS] };

    /// No event yet, of a phase that occurred `laps` times.
    pub(crate) const fn of_laps(laps: u64) -> Totals {
        Totals { laps, ..Totals::EMPTY }
    }

    /// Adds a event with what it counted, or why it did not.
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

    /// How many stretches make up the phase; over several threads their sum. 0: it did not occur.
    pub fn laps(&self) -> u64 {
        self.laps
    }

    /// The reading of `event`; `None` if the probe was not asked for it.
    ///
    /// Of a phase that did not occur: [`Absence::NotMeasured`], or the counter's own absence.
    pub fn reading(&self, event: Event) -> Option<Reading> {
        self.entries[event as usize].map(|entry| entry.reading)
    }

    /// The events asked for with their readings, in the order of [`Event::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Event, Reading)> + '_ {
        Event::ALL.into_iter().filter_map(|m| self.reading(m).map(|reading| (m, reading)))
    }

    /// The sum over threads.
    ///
    /// A thread on which the phase did not occur adds nothing. Of the others each must have a
    /// reading: where one has none, nor has the sum, since a sum that leaves out a thread looks
    /// like a smaller cost. Exact counts stay exact; with a multiplexed one among them the sum
    /// is multiplexed, its share the running time of all by the enabled time of all.
    pub fn sum(threads: &[Totals]) -> Totals {
        let mut taking_part = threads.iter().filter(|totals| totals.laps > 0);
        let Some(first) = taking_part.next().or(threads.first()) else { return Totals::EMPTY };
        taking_part.fold(*first, |sum, next| sum.plus(next))
    }

    /// Both, the phase having occurred in both.
    fn plus(mut self, other: &Totals) -> Totals {
        self.laps = self.laps.saturating_add(other.laps);
        for (mine, theirs) in self.entries.iter_mut().zip(&other.entries) {
            *mine = match (*mine, *theirs) {
                (Some(a), Some(b)) => Some(a.plus(b)),
                // Asked on one thread only: the other one's cost is not known.
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
