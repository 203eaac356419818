//! Computes the repetitions of each series from the records of a session's runs.

use super::one::{
    MeasuredScenario, Repetitions, can_be_judged, exact_collectors, reading, sample, why_absent,
};
use crate::files::header::{Outcome, Planned, RunRecord, Side};
use loadline_scenario::units::counted;
use loadline_scenario::{Absence, Absent, Collector, Reading, Scenario, SeriesName, exact_runs};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The inputs for the repetitions of one scenario.
pub struct Runs<'a> {
    pub side: Side,
    pub records: &'a [RunRecord],
    pub absent: &'a [Absent],
    /// The folder of files with costs by function.
    pub profiles: &'a Path,
    /// The session's plan for the scenario.
    pub planned: Option<&'a Planned>,
    /// Whether the session gave up all the scenarios that it was asked for.
    pub is_given_up: bool,
}

/// Computes the repetitions of each series of `scenario` by one build from all records.
pub fn gather(scenario: Scenario, runs: &Runs<'_>) -> MeasuredScenario {
    let full_name = scenario.full_name();
    let mut failures = Vec::new();
    let mut series = BTreeMap::new();
    let mut coarse = BTreeMap::new();
    let mut too_short = BTreeMap::new();
    let mut unrepeated = Vec::new();
    let mut profiles = Vec::new();
    let mut seconds = BTreeMap::new();
    let exact = exact_collectors(&scenario, runs.absent);
    let is_given_up = match scenario.workload.is_self_check() {
        true => runs.is_given_up,
        false => is_given_up(&scenario, runs.records),
    };
    for collector in Collector::ALL {
        let own = own_records(&full_name, collector, runs);
        let taken: f64 = own.iter().map(|record| record.seconds).sum();
        seconds.extend((taken > 0.0).then_some((collector, taken)));
        let inexact = runs.planned.and_then(|planned| planned.inexact.get(&collector));
        let repetitions = inexact.copied().unwrap_or(1);
        let planned = match collector {
            Collector::Clock if scenario.metrics_by(collector).is_empty() => 0,
            Collector::Clock => scenario.sizes.len() * scenario.repetitions,
            _ if !exact.contains(&collector) => 0,
            _ => exact_runs(0, &scenario, collector, repetitions).count(),
        };
        let sizes = scenario.sizes_by(collector);
        failures.extend(failures_of(&own, sizes, planned, is_given_up));
        let first = own.iter().filter(|record| record.repetition == 0);
        profiles.extend(first.filter_map(|record| {
            Some((record.modules, runs.profiles.join(record.profile.as_ref()?)))
        }));
        let is_own = |name: &SeriesName| scenario.collector_of(name.metric) == collector;
        for name in scenario.series().filter(is_own) {
            failures.extend(gaps(name, &own));
            let found = match all_repetitions(&scenario, name, &own, runs.absent) {
                Repetitions::Complete(rows) if !collector.is_clock() => {
                    let found = exact_rows(rows, repetitions);
                    unrepeated.extend((found.is_none() && planned > 0).then_some(collector));
                    found.map_or(Repetitions::Missing(Absence::NotMeasured), Repetitions::Complete)
                }
                found => found,
            };
            coarse.extend(largest_step(name, &own).map(|step| (name, step)));
            let is_kept = matches!(found, Repetitions::Complete(_));
            too_short.extend(last_too_short(name, &own).filter(|_| is_kept).map(|n| (name, n)));
            series.insert(name, found);
        }
    }
    unrepeated.dedup();
    profiles.sort();
    MeasuredScenario {
        scenario,
        series,
        n_larger: runs.planned.map_or(0, |planned| planned.n_larger),
        profiles,
        unrepeated,
        coarse,
        too_short,
        failures,
        is_given_up,
        seconds,
    }
}

/// Whether every run in the first repetition of `scenario` failed with the same cause, for one of the builds.
/// Then the session starts no other run of it.
pub fn is_given_up(scenario: &Scenario, records: &[RunRecord]) -> bool {
    let full_name = scenario.full_name();
    [Side::Now, Side::Before].into_iter().any(|side| {
        let is_own =
            |r: &&RunRecord| r.collector.is_clock() && r.side == side && r.scenario == full_name;
        let own: Vec<&RunRecord> = records.iter().filter(is_own).collect();
        failed_alike(&own, &scenario.sizes)
    })
}

