//! Every process that will be started, in order: [`Plan`].

use std::ops::Range;

use crate::metric::collector::Means;
use crate::random::Random;
use crate::scenario::Scenario;

/// One fresh process: a scenario at one N.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Index into the scenarios the plan was made of.
    pub scenario: usize,
    /// N.
    pub modules: usize,
    /// Which of the measuring rounds this belongs to, from 0.
    pub round: usize,
    /// What watches it.
    pub means: Means,
}

/// The runs of some rounds of a session, in the order of measuring.
///
/// Rounds follow one another; within a round every rung of every scenario is visited once, in
/// shuffled order. So what drifts on the machine spreads over all N instead of looking like growth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// What decided the order.
    pub seed: u64,
    /// The runs.
    pub runs: Vec<Run>,
}

impl Plan {
    /// The plan for every round of `scenarios`; the same for the same scenarios and seed.
    pub fn of(scenarios: &[Scenario], seed: u64) -> Plan {
        let most = scenarios.iter().map(|s| s.processes).max().unwrap_or(0);
        Plan::of_rounds(scenarios, 0..most, seed)
    }

    /// The plan for those `rounds` of `scenarios` that they have. A round's order depends on the
    /// seed, its number and who takes part, not on the rounds before it.
    pub fn of_rounds(scenarios: &[Scenario], rounds: Range<usize>, seed: u64) -> Plan {
        let runs = rounds.flat_map(|round| {
            let mut visits: Vec<Run> = visits(scenarios, round).collect();
            // Another stream for each round: seeds that differ in one bit give unlike sequences.
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

/// The runs of one scenario by means that count exactly, `scenario` being its place: each rung in
/// `rounds` rounds. One is enough where a repeated run says the same; the middle rung is repeated to
/// prove that.
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
