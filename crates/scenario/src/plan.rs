//! [`Plan`]: the processes of a session, in the order in which they start.

use std::ops::Range;

use crate::metric::collector::Collector;
use crate::random::Random;
use crate::scenario::Scenario;

/// One fresh process, which runs one scenario at one N.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The index into the scenarios from which the plan was made.
    pub scenario: usize,
    /// The size, N.
    pub modules: usize,
    /// The repetition to which the run belongs, from 0.
    pub repetition: usize,
    /// The collector that observes the run.
    pub collector: Collector,
}

/// The runs by the clock of some repetitions of a session, in the order of measuring.
///
/// Repetitions follow one another. Each repetition visits every size of every scenario once, in shuffled
/// order. So a drift of the machine spreads over all N instead of looking like growth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The seed that decided the order.
    pub seed: u64,
    /// The runs in order.
    pub runs: Vec<Run>,
}

impl Plan {
    /// Plans every repetition of `scenarios`. The same scenarios and seed always give the same plan.
    pub fn of(scenarios: &[Scenario], seed: u64) -> Plan {
        let most = scenarios.iter().map(|s| s.repetitions).max().unwrap_or(0);
        Plan::of_repetitions(scenarios, 0..most, seed)
    }

    /// Plans the repetitions in the range `repetitions`. A scenario with fewer repetitions takes part in those
    /// that it has. The order depends on the seed, on the repetition's number, and on which scenarios take
    /// part. It does not depend on earlier repetitions.
    pub fn of_repetitions(scenarios: &[Scenario], repetitions: Range<usize>, seed: u64) -> Plan {
        let runs = repetitions.flat_map(|repetition| {
            let mut visits: Vec<Run> = visits(scenarios, repetition).collect();
            // Each repetition has another random stream: seeds that differ in one bit give unlike sequences.
            Random::new(seed ^ (repetition as u64) << 32).shuffle(&mut visits);
            visits
        });
        Plan { seed, runs: runs.collect() }
    }
}

fn visits(scenarios: &[Scenario], repetition: usize) -> impl Iterator<Item = Run> {
    let by_clock =
        scenarios.iter().enumerate().filter(|(_, s)| s.collectors().contains(&Collector::Clock));
    let measured = by_clock.filter(move |(_, s)| repetition < s.repetitions);
    measured.flat_map(move |(scenario, s)| {
        let collector = Collector::Clock;
        s.sizes.iter().map(move |&modules| Run { scenario, modules, repetition, collector })
    })
}

/// The runs of one scenario with an exact collector, where `place` is the scenario's index. Each size gets
/// `repetitions` repetitions. If `repetitions` is 1, the middle size is repeated once to prove that counts repeat.
pub fn exact_runs(
    place: usize,
    scenario: &Scenario,
    collector: Collector,
    repetitions: usize,
) -> impl Iterator<Item = Run> {
    let sizes = scenario.sizes_by(collector);
    let run =
        move |modules: usize, repetition| Run { scenario: place, modules, repetition, collector };
    let all =
        (0..repetitions).flat_map(move |repetition| sizes.iter().map(move |&n| run(n, repetition)));
    let repeated = sizes.get(sizes.len() / 2).filter(|_| repetitions == 1);
    all.chain(repeated.map(|&n| run(n, 1)))
}
