//! [`Counters`]: a probe that counts a scenario's metrics in a scenario's phases.

use loadline_probe as probe;
use loadline_probe::{Event, Probe, Totals};
use loadline_scenario::{Absence, Metric, Phase, Reading};

/// Every metric that a probe counts, with the probe's event for it.
const COUNTED: [(Metric, Event); Event::ALL.len()] = [
    (Metric::PageFaults, Event::PageFaults),
    (Metric::Instructions, Event::Instructions),
    (Metric::Cycles, Event::Cycles),
    (Metric::CacheReferences, Event::CacheReferences),
    (Metric::CacheMisses, Event::CacheMisses),
    (Metric::Branches, Event::Branches),
    (Metric::BranchMisses, Event::BranchMisses),
    (Metric::DtlbMisses, Event::DtlbMisses),
    (Metric::TaskClock, Event::TaskClock),
    (Metric::ContextSwitches, Event::ContextSwitches),
    (Metric::CpuMigrations, Event::CpuMigrations),
    (Metric::WallTime, Event::WallTime),
];

/// Counters on this thread, or on the programs that it starts. It ignores metrics that a probe does not
/// count.
pub struct Counters(Probe<InPhase>);

/// A phase of a scenario, with the number that the probe uses.
#[derive(Clone, Copy)]
struct InPhase(Phase);

impl probe::Phase for InPhase {
    const COUNT: usize = Phase::ALL.len();

    fn index(self) -> usize {
        self.0 as usize
    }
}

impl Counters {
    /// Opens counters on the calling thread. See [`Probe::open`].
    pub fn open(metrics: &[Metric]) -> Counters {
        Counters(Probe::open(&events(metrics)))
    }

    /// Opens counters on the programs that the calling thread starts. See [`Probe::of_programs`].
    pub fn of_programs(metrics: &[Metric]) -> Counters {
        Counters(Probe::of_programs(&events(metrics)))
    }

    /// Returns the requested metrics, each with the reason if it cannot be counted.
    pub fn availability(&self) -> impl Iterator<Item = (Metric, Result<(), Absence>)> + '_ {
        let asked = self.0.availability();
        asked.filter_map(|(event, counted)| Some((metric(event)?, counted.map_err(absence))))
    }

    /// Starts the counters, and sets the first border.
    pub fn start(&mut self) {
        self.0.start();
    }

    /// Ends the stretch since the last border and adds its counts to `phase`, or to no phase.
    #[inline]
    pub fn lap(&mut self, phase: Option<Phase>) {
        self.0.lap(phase.map(InPhase));
    }

    /// Runs `f` as one stretch of `phase`.
    pub fn measure<R>(&mut self, phase: Phase, f: impl FnOnce() -> R) -> R {
        self.0.measure(InPhase(phase), f)
    }

    /// Returns the counts of all stretches of `phase` so far.
    pub fn totals(&self, phase: Phase) -> Totals {
        self.0.totals(InPhase(phase))
    }
}

/// Returns the readings in `totals`, by metric.
pub fn readings(totals: &Totals) -> impl Iterator<Item = (Metric, Reading)> + '_ {
    totals.iter().filter_map(|(event, reading)| Some((metric(event)?, reading_of(reading))))
}

fn events(metrics: &[Metric]) -> Vec<Event> {
    let asked = COUNTED.into_iter().filter(|(metric, _)| metrics.contains(metric));
    asked.map(|(_, event)| event).collect()
}

fn metric(event: Event) -> Option<Metric> {
    COUNTED.into_iter().find(|(_, counted)| *counted == event).map(|(metric, _)| metric)
}

fn reading_of(reading: probe::Reading) -> Reading {
    match reading {
        probe::Reading::Exact(count) => Reading::Exact(count),
        probe::Reading::Multiplexed { estimate, share } => Reading::Multiplexed { estimate, share },
        probe::Reading::Unavailable(reason) => Reading::Unavailable(absence(reason)),
    }
}

fn absence(reason: probe::Absence) -> Absence {
    match reason {
        probe::Absence::NotOffered => Absence::NotOffered,
        probe::Absence::NotSupported => Absence::NotSupported,
        probe::Absence::NotPermitted => Absence::NotPermitted,
        probe::Absence::TooManyFiles => Absence::TooManyFiles,
        probe::Absence::NotUnderstood => Absence::NotUnderstood,
        probe::Absence::NeverRan => Absence::NeverRan,
        probe::Absence::TooShort => Absence::TooShort,
        probe::Absence::CountedNothing => Absence::CountedNothing,
        probe::Absence::OneCoreType => Absence::OneCoreType,
        probe::Absence::FailedSelfTest => Absence::FailedSelfTest,
        probe::Absence::NotMeasured => Absence::NotMeasured,
        probe::Absence::Errno(errno) => Absence::Errno(errno),
        // This also covers reasons that a later probe may add.
        _ => Absence::NotOnThisPlatform,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_event_is_the_metric_of_its_name() {
        for event in Event::ALL {
            let metric = metric(event).expect("every event is a metric");
            assert_eq!(metric.name(), event.name());
        }
    }

    #[test]
    fn every_phase_has_a_place() {
        for phase in Phase::ALL {
            assert!(probe::Phase::index(InPhase(phase)) < <InPhase as probe::Phase>::COUNT);
        }
    }
}