/// Whether every run in the first repetition, at each of `sizes`, failed with the same cause.
fn failed_alike(own: &[&RunRecord], sizes: &[usize]) -> bool {
    let first: Vec<_> = own.iter().filter(|record| record.repetition == 0).collect();
    let is_there = |n: &usize| first.iter().any(|record| record.modules == *n);
    let mut causes = first.iter().map(|record| cause(record));
    let Some(Some(one)) = causes.next() else { return false };
    sizes.iter().all(is_there) && causes.all(|cause| cause.as_deref() == Some(&one))
}

/// Returns why a run failed, with its N replaced, so that the text is the same at every N.
fn cause(record: &RunRecord) -> Option<String> {
    let Outcome::Failed { error } = &record.outcome else { return None };
    let n = record.modules.to_string();
    let mut cause = String::new();
    for part in error.split_inclusive(|c: char| !c.is_ascii_digit()) {
        let digits = part.trim_end_matches(|c: char| !c.is_ascii_digit());
        cause.push_str(if digits == n { "N" } else { digits });
        cause.push_str(&part[digits.len()..]);
    }
    Some(cause)
}

/// Describes the failures of runs by one collector, one sentence per cause.
fn failures_of(
    own: &[&RunRecord],
    sizes: &[usize],
    planned: usize,
    is_given_up: bool,
) -> Vec<String> {
    let mut causes: Vec<(String, Vec<&RunRecord>)> = Vec::new();
    for &record in own {
        let Some(cause) = cause(record) else { continue };
        match causes.iter_mut().find(|(known, _)| *known == cause) {
            Some((_, records)) => records.push(record),
            None => causes.push((cause, vec![record])),
        }
    }
    let places: BTreeSet<_> =
        own.iter().map(|record| (record.modules, record.repetition)).collect();
    let found = places.iter().filter(|(n, _)| sizes.contains(n)).count();
    let unstarted = if is_given_up { planned.saturating_sub(found) } else { 0 };
    let mut failures: Vec<String> =
        causes.iter().map(|(_, records)| failure(records, unstarted)).collect();
    if own.len() > found {
        failures.push(format!("runs that are unplanned or recorded twice: {}", own.len() - found));
    }
    if found < planned && !is_given_up {
        failures.push(format!("{found} of {} were measured", counted(planned, "run")));
    }
    failures
}

/// Describes runs that failed with one cause, and `unstarted` runs that the session did not start because of
/// them.
fn failure(records: &[&RunRecord], unstarted: usize) -> String {
    let error = |record: &RunRecord| match &record.outcome {
        Outcome::Failed { error } => error.clone(),
        Outcome::Finished { .. } => String::new(),
    };
    let error = records.first().map(|record| error(record)).unwrap_or_default();
    let sizes = records.iter().map(|record| record.modules);
    match records {
        [RunRecord { modules, repetition, .. }] if unstarted == 0 => {
            format!("N = {modules}, repetition {}: {error}", repetition + 1)
        }
        records => {
            let (count, low, high) = (records.len(), sizes.clone().min(), sizes.max());
            let (low, high) = (low.unwrap_or(0), high.unwrap_or(0));
            let sizes = if low == high { low.to_string() } else { format!("{low} … {high}") };
            let rest = match unstarted {
                0 => String::new(),
                n => format!(", so the other {n} were not started"),
            };
            format!("{} failed alike (N = {sizes}){rest}: {error}", counted(count, "run"))
        }
    }
}

/// The largest relative difference between readings of the same count that is still exact.
const EXACT: f64 = 1e-6;

/// Reduces the rows of a counted series. A count that every repetition repeats keeps one reading per size.
/// Otherwise all repetitions are kept. Returns `None` if those still have to be measured.
fn exact_rows(rows: Vec<(usize, Vec<f64>)>, repetitions: usize) -> Option<Vec<(usize, Vec<f64>)>> {
    let agree = |values: &[f64]| {
        let (low, high) =
            values.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
        values.is_empty() || high - low <= EXACT * high.abs()
    };
    if rows.iter().all(|(_, values)| agree(values)) {
        return Some(
            rows.into_iter()
                .map(|(n, values)| (n, values[..values.len().min(1)].to_vec()))
                .collect(),
        );
    }
    (repetitions > 1).then_some(rows)
}

