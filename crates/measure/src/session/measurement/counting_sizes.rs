//! Chooses the sizes at which callgrind counts a command whose file names none. The command runs once at each
//! size, from the smallest on, until the next size would take longer than counting may.

use loadline_record::Result;
use loadline_record::header::{Against, Outcome, RunRecord, Side};
use loadline_record::rounds::{can_be_judged, is_compared, why_absent};
use loadline_scenario::{Absent, Environment, Means, Metric, Run, Scenario, Subject};

use crate::session::bench::Bench;
use crate::session::progress::Progress;

/// The share of a scenario's budget that one run at each size may take under callgrind.
const SHARE: f64 = 0.25;

/// The same share where fewer sizes could not be judged.
const LARGEST_SHARE: f64 = 3.0;

/// What the trial knows about the machine and the builds.
pub struct Trial<'a> {
    pub bench: &'a Bench<'a>,
    pub environment: &'a Environment,
    pub absent: &'a [Absent],
    pub against: Option<&'a Against>,
}

impl Trial<'_> {
    /// Sets the sizes under callgrind of each command that has none yet. Returns one sentence for each command
    /// that cannot be counted at all of its sizes.
    ///
    /// # Errors
    /// When the program is interrupted.
    pub fn choose(&self, scenarios: &mut [Scenario]) -> Result<Vec<String>> {
        let is_free = |scenario: &Scenario| {
            let metric = Metric::CallgrindInstructions;
            matches!(scenario.subject, Subject::Command(_))
                && scenario.callgrind_ladder.is_empty()
                && scenario.means().contains(&Means::Callgrind)
                && why_absent(scenario, metric, self.absent).is_none()
        };
        let mut sentences = Vec::new();
        let mut n_sizes: Vec<Option<usize>> = Vec::new();
        let total = scenarios.iter().filter(|s| is_free(s)).map(|s| s.ladder.len() as u64).sum();
        let progress = Progress::new("choosing sizes under valgrind", total);
        for scenario in scenarios.iter() {
            if !is_free(scenario) {
                n_sizes.push(None);
                continue;
            }
            let (n, why) = self.affordable(scenario)?;
            progress.add(scenario.ladder.len() as u64, &scenario.title());
            n_sizes.push(Some(n));
            sentences.extend(why.map(|why| sentence(scenario, n, &why)));
        }
        progress.finish();
        // Costs are compared at equal sizes: a scenario and its variants get the sizes that each can afford.
        let fewest = |scenario: &Scenario| {
            let related: Vec<String> = scenario.titles_measured().collect();
            let is_related = |other: &Scenario| {
                other.name == scenario.name
                    || related.contains(&other.title())
                    || other.titles_measured().any(|title| title == scenario.title())
            };
            let counted = scenarios.iter().zip(&n_sizes).filter(|(other, _)| is_related(other));
            counted.filter_map(|(_, n)| n.filter(|n| *n > 0)).min()
        };
        let fewest: Vec<Option<usize>> = scenarios.iter().map(fewest).collect();
        for ((scenario, own), fewest) in scenarios.iter_mut().zip(&n_sizes).zip(fewest) {
            let Some(own) = own else { continue };
            let n = fewest.map_or(0, |fewest| fewest.min(*own));
            scenario.callgrind_ladder = scenario.ladder[..n].to_vec();
        }
        Ok(sentences)
    }

    /// How many sizes of `scenario` callgrind can count on every side, and why not all. Zero if too few for a
    /// verdict.
    fn affordable(&self, scenario: &Scenario) -> Result<(usize, Option<String>)> {
        let first = scenario.ladder[0];
        if self.seconds(scenario, first, Means::Clock)?.is_err() {
            // The session meets the same failure and records it.
            return Ok((0, None));
        }
        let mut tried: Vec<(usize, f64)> = Vec::new();
        for (place, &n) in scenario.ladder.iter().enumerate() {
            let enough = can_be_judged(&scenario.ladder[..place]);
            let stopped = match too_long(scenario, &tried, n, enough) {
                Some(why) => Some(why),
                None => match self.seconds(scenario, n, Means::Callgrind)? {
                    Ok(seconds) => {
                        tried.push((n, seconds));
                        None
                    }
                    Err(error) => Some(format!("the run at N = {n} fails under valgrind: {error}")),
                },
            };
            if let Some(why) = stopped {
                return Ok((if enough { place } else { 0 }, Some(why)));
            }
        }
        Ok((scenario.ladder.len(), None))
    }

    /// How long a run of `scenario` at `n` takes in seconds, on the slower side, or why a run fails.
    fn seconds(
        &self,
        scenario: &Scenario,
        n: usize,
        means: Means,
    ) -> Result<std::result::Result<f64, String>> {
        let run = Run { scenario: 0, modules: n, round: 0, means };
        let mut sides = vec![(Side::Now, self.environment)];
        if let Some(against) = self.against.filter(|_| is_compared(scenario)) {
            sides.push((Side::Before, &against.environment));
        }
        let mut longest = 0.0_f64;
        for (side, environment) in sides {
            let metrics = scenario.metrics_by(means);
            let visit = (run.clone(), side);
            let (record, _) = self.bench.run(scenario, &visit, &metrics, 0, environment)?;
            let RunRecord { outcome, seconds, .. } = record;
            match outcome {
                Outcome::Finished { .. } => longest = longest.max(seconds),
                Outcome::Failed { error } => return Ok(Err(error)),
            }
        }
        Ok(Ok(longest))
    }
}

/// Says why a run at `n` would take too long, extrapolated from the sizes before it. The growth of the last
/// step goes on, and is at least linear. `enough` says that the sizes before it can be judged.
fn too_long(scenario: &Scenario, tried: &[(usize, f64)], n: usize, enough: bool) -> Option<String> {
    let [.., (_, before), (last, seconds)] = tried else { return None };
    let step = n as f64 / *last as f64;
    let next = seconds * (seconds / before).clamp(1.0, step * step);
    let all = tried.iter().map(|(_, seconds)| seconds).sum::<f64>() + next;
    let share = if enough { SHARE } else { LARGEST_SHARE };
    let most = share * scenario.budget.as_secs_f64();
    (all > most).then(|| {
        format!("one run at each size up to N = {n} would take {all:.0} s under valgrind, and may take {most:.0} s")
    })
}

/// The sentence about the first `n` sizes of `scenario` being counted, or none.
fn sentence(scenario: &Scenario, n: usize, why: &str) -> String {
    let title = scenario.title();
    match &scenario.ladder[..n] {
        [] => format!("{title}: instructions are not counted: {why}"),
        [.., last] => format!("{title}: instructions are counted up to N = {last}: {why}"),
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
