//! The costs of a scenario at each commit that changed its baseline, and in each saved session.

use crate::saved;
use crate::saved::profiles;
use loadline_record::{Context, Result};
use std::path::Path;

use loadline_record::measured::series;
use loadline_scenario::{Scenario, SeriesName};
use loadline_verdict::trend::{Origin, Past, Point};
use serde::Deserialize;

use loadline_measure::project::folders::Project;
use loadline_measure::project::git::{self, Failure};
use loadline_record::baseline::Key;
use loadline_record::format1::{Kind, in_format_2};
use loadline_record::session;
use loadline_verdict::compare::Readings;

/// The part of a baseline file that every version has written. Newer fields are ignored.
#[derive(Deserialize)]
struct OldFile {
    baseline: Vec<OldBaseline>,
}

#[derive(Deserialize)]
struct OldBaseline {
    key: Key,
    environment: OldEnvironment,
    series: Vec<OldSeries>,
}

#[derive(Deserialize)]
struct OldEnvironment {
    cpu: String,
    caches: String,
}

#[derive(Deserialize)]
struct OldSeries {
    name: SeriesName,
    #[serde(default)]
    interleaved: bool,
    samples: Vec<Vec<f64>>,
}

/// All known costs of `scenario`, in this variant.
///
/// Also returns what could not be read, one sentence each. Examples are a file of another format, and a
/// session of a scenario that has changed since.
///
/// # Errors
/// When git gives a commit time that is not a number.
pub fn of(project: &Project, scenario: &Scenario) -> Result<(Past, Vec<String>)> {
    let (mut past, mut unread) = (Past::new(), Vec::new());
    committed(project, scenario, &mut past, &mut unread)?;
    measured(project, scenario, &mut past, &mut unread);
    past.values_mut().for_each(|points| points.sort_by_key(|point| point.when));
    Ok((past, unread))
}

fn committed(
    project: &Project,
    scenario: &Scenario,
    past: &mut Past,
    unread: &mut Vec<String>,
) -> Result<()> {
    let file = project.baselines().join(format!("{}.toml", scenario.name));
    let Some(folder) = file.parent().filter(|folder| folder.is_dir()) else { return Ok(()) };
    let name = file_name(&file);
    let log =
        match git::text(folder, &["log", "--reverse", "--format=%H%x09%ct%x09%s", "--", &name]) {
            Ok(log) => log,
            // The repository is new.
            Err(Failure::Said(said)) if said.contains("does not have any commits yet") => {
                return Ok(());
            }
            Err(failure) => {
                unread.push(format!("the commits of {name}: {failure}"));
                return Ok(());
            }
        };
    if git::is_shallow(folder) {
        unread.push(
            "older commits: this is a shallow clone, so its history is cut (git fetch --unshallow brings the rest)"
                .to_owned(),
        );
    }
    for line in log.lines() {
        let mut fields = line.splitn(3, '\t');
        let (Some(hash), Some(when), subject) = (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        // The commit deleted the file, so there is nothing to read.
        let Ok(text) = git::text(folder, &["show", &format!("{hash}:./{name}")]) else {
            continue;
        };
        let old: OldFile = match toml::from_str(&in_format_2(Kind::Baseline, &text)) {
            Ok(old) => old,
            Err(error) => {
                let error = error.message().to_owned();
                unread.push(format!("{name} at {}: {error}", &hash[..10]));
                continue;
            }
        };
        let origin = Origin::Commit {
            hash: hash.to_owned(),
            subject: subject.unwrap_or_default().to_owned(),
        };
        let when = when.parse().with_context(|| format!("git gave {when:?} as a time"))?;
        let own = old.baseline.into_iter().filter(|b| b.key.variant == scenario.variant);
        for (key, found) in own.flat_map(|baseline| points(baseline, &origin, when)) {
            match found {
                Ok(point) => past.entry(key).or_default().push(point),
                Err(error) => unread.push(format!("{} at {}: {error:#}", key.1, &hash[..10])),
            }
        }
    }
    Ok(())
}
/// The series of an old baseline, each with its key.
fn points(
    baseline: OldBaseline,
    origin: &Origin,
    when: u64,
) -> Vec<((Key, SeriesName), Result<Point>)> {
    let OldEnvironment { cpu, caches } = baseline.environment;
    let processor = format!("{cpu}, {caches}");
    let point = |one: OldSeries| {
        let rows: Vec<(usize, Vec<f64>)> = one.samples.into_iter().filter_map(row).collect();
        let point = series(one.name, &rows).map(|series| Point {
            origin: origin.clone(),
            when,
            processor: processor.clone(),
            series: series.interleaved(one.interleaved),
        });
        ((baseline.key.clone(), one.name), point)
    };
    baseline.series.into_iter().map(point).collect()
}

/// Splits a row into N and the reading of each repetition.
fn row(mut row: Vec<f64>) -> Option<(usize, Vec<f64>)> {
    let costs = row.split_off(1.min(row.len()));
    // This program wrote N as a whole number.
    row.first().map(|n| (*n as usize, costs))
}

fn measured(project: &Project, scenario: &Scenario, past: &mut Past, unread: &mut Vec<String>) {
    let entries = std::fs::read_dir(project.sessions()).into_iter().flatten().flatten();
    for folder in entries.map(|entry| entry.path()) {
        // Skips folders that hold no session, and sessions of other scenarios.
        let Ok((mut header, records)) = session::read(&folder) else { continue };
        header.scenarios.retain(|planned| planned.scenario == scenario.full_name());
        if header.scenarios.is_empty() {
            continue;
        }
        let saved = match saved::of(project, &folder, &header, records) {
            Ok(saved) => saved,
            Err(error) => {
                unread.push(format!("session {}: {error:#}", file_name(&folder)));
                continue;
            }
        };
        for one in saved.now(&profiles).scenarios {
            // The key uses the digest of the files at that time, as a baseline does.
            let then = one.scenario.as_ref().unwrap_or(scenario);
            let key = Key::of(then, &one.environment);
            let processor = format!("{}, {}", one.environment.cpu, one.environment.caches);
            for (name, readings) in one.series {
                let Readings::Series { series, .. } = readings else { continue };
                let origin = Origin::Session(file_name(&folder));
                let processor = processor.clone();
                let point = Point { origin, when: header.started, processor, series };
                past.entry((key.clone(), name)).or_default().push(point);
            }
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_n_and_its_repetitions() {
        assert_eq!(row(vec![64.0, 1.0, 2.0]), Some((64, vec![1.0, 2.0])));
        assert_eq!(row(vec![64.0]), Some((64, vec![])));
        assert_eq!(row(vec![]), None);
    }
}