/// Lists the records of one scenario by one build and collector, by repetition. A run that failed and ran
/// again counts by its last record, in its original place. So the readings at every N are in the order of
/// repetitions.
fn own_records<'a>(full_name: &str, collector: Collector, runs: &Runs<'a>) -> Vec<&'a RunRecord> {
    let mut own: Vec<&RunRecord> = Vec::new();
    let is_own = |record: &&RunRecord| {
        record.side == runs.side && record.collector == collector && record.scenario == full_name
    };
    for record in runs.records.iter().filter(is_own) {
        let is_replaced = |before: &&mut &RunRecord| {
            before.has_failed()
                && (before.modules, before.repetition) == (record.modules, record.repetition)
        };
        match own.iter_mut().find(is_replaced) {
            Some(before) => *before = record,
            None => own.push(record),
        }
    }
    own.sort_by_key(|record| record.repetition);
    own
}

fn all_repetitions(
    scenario: &Scenario,
    name: SeriesName,
    own: &[&RunRecord],
    absent: &[Absent],
) -> Repetitions {
    if let Some(absence) = why_absent(scenario, name.metric, absent) {
        return Repetitions::Missing(absence);
    }
    let sizes = scenario.sizes_by(scenario.collector_of(name.metric));
    if sizes.is_empty() {
        return Repetitions::Missing(Absence::NotUnderValgrind);
    }
    // At sizes up to `too_short`, only the slow runs have readings.
    let too_short = last_too_short(name, own);
    let sizes: Vec<usize> = sizes.iter().copied().filter(|n| Some(*n) > too_short).collect();
    if too_short.is_some() && !can_be_judged(&sizes) {
        return Repetitions::Missing(Absence::TooShort);
    }
    let mut rows = Vec::with_capacity(sizes.len());
    for modules in sizes {
        let mut values = Vec::new();
        for record in own.iter().filter(|record| record.modules == modules) {
            let Some(samples) = record.samples() else { continue };
            match reading(samples, name, modules) {
                Reading::Unavailable(absence) => return Repetitions::Missing(absence),
                reading => values.extend(reading.value()),
            }
        }
        rows.push((modules, values));
    }
    Repetitions::Complete(rows)
}

/// Finds the largest N at which a phase ended before its counter was read, in some run.
fn last_too_short(name: SeriesName, own: &[&RunRecord]) -> Option<usize> {
    let is_too_short = |record: &&&RunRecord| {
        let samples = record.samples().unwrap_or_default();
        reading(samples, name, record.modules) == Reading::Unavailable(Absence::TooShort)
    };
    own.iter().filter(is_too_short).map(|record| record.modules).max()
}

/// Finds the largest resolution step of a series, if some readings are only known to a step.
fn largest_step(name: SeriesName, own: &[&RunRecord]) -> Option<f64> {
    let readings = own.iter().filter_map(|record| {
        sample(record.samples()?, name, record.modules).map(|sample| sample.reading)
    });
    let steps = readings.filter_map(|reading| match reading {
        Reading::Coarse { resolution, .. } => Some(resolution as f64),
        _ => None,
    });
    steps.max_by(f64::total_cmp)
}

