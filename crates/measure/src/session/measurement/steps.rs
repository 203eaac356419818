//! What a session may add while it is measured: more repetitions and larger sizes, with their expected time.

use super::Measurement;
use loadline_record::Result;
use loadline_record::escalation::Step;
use std::time::Duration;

use loadline_scenario::Scenario;
use loadline_scenario::scenario::LARGEST_MODULES;

use crate::session::limits::{most_resident, why_not};
use loadline_record::header::{RunRecord, not_measured};

impl Measurement<'_> {
    /// The time spent so far in runs by the clock. Repetitions are added to those runs alone.
    pub fn measuring(&self) -> Duration {
        let by_clock = self.records.iter().filter(|record| record.collector.is_clock());
        by_clock.map(|record| seconds(record.seconds)).sum()
    }

    /// Whether the scenario `full_name` has fewer repetitions than `most`.
    pub fn may_have_repetitions(&self, full_name: &str, most: usize) -> bool {
        self.place(full_name).is_some_and(|place| self.scenarios[place].repetitions < most)
    }

    /// Whether a size above the largest of `full_name` may be added. It may if fewer than `most` were added and
    /// the machine holds it. If the machine does not hold it, the session records that.
    pub fn may_grow(&mut self, full_name: &str, most: usize) -> bool {
        let Some(place) = self.place(full_name) else { return false };
        let Some(next) = self.next_size(place) else { return false };
        if self.n_larger[place] >= most {
            return false;
        }
        let scenario = &self.scenarios[place];
        let own = self.records.iter().filter(|record| record.scenario == full_name);
        let resident = most_resident(own.filter_map(RunRecord::samples).flatten());
        let longest = 4.0 * self.seconds_at(full_name, next / 2);
        let refusal = why_not(scenario, next, resident, &self.header.environment).or_else(|| {
            let limit = scenario.timeout.as_secs();
            (longest > limit as f64)
                .then(|| format!("a run may take longer than {limit} s (timeout_seconds)"))
        });
        let Some(why) = refusal else { return true };
        let sentence = not_measured(full_name, next as u64) + &why;
        if !self.header.left_out.contains(&sentence) {
            self.header.left_out.push(sentence);
        }
        false
    }

    fn next_size(&self, place: usize) -> Option<usize> {
        let top = *self.scenarios[place].sizes.last()?;
        top.checked_mul(2).filter(|next| *next <= LARGEST_MODULES)
    }

    /// The average time of a run of `full_name` at `modules`, in seconds.
    fn seconds_at(&self, full_name: &str, modules: usize) -> f64 {
        let is_own = |r: &&RunRecord| {
            r.collector.is_clock() && r.scenario == full_name && r.modules == modules
        };
        let own: Vec<f64> = self.records.iter().filter(is_own).map(|r| r.seconds).collect();
        own.iter().sum::<f64>() / own.len().max(1) as f64
    }

    /// The time that `step` is expected to take for the scenario `full_name`, at most. At twice the N a quadratic
    /// cost is four times as high.
    pub fn time_for(&self, full_name: &str, step: Step, most_repetitions: usize) -> Duration {
        let Some(place) = self.place(full_name) else { return Duration::ZERO };
        let scenario = &self.scenarios[place];
        let time = match step {
            Step::MoreRepetitions => {
                let repetition: f64 =
                    scenario.sizes.iter().map(|&n| self.seconds_at(full_name, n)).sum();
                repetition * more_repetitions(scenario, most_repetitions) as f64
            }
            Step::LargerN => {
                let top = scenario.sizes.last().map_or(0.0, |&n| self.seconds_at(full_name, n));
                4.0 * top * scenario.repetitions as f64
            }
        };
        seconds(time * self.sides(scenario).len() as f64)
    }

    /// Plans `step` for the scenario `full_name`.
    pub fn take_step(&mut self, full_name: &str, step: Step, most_repetitions: usize) {
        let Some(place) = self.place(full_name) else { return };
        match (step, self.next_size(place)) {
            (Step::MoreRepetitions, _) => {
                let more = more_repetitions(&self.scenarios[place], most_repetitions);
                self.scenarios[place].repetitions += more;
            }
            (Step::LargerN, Some(next)) => {
                self.scenarios[place].sizes.push(next);
                self.n_larger[place] += 1;
            }
            (Step::LargerN, None) => {}
        }
    }

    /// Compiles what the added sizes load.
    ///
    /// # Errors
    /// When artifacts cannot be made.
    pub fn prepare_larger(&self) -> Result<()> {
        let larger = self.scenarios.iter().zip(&self.n_larger).filter(|(_, n)| **n > 0);
        let larger: Vec<Scenario> = larger.map(|(scenario, _)| scenario.clone()).collect();
        self.bench.prepare_all(&larger, self.header.against.as_ref())
    }
}

/// How many repetitions to add to `scenario`: as many as it has, but at most `most` in total.
fn more_repetitions(scenario: &Scenario, most: usize) -> usize {
    (2 * scenario.repetitions).min(most).saturating_sub(scenario.repetitions)
}

/// A measured or estimated time. An invalid value counts as zero.
fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or_default()
}
