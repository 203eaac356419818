//! `cargo xtask regress --resume`: takes up a session that was ended, with its finished runs kept.

use std::path::Path;

use anyhow::Context;
use loadline_scenario::{Absent, Environment, Scenario};

use crate::bench::Bench;
use crate::cli::Regress;
use crate::exit::{Exit, ended};
use crate::files;
use crate::interrupt::Interrupt;
use crate::lock::MachineLock;
use crate::project::Project;
use crate::regress::{Committed, Concluded, carry_out, say};
use crate::runner::Runner;
use crate::sameness::{changed_scenarios, growth_differences, level_differences};
use crate::selection;
use crate::session::{self, Header, Session};

/// Carries out what is left of the session named, or of the newest that has not come to its end.
///
/// Scenarios, rungs, rounds, seed, unwinder, baseline and budget are the session's own.
///
/// # Errors
/// When there is no such session, the machine, the runner or a scenario is another than it was, or
/// something could not be measured.
pub fn run(
    arguments: &Regress,
    named: Option<&Path>,
    project: &Project,
    interrupt: &Interrupt,
) -> anyhow::Result<Exit> {
    // First: the newest session may be one that is being measured.
    let _lock = MachineLock::take(project, arguments.selection.no_wait, interrupt)?;
    let folder = match named {
        Some(path) if path.exists() => session::folder(path).to_owned(),
        Some(path) => {
            let text = format!("cannot resume {}: there is no such session", path.display());
            return Err(ended(Exit::Usage, text));
        }
        None => session::newest_unfinished(&project.sessions()).ok_or_else(|| {
            let sessions = project.sessions();
            let text = format!(
                "there is no unfinished session in {} (cargo xtask report SESSION judges one that has ended)",
                sessions.display()
            );
            ended(Exit::NothingSelected, text)
        })?,
    };
    let shown = folder.display();
    let (session, header, records) =
        Session::reopen(&folder).with_context(|| format!("cannot resume {shown}"))?;
    let asked = header.asked.clone().ok_or_else(|| {
        let why = match &header.against {
            Some(build) => format!("it measured two builds, and that of {} is gone", build.name),
            None => "it is no session of regress".to_owned(),
        };
        let text = format!("cannot resume {shown}: {why} (begin it anew)");
        ended(Exit::Usage, text)
    })?;
    let scenarios = selection::of_session(project, &header, &records)?;
    let changed = changed_scenarios(&header.scenarios, &scenarios);
    refuse(&folder, changed.iter().map(|title| format!("the scenario {title} was edited")))?;
    refuse(&folder, changed_files(project, &scenarios).into_iter())?;
    let mut baselines = Committed::read(project, &scenarios, asked.baseline.as_deref())?;
    baselines.insist_for(&header.environment);
    let runner = Runner::build(project, &asked.surroundings, interrupt)?;
    let bench = Bench { project, runner: &runner, before: None };
    let (environment, absent) = bench.describe()?;
    refuse(&folder, differences(&header, &environment, &absent, &runner.digest()?).into_iter())?;
    let measurement = bench.take_up(session, header, scenarios, records)?;
    let (kept, left) = measurement.n_runs();
    eprintln!("resuming {shown}: {kept} runs are kept, {left} are left");
    let Concluded { measured, report } = carry_out(measurement, &baselines, &asked)?;
    let strictness = arguments.strictness.or_asked(&asked).into();
    say(&report, &measured, project, strictness, &arguments.outputs)
}

/// The scenarios whose files hold something else than they did, one sentence each.
fn changed_files(project: &Project, scenarios: &[Scenario]) -> Vec<String> {
    let changed = scenarios.iter().filter_map(|scenario| {
        let was = scenario.digest.as_ref()?;
        let title = scenario.title();
        match files::read(&project.root, scenario.clone()) {
            Ok(Scenario { digest: Some(is), .. }) if is == *was => None,
            Ok(Scenario { digest, .. }) => {
                let is = digest.as_deref().unwrap_or("no files");
                Some(format!("what the files of {title} hold: {was} | {is}"))
            }
            Err(error) => Some(format!("the files of {title}: {was} | {error:#}")),
        }
    });
    changed.collect()
}

/// What is not as it was when the session began.
fn differences(
    header: &Header,
    environment: &Environment,
    absent: &[Absent],
    runner: &str,
) -> Vec<String> {
    let mut differences = growth_differences(&header.environment, environment);
    differences.extend(level_differences(&header.environment, environment));
    if header.absent != absent {
        differences.push("other metrics can be counted".to_owned());
    }
    if header.runner.as_deref() != Some(runner) {
        differences.push("the runner was built anew from other sources".to_owned());
    }
    differences
}

/// Runs of different things are not one session.
fn refuse(folder: &Path, mut differences: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let Some(first) = differences.next() else { return Ok(()) };
    let all = differences.fold(first, |all, one| format!("{all}; {one}"));
    let text = format!(
        "cannot resume {}: {all} (was | is); its runs and new ones would not be comparable (cargo xtask report judges what it has, cargo xtask regress begins anew)",
        folder.display()
    );
    Err(ended(Exit::CouldNotMeasure, text))
}
