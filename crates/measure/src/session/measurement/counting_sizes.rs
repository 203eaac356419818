//! Chooses the sizes at which callgrind counts a command whose file names none. The command runs once at each
//! size, from the smallest on, until the next size would take longer than counting may. The session keeps these
//! runs.

use loadline_record::Result;
use loadline_record::header::{Against, Outcome, RunRecord, Side};
use loadline_record::measured::{can_be_judged, is_compared, why_absent};
use loadline_record::profile::SavedProfile;
use loadline_scenario::{Absent, Collector, Environment, Metric, Run, Scenario, Workload};

use crate::process::parallel::side_by_side;
use crate::session::affordable_sizes::seconds_at;
use crate::session::bench::Bench;
use crate::session::progress::Progress;

/// The share of a scenario's budget that one run at each size may take under callgrind.
const SHARE: f64 = 0.25;

/// The same share where fewer sizes could not be judged.
const LARGEST_SHARE: f64 = 1.0;

/// The trial of the sizes, with what it knows about the machine and the builds.
pub struct Trial<'a> {
    pub bench: &'a Bench<'a>,
    pub environment: &'a Environment,
    pub absent: &'a [Absent],
    pub against: Option<&'a Against>,
}

/// A finished run of the trial, which is part of the session.
pub type Tried = ((RunRecord, Option<SavedProfile>), (Run, Side));

/// The sizes that one scenario can afford.
struct Affordable {
    n_sizes: usize,
    /// Why not all sizes.
    why: Option<String>,
    runs: Vec<Tried>,
}

impl Trial<'_> {
    /// Sets the sizes under callgrind of each command that has none yet. Returns the runs at these sizes, and one
    /// sentence for each command that cannot be counted at all of its sizes.
    ///
    /// # Errors
    /// When the program is interrupted.
    pub fn choose(&self, scenarios: &mut [Scenario]) -> Result<(Vec<Tried>, Vec<String>)> {
        let mut all: Vec<Option<Affordable>> = Vec::new();
        let free = scenarios.iter().filter(|scenario| self.is_free(scenario));
        let progress =
            Progress::new("counting", free.map(|scenario| scenario.sizes.len() as u64).sum());
        for (place, scenario) in scenarios.iter().enumerate() {
            let affordable = match self.is_free(scenario) {
                true => Some(self.affordable(place, scenario, &progress)?),
                false => None,
            };
            all.push(affordable);
        }
        progress.finish();
        // Costs are compared at equal sizes: a scenario and its variants get the sizes that each can afford.
        let fewest = |scenario: &Scenario| {
            let counted =
                scenarios.iter().zip(&all).filter(|(other, _)| is_related(scenario, other));
            let sizes = counted.filter_map(|(_, one)| one.as_ref().map(|one| one.n_sizes));
            sizes.filter(|n| *n > 0).min()
        };
        let fewest: Vec<Option<usize>> = scenarios.iter().map(fewest).collect();
        let (mut runs, mut sentences) = (Vec::new(), Vec::new());
        for ((scenario, own), fewest) in scenarios.iter_mut().zip(all).zip(fewest) {
            let Some(own) = own else { continue };
            let n = fewest.map_or(0, |fewest| fewest.min(own.n_sizes));
            scenario.callgrind_sizes = scenario.sizes[..n].to_vec();
            let is_kept = |(_, (run, _)): &Tried| scenario.callgrind_sizes.contains(&run.modules);
            runs.extend(own.runs.into_iter().filter(is_kept));
            sentences.extend(own.why.map(|why| sentence(scenario, own.n_sizes, &why)));
        }
        Ok((runs, sentences))
    }

    /// Whether callgrind counts this command, and its file names no sizes.
    fn is_free(&self, scenario: &Scenario) -> bool {
        matches!(scenario.workload, Workload::Command(_))
            && scenario.callgrind_sizes.is_empty()
            && scenario.collectors().contains(&Collector::Callgrind)
            && why_absent(scenario, Metric::CallgrindInstructions, self.absent).is_none()
    }

    /// Runs the scenario at `place` at its sizes, as far as it can afford them. It affords none if the sizes are
    /// too few for a verdict. A command that fails without callgrind gets the fewest sizes that can be judged,
    /// at which the session meets the same failure and records it.
    fn affordable(
        &self,
        place: usize,
        scenario: &Scenario,
        progress: &Progress,
    ) -> Result<Affordable> {
        let run = |modules, collector| Run { scenario: place, modules, repetition: 0, collector };
        let first = run(scenario.sizes[0], Collector::Clock);
        if self.try_on(vec![(Side::Now, self.environment)], scenario, &first)?.is_err() {
            let is_enough = |n: &usize| can_be_judged(&scenario.sizes[..*n]);
            let n_sizes = (1..scenario.sizes.len()).find(is_enough);
            let n_sizes = n_sizes.unwrap_or(scenario.sizes.len());
            return Ok(Affordable { n_sizes, why: None, runs: Vec::new() });
        }
        let mut sides = vec![(Side::Now, self.environment)];
        if let Some(against) = self.against.filter(|_| is_compared(scenario)) {
            sides.push((Side::Before, &against.environment));
        }
        let mut tried: Vec<(usize, f64)> = Vec::new();
        let mut runs = Vec::new();
        for (n_sizes, &n) in scenario.sizes.iter().enumerate() {
            let enough = can_be_judged(&scenario.sizes[..n_sizes]);
            let why = match too_long(scenario, &tried, n, enough) {
                Some(why) => why,
                None => {
                    match self.try_on(sides.clone(), scenario, &run(n, Collector::Callgrind))? {
                        Ok(finished) => {
                            let seconds = finished.iter().map(|((record, _), _)| record.seconds);
                            tried.push((n, seconds.fold(0.0, f64::max)));
                            runs.extend(finished);
                            progress.add(1, &format!("{} N = {n}", scenario.full_name()));
                            continue;
                        }
                        Err(error) => format!("the run at N = {n} fails under valgrind: {error}"),
                    }
                }
            };
            let n_sizes = if enough { n_sizes } else { 0 };
            return Ok(Affordable { n_sizes, why: Some(why), runs });
        }
        Ok(Affordable { n_sizes: scenario.sizes.len(), why: None, runs })
    }

    /// Makes `run` on `sides` at the same time. Returns the finished runs, or why one failed.
    fn try_on(
        &self,
        sides: Vec<(Side, &Environment)>,
        scenario: &Scenario,
        run: &Run,
    ) -> Result<std::result::Result<Vec<Tried>, String>> {
        let metrics = scenario.metrics_by(run.collector);
        let measure = |(side, environment): &(Side, &Environment)| {
            let visit = (*run, *side);
            let record = self.bench.run(scenario, &visit, &metrics, 0, environment);
            record.map(|record| (record, visit))
        };
        let (mut finished, mut failure) = (Vec::new(), None);
        let workers = sides.len();
        side_by_side(sides, workers, measure, |tried: Tried| {
            match &tried.0.0.outcome {
                Outcome::Finished { .. } => finished.push(tried),
                Outcome::Failed { error } => failure = Some(error.clone()),
            }
            Ok(())
        })?;
        Ok(failure.map_or(Ok(finished), Err))
    }
}

