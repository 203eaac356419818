//! What a session's records amount to: the rounds of each series, or why there are none. Judges nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use loadline_scenario::{
    Absence, Absent, Environment, Reading, Sample, Scenario, Scope, SeriesName, Subject,
};

use crate::session::{Against, Header, Outcome, RunRecord, Side};
use crate::shard::Shard;

/// A session's results: the series of each scenario, in the scenarios' order.
#[derive(Debug)]
pub struct Measured {
    /// The machine and the build.
    pub environment: Environment,
    /// The metrics that cannot be counted here.
    pub absent: Vec<Absent>,
    /// What was measured.
    pub scenarios: Vec<MeasuredScenario>,
    /// Where the raw samples are.
    pub saved: PathBuf,
    /// What decided the order of runs.
    pub seed: u64,
    /// Rungs that this machine's limits left out, one sentence each.
    pub left_out: Vec<String>,
    /// Which part of a suite this is, where it is one.
    pub part: Option<Shard>,
    /// What was measured in turn with it, by another build.
    pub before: Option<MeasuredBefore>,
}

/// The other build's results.
#[derive(Debug)]
pub struct MeasuredBefore {
    /// The build.
    pub build: Against,
    /// The scenarios that load modules, as it carried them out.
    pub scenarios: Vec<MeasuredScenario>,
}

/// One scenario's results.
#[derive(Debug)]
pub struct MeasuredScenario {
    /// The scenario, with the ladder that was measured.
    pub scenario: Scenario,
    /// Its judged and observed series.
    pub series: BTreeMap<SeriesName, Rounds>,
    /// How many of the rungs, the largest, were added while it was measured.
    pub n_larger: usize,
    /// Runs that failed, one sentence each; a scenario with any is not judged.
    pub failures: Vec<String>,
}

/// The rounds of one series.
#[derive(Debug, Clone, PartialEq)]
pub enum Rounds {
    /// One row a rung: N, then the reading of each round in the order of measuring.
    Complete(Vec<(usize, Vec<f64>)>),
    /// There is no series, and why.
    Missing(Absence),
}

impl Measured {
    /// What a session's records amount to, fresh or saved long ago.
    pub fn of(
        header: &Header,
        scenarios: Vec<Scenario>,
        records: &[RunRecord],
        saved: PathBuf,
    ) -> Measured {
        let n_larger = |scenario: &Scenario| {
            let title = scenario.title();
            let planned = header.scenarios.iter().find(|planned| planned.scenario == title);
            planned.map_or(0, |planned| planned.n_larger)
        };
        let gather = |scenario: Scenario, side, absent| MeasuredScenario {
            n_larger: n_larger(&scenario),
            ..gather(scenario, side, records, absent)
        };
        let before = header.against.as_ref().map(|build| {
            let compared = scenarios.iter().filter(|s| is_compared(s)).cloned();
            let gathered = compared.map(|s| gather(s, Side::Before, &build.absent));
            MeasuredBefore { build: build.clone(), scenarios: gathered.collect() }
        });
        let gathered = scenarios.into_iter().map(|s| gather(s, Side::Now, &header.absent));
        Measured {
            environment: header.environment.clone(),
            absent: header.absent.clone(),
            scenarios: gathered.collect(),
            saved,
            seed: header.seed,
            left_out: header.left_out.clone(),
            part: header.asked.as_ref().and_then(|asked| asked.part.as_ref()).map(|p| p.shard),
            before,
        }
    }
}

/// Whether both builds of a comparison carry `scenario` out; planted work tells of the session.
pub fn is_compared(scenario: &Scenario) -> bool {
    matches!(scenario.subject, Subject::Modules(_))
}