/// Lists the runs that lack a reading which other runs of the scenario have. A missing reading without a
/// reason means that the run's answer was damaged.
fn gaps(name: SeriesName, own: &[&RunRecord]) -> Vec<String> {
    let finished = own
        .iter()
        .filter_map(|record| Some((record, sample(record.samples()?, name, record.modules))));
    let (with, without): (Vec<_>, Vec<_>) = finished.partition(|(_, sample)| sample.is_some());
    if with.is_empty() {
        return Vec::new();
    }
    let sentence = |record: &RunRecord| {
        let RunRecord { modules, repetition, .. } = record;
        format!(
            "N = {modules}, repetition {}: no reading of {name}, which other runs have",
            repetition + 1
        )
    };
    without.iter().map(|(record, _)| sentence(record)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use loadline_scenario::{Proof, Sample, Scope};

    use super::super::one::series;
    use super::*;

    /// A run by the clock that read the scenario's first judged series.
    fn finished(
        scenario: &Scenario,
        modules: usize,
        repetition: usize,
        reading: Reading,
    ) -> RunRecord {
        let SeriesName { phase, metric } = scenario.judge[0];
        let sample = Sample { phase, metric, scope: Scope::Process, modules, reading };
        RunRecord {
            scenario: scenario.full_name(),
            modules,
            repetition,
            side: Side::Now,
            collector: Collector::Clock,
            profile: None,
            outcome: Outcome::Finished { proof: Proof::default(), samples: vec![sample] },
            seconds: 1.0,
        }
    }

    fn gathered_from(scenario: &Scenario, records: &[RunRecord]) -> MeasuredScenario {
        let runs = Runs {
            side: Side::Now,
            records,
            absent: &[],
            profiles: Path::new(""),
            planned: None,
            is_given_up: false,
        };
        gather(scenario.clone(), &runs)
    }

    /// Of three runs, two have a phase in which child processes ended.
    #[test]
    fn the_step_of_coarse_readings_reaches_the_rule() {
        let scenario = "format = 2\nquestion = \"\"\nexpectation = \"\"\ncommand = [\"a\", \"{n}\"]\n\
                        judge = [\"load/task-clock\"]\nrepetitions = 1\nsizes = [1, 2, 4, 8, 16]";
        let scenario = Scenario::parse("coarse", scenario).unwrap();
        let name = scenario.judge[0];
        let value = 500_000_000;
        let record = |&modules: &usize| {
            let reading = match modules {
                1 | 2 => Reading::Exact(value),
                8 => Reading::Coarse { value, resolution: 40_000_000 },
                _ => Reading::Coarse { value, resolution: 20_000_000 },
            };
            finished(&scenario, modules, 0, reading)
        };
        let records: Vec<RunRecord> = scenario.sizes.iter().map(record).collect();
        let one = gathered_from(&scenario, &records);
        assert_eq!(one.failures, Vec::<String>::new());
        assert_eq!(one.coarse, BTreeMap::from([(name, 40_000_000.0)]));
        let rows: Vec<_> = scenario.sizes.iter().map(|&n| (n, vec![value as f64])).collect();
        assert_eq!(one.complete(name), Some(series(name, &rows).unwrap().resolution(4e7)));
    }

    /// A phase of microseconds that is not acknowledged ends before its counter is read. The series goes on
    /// without those sizes, if enough sizes are left.
    #[test]
    fn sizes_whose_phase_is_too_short_are_left_out() {
        let text = "format = 2\nquestion = \"\"\nexpectation = \"\"\ncommand = [\"a\", \"{n}\"]\n\
                    judge = [\"load/task-clock\"]\nrepetitions = 2\nsizes = [1, 2, 4, 8, 16, 32, 64]";
        let scenario = Scenario::parse("short", text).unwrap();
        let name = scenario.judge[0];
        let record = |n, repetition, reading| finished(&scenario, n, repetition, reading);
        // One of two runs at the largest of these sizes.
        let gathered = |largest: usize| {
            let runs = scenario.sizes.iter().flat_map(|&n| [(n, 0), (n, 1)]);
            let records: Vec<RunRecord> = runs
                .map(|(n, repetition)| match (n, repetition) {
                    (n, 1) if n == largest => {
                        record(n, repetition, Reading::Unavailable(Absence::TooShort))
                    }
                    _ => record(n, repetition, Reading::Exact(n as u64 * 1_000)),
                })
                .collect();
            gathered_from(&scenario, &records)
        };
        let one = gathered(2);
        assert_eq!(one.failures, Vec::<String>::new());
        assert_eq!(one.too_short, BTreeMap::from([(name, 2)]));
        assert_eq!(one.complete(name).unwrap().sizes(), [4, 8, 16, 32, 64]);
        let too_few = gathered(4);
        assert_eq!(too_few.series[&name], Repetitions::Missing(Absence::TooShort));
        assert_eq!(too_few.too_short, BTreeMap::new());
    }
}