/// Whether the costs of two scenarios are compared: variants of one file, or a scenario and its control.
fn is_related(scenario: &Scenario, other: &Scenario) -> bool {
    other.name == scenario.name
        || scenario.full_names_measured().any(|full_name| full_name == other.full_name())
        || other.full_names_measured().any(|full_name| full_name == scenario.full_name())
}

/// Says why a run at `n` would take too long, extrapolated from the sizes before it. Starting a program may take
/// most of the time, so the time need not rise with N. `enough` says that the sizes before it can be judged.
fn too_long(scenario: &Scenario, tried: &[(usize, f64)], n: usize, enough: bool) -> Option<String> {
    let [.., before, last] = tried else { return None };
    let next = seconds_at(n, *before, *last, 0);
    let all = tried.iter().map(|(_, seconds)| seconds).sum::<f64>() + next;
    let share = if enough { SHARE } else { LARGEST_SHARE };
    let most = share * scenario.budget.as_secs_f64();
    (all > most).then(|| {
        format!("one run at each size up to N = {n} would take {all:.0} s under valgrind, and may take {most:.0} s")
    })
}

/// The sentence about the first `n` sizes of `scenario` being counted, or none.
fn sentence(scenario: &Scenario, n: usize, why: &str) -> String {
    let full_name = scenario.full_name();
    match &scenario.sizes[..n] {
        [] => format!("{full_name}: instructions are not counted: {why}"),
        [.., last] => format!("{full_name}: instructions are counted up to N = {last}: {why}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;
    use loadline_record::fixtures::scenario;

    #[test]
    fn the_share_of_the_budget_ends_the_sizes() {
        let scenario = Scenario { budget: Duration::from_secs(20), ..scenario("keep") };
        let tried = [(64, 1.0), (128, 1.5)];
        // The next run is expected to take 1.5 · 1.5 s, in total 4.75 s of 5 s.
        assert_eq!(too_long(&scenario, &tried, 256, true), None);
        let tried = [(64, 1.0), (128, 2.0)];
        let why = too_long(&scenario, &tried, 256, true).unwrap();
        assert!(why.contains("N = 256 would take 7 s under valgrind, and may take 5 s"), "{why}");
        assert_eq!(too_long(&scenario, &tried, 256, false), None);
        assert!(too_long(&scenario, &[(64, 10.0), (128, 20.0)], 256, false).is_some());
        // One size says nothing about the next.
        assert_eq!(too_long(&scenario, &[(64, 99.0)], 128, true), None);
    }
}