/// The rounds of each series of `scenario`, as one build carried it out, out of all records.
fn gather(
    scenario: Scenario,
    side: Side,
    records: &[RunRecord],
    absent: &[Absent],
) -> MeasuredScenario {
    let title = scenario.title();
    let own = own_records(&title, side, records);
    let failures = own.iter().filter_map(|record| match &record.outcome {
        Outcome::Finished { .. } => None,
        Outcome::Failed { error } => {
            Some(format!("N = {}, round {}: {error}", record.modules, record.round + 1))
        }
    });
    let mut failures: Vec<String> = failures.collect();
    let planned = scenario.ladder.len() * scenario.processes;
    let places: BTreeSet<_> = own.iter().map(|record| (record.modules, record.round)).collect();
    let is_planned = |(n, _): &&(usize, usize)| scenario.ladder.contains(n);
    let found = places.iter().filter(is_planned).count();
    if own.len() > found {
        failures.push(format!("{} runs are unplanned or stand twice", own.len() - found));
    }
    if found < planned {
        failures.push(format!("{found} of {planned} runs were carried out"));
    }
    failures.extend(scenario.series().flat_map(|name| gaps(name, &own)));
    let series = scenario.series().map(|name| (name, rounds(&scenario.ladder, name, &own, absent)));
    let series = series.collect();
    MeasuredScenario { scenario, series, n_larger: 0, failures }
}

/// The records of one scenario by one build, by round. Of a run that failed and was carried out anew,
/// the last counts, in its round's place: the readings at all N stand in the order of rounds.
fn own_records<'a>(title: &str, side: Side, records: &'a [RunRecord]) -> Vec<&'a RunRecord> {
    let mut own: Vec<&RunRecord> = Vec::new();
    let is_own = |record: &&RunRecord| record.side == side && record.scenario == title;
    for record in records.iter().filter(is_own) {
        let is_replaced = |before: &&mut &RunRecord| {
            before.has_failed() && (before.modules, before.round) == (record.modules, record.round)
        };
        match own.iter_mut().find(is_replaced) {
            Some(before) => *before = record,
            None => own.push(record),
        }
    }
    own.sort_by_key(|record| record.round);
    own
}

fn rounds(ladder: &[usize], name: SeriesName, own: &[&RunRecord], absent: &[Absent]) -> Rounds {
    if let Some(absent) = absent.iter().find(|absent| absent.metric == name.metric) {
        return Rounds::Missing(absent.absence);
    }
    let mut rows = Vec::with_capacity(ladder.len());
    for &modules in ladder {
        let mut values = Vec::new();
        for record in own.iter().filter(|record| record.modules == modules) {
            let Outcome::Finished { samples, .. } = &record.outcome else { continue };
            match reading(samples, name, modules) {
                Reading::Unavailable(absence) => return Rounds::Missing(absence),
                reading => values.extend(reading.value()),
            }
        }
        rows.push((modules, values));
    }
    Rounds::Complete(rows)
}

pub fn reading(samples: &[Sample], name: SeriesName, modules: usize) -> Reading {
    let sample = sample(samples, name, modules);
    sample.map_or(Reading::Unavailable(Absence::NotMeasured), |sample| sample.reading)
}

fn sample(samples: &[Sample], name: SeriesName, modules: usize) -> Option<&Sample> {
    samples.iter().find(|sample| {
        sample.phase == name.phase
            && sample.metric == name.metric
            && sample.scope == Scope::Process
            && sample.modules == modules
    })
}

/// The runs that say nothing at all of what other runs of the scenario have counted. That is no
/// absence, which would have its reason, but a torn answer.
fn gaps(name: SeriesName, own: &[&RunRecord]) -> Vec<String> {
    let finished = own.iter().filter_map(|record| match &record.outcome {
        Outcome::Finished { samples, .. } => Some((record, sample(samples, name, record.modules))),
        Outcome::Failed { .. } => None,
    });
    let (with, without): (Vec<_>, Vec<_>) = finished.partition(|(_, sample)| sample.is_some());
    if with.is_empty() {
        return Vec::new();
    }
    let sentence = |record: &RunRecord| {
        let RunRecord { modules, round, .. } = record;
        format!("N = {modules}, round {}: no reading of {name}, which other runs have", round + 1)
    };
    without.iter().map(|(record, _)| sentence(record)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The cost of a round is its scenario's reading of the whole run: not of a checkpoint on the
    /// way, not of one thread.
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
