//! The repetitions of one scenario, and the conversion to the growth crate's series.

use crate::{Context, Result, bail};
use loadline_growth::{Kind, Series};
use loadline_scenario::scenario::{FEWEST_SIZES, SMALLEST_RATIO};
use loadline_scenario::units::counted;
use loadline_scenario::{
    Absence, Absent, Collector, Metric, MetricKind, Reading, Sample, Scenario, Scope, SeriesName,
};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// The results of one scenario.
#[derive(Debug)]
pub struct MeasuredScenario {
    /// The scenario, with the sizes that were measured.
    pub scenario: Scenario,
    /// Its judged and informational series.
    pub series: BTreeMap<SeriesName, Repetitions>,
    /// How many of the sizes, the largest ones, were added while the scenario was measured.
    pub n_larger: usize,
    /// The files with costs by function, each with its N. N rises.
    pub profiles: Vec<(usize, PathBuf)>,
    /// The exact collectors whose runs gave different counts and were not yet repeated.
    pub unrepeated: Vec<Collector>,
    /// The series with readings known only to a step, each with its largest step.
    pub coarse: BTreeMap<SeriesName, f64>,
    /// The series without their smallest sizes, each with the largest N left out. At those sizes the phase
    /// ended before its counter was read.
    pub too_short: BTreeMap<SeriesName, usize>,
    /// The failed runs, one sentence per cause. A scenario with any is not judged.
    pub failures: Vec<String>,
    /// Whether every run of the first repetition failed with the same cause, so that the session started no
    /// other run.
    pub is_given_up: bool,
    /// How long the runs of each collector took in seconds; no entry where no run recorded its time.
    pub seconds: BTreeMap<Collector, f64>,
}

/// The repetitions of one series.
#[derive(Debug, Clone, PartialEq)]
pub enum Repetitions {
    /// One row per size: N, then the reading of each repetition in the order of measuring.
    Complete(Vec<(usize, Vec<f64>)>),
    /// The series is missing, and why.
    Missing(Absence),
}

impl MeasuredScenario {
    /// Returns the series `name`, if it was measured completely.
    pub fn complete(&self, name: SeriesName) -> Option<Series> {
        match self.series.get(&name)? {
            Repetitions::Complete(rows) => {
                let step = self.coarse.get(&name).copied().unwrap_or(0.0);
                Some(series(name, rows).ok()?.resolution(step))
            }
            Repetitions::Missing(_) => None,
        }
    }
}

/// Lists the collectors other than the clock that `scenario` needs. A collector whose metrics are all
/// `absent` is left out.
pub fn exact_collectors(scenario: &Scenario, absent: &[Absent]) -> Vec<Collector> {
    let is_there = |metric: &Metric| why_absent(scenario, *metric, absent).is_none();
    let mut all = scenario.collectors();
    all.retain(|collector| {
        !collector.is_clock() && scenario.metrics_by(*collector).iter().any(is_there)
    });
    all
}

/// Returns why this machine does not count `metric` for `scenario`, or `None` if it does.
pub fn why_absent(scenario: &Scenario, metric: Metric, absent: &[Absent]) -> Option<Absence> {
    let is_it = |absent: &&Absent| absent.metric == metric && absent.concerns(&scenario.workload);
    absent.iter().find(is_it).map(|absent| absent.absence)
}

/// Whether these sizes, which rise, are enough to determine a growth.
pub fn can_be_judged(sizes: &[usize]) -> bool {
    let ratio = sizes.last().zip(sizes.first()).map_or(0, |(last, first)| last / first);
    sizes.len() >= FEWEST_SIZES && ratio >= SMALLEST_RATIO
}

/// Builds the growth crate's series from the repetitions of a metric.
///
/// # Errors
/// Returns an error if there is no size, a repetition is missing, or a reading is not a finite number from 0
/// up.
pub fn series(name: SeriesName, repetitions: &[(usize, Vec<f64>)]) -> Result<Series> {
    // The growth crate accepts sizes with unequal numbers of readings, but here every repetition visits every
    // size.
    let expected = repetitions.first().map_or(0, |(_, costs)| costs.len());
    if let Some((n, costs)) = repetitions.iter().find(|(_, costs)| costs.len() != expected) {
        let found = costs.len();
        let expected = counted(expected, "repetition");
        bail!("series {name}: expected {expected} at N = {n}, found {found}");
    }
    let kind = match name.metric.kind() {
        MetricKind::Count => Kind::Count,
        MetricKind::Time => Kind::Time,
    };
    let sizes = repetitions.iter().map(|(n, _)| *n as u64).collect();
    let costs = repetitions.iter().map(|(_, costs)| costs.clone()).collect();
    let series = Series::new(kind, sizes, costs).with_context(|| format!("series {name}"))?;
    // An exact count is kept once, after a repeated run has confirmed it. For other metrics, one repetition
    // says nothing about the jitter.
    let is_counted = name.metric.collector() != Collector::Clock;
    let is_exact = is_counted && repetitions.iter().all(|(_, costs)| costs.len() == 1);
    Ok(series.interleaved(true).exact(is_exact))
}

/// Returns the reading of a series for the whole run at `modules`, over all threads.
pub fn reading(samples: &[Sample], name: SeriesName, modules: usize) -> Reading {
    let sample = sample(samples, name, modules);
    sample.map_or(Reading::Unavailable(Absence::NotMeasured), |sample| sample.reading)
}

pub fn sample(samples: &[Sample], name: SeriesName, modules: usize) -> Option<&Sample> {
    samples.iter().find(|sample| {
        sample.phase == name.phase
            && sample.metric == name.metric
            && sample.scope == Scope::Process
            && sample.modules == modules
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The cost of a repetition is the reading of the whole run, not of a checkpoint or a single thread.
    #[test]
    fn a_round_is_the_reading_of_the_whole_process_at_the_end() {
        let name: SeriesName = "unload/task-clock".parse().unwrap();
        let sample = |scope, modules, count| Sample {
            phase: name.phase,
            metric: name.metric,
            scope,
            modules,
            reading: Reading::Exact(count),
        };
        let samples = [
            sample(Scope::Thread(0), 64, 1),
            sample(Scope::Process, 16, 2),
            sample(Scope::Process, 64, 3),
        ];
        assert_eq!(reading(&samples, name, 64), Reading::Exact(3));
        let missing = Reading::Unavailable(Absence::NotMeasured);
        assert_eq!(reading(&samples, name, 32), missing);
    }
}
