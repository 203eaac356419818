//! [`Plan`]: the processes of a session, in the order in which they start.

use std::ops::Range;

use crate::metric::collector::Means;
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
    pub round: usize,
    /// The collector that observes the run.
    pub means: Means,
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
        let most = scenarios.iter().map(|s| s.processes).max().unwrap_or(0);
        Plan::of_rounds(scenarios, 0..most, seed)
    }

    /// Plans the repetitions in the range `rounds`. A scenario with fewer repetitions takes part in those
    /// that it has. The order depends on the seed, on the repetition's number, and on which scenarios take
    /// part. It does not depend on earlier repetitions.
    pub fn of_rounds(scenarios: &[Scenario], rounds: Range<usize>, seed: u64) -> Plan {
        let runs = rounds.flat_map(|round| {
            let mut visits: Vec<Run> = visits(scenarios, round).collect();
            // Each repetition has another random stream: seeds that differ in one bit give unlike sequences.
            Random::new(seed ^ (round as u64) << 32).shuffle(&mut visits);
            visits
        });
        Plan { seed, runs: runs.collect() }
    }
}

fn visits(scenarios: &[Scenario], round: usize) -> impl Iterator<Item = Run> {
    let by_clock = scenarios.iter().enumerate().filter(|(_, s)| s.means().contains(&Means::Clock));
    let measured = by_clock.filter(move |(_, s)| round < s.processes);
    measured.flat_map(move |(scenario, s)| {
        let means = Means::Clock;
        s.ladder.iter().map(move |&modules| Run { scenario, modules, round, means })
    })
}

/// The runs of one scenario with an exact collector, where `place` is the scenario's index. Each size gets
/// `rounds` repetitions. If `rounds` is 1, the middle size is repeated once to prove that counts repeat.
pub fn exact_runs(
    place: usize,
    scenario: &Scenario,
    means: Means,
    rounds: usize,
) -> impl Iterator<Item = Run> {
    let rungs = scenario.ladder_by(means);
    let run = move |modules: usize, round| Run { scenario: place, modules, round, means };
    let all = (0..rounds).flat_map(move |round| rungs.iter().map(move |&n| run(n, round)));
    let repeated = rungs.get(rungs.len() / 2).filter(|_| rounds == 1);
    all.chain(repeated.map(|&n| run(n, 1)))
}
