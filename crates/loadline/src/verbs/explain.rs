//! `cargo xtask explain`: shows where the cost of one scenario goes, what of it grows, and what to do.

use crate::saved::profiles;
use loadline_measure::session::measurement::Measurement;
use loadline_record::time;
use loadline_record::{Error, Exit, PROGRAM, Result};
use loadline_report::explain_text::{answer, explanation};
use std::path::Path;

use crate::cli;
use crate::outputs::TextOnly;
use loadline_measure::process::interrupt::Interrupt;
use loadline_measure::process::lock::MachineLock;
use loadline_measure::process::runner::Runner;
use loadline_measure::process::unwinders;
use loadline_measure::project::folders::Project;
use loadline_measure::project::selection;
use loadline_measure::session::bench::Bench;
use loadline_record::header::RunRecord;
use loadline_record::measured::{Measured, MeasuredScenario};
use loadline_record::session::{self};
use loadline_report::{absent_lines, environment_line};

/// Runs `cargo xtask explain`.
///
/// # Errors
/// When something could not be measured, or the session does not hold the scenario.
pub fn run(arguments: &cli::Explain) -> Result<Exit> {
    arguments.outputs.check()?;
    let project = Project::open(arguments.selection.root.as_deref())?;
    let (measured, records) = match &arguments.session {
        Some(path) => saved(&project, path)?,
        None => measure(&project, &arguments.selection)?,
    };
    let names = &arguments.selection.names;
    let is_asked = |m: &&MeasuredScenario| {
        let full_name = m.scenario.full_name();
        !m.scenario.workload.is_self_check()
            && (names.is_empty()
                || is_asked_by_name(names, &full_name)
                || arguments.session.is_none())
    };
    let asked: Vec<&MeasuredScenario> = measured.scenarios.iter().filter(is_asked).collect();
    if asked.is_empty() {
        let text = format!("{} holds no scenario {}", measured.saved.display(), names.join(", "));
        return Err(Error::new(Exit::NothingSelected, text));
    }
    let answers = asked.iter().map(|one| format!("{}\n", answer(one, &measured, &profiles)));
    let mut text: String = answers.collect();
    text.push_str(&format!("{}\n", environment_line(&measured)));
    absent_lines(&measured).iter().for_each(|line| text.push_str(&format!("{line}\n")));
    for one in &asked {
        text.push_str(&explanation(one, &measured, &records, &profiles));
    }
    text.push_str(&format!("samples: {}\n", measured.saved.display()));
    arguments.outputs.write(None, |TextOnly::Text, _| Ok(text.clone()))?;
    let has_failed = asked.iter().any(|one| !one.failures.is_empty());
    Ok(if has_failed { Exit::CouldNotMeasure } else { Exit::Clean })
}

/// Whether one of `names` is this full name, or a glob that matches its name.
fn is_asked_by_name(names: &[String], full_name: &str) -> bool {
    let name = full_name.split(':').next().unwrap_or_default();
    names
        .iter()
        .any(|asked| asked == full_name || (selection::is_named(asked, name) && asked != name))
}

fn saved(project: &Project, named: &Path) -> Result<(Measured, Vec<RunRecord>)> {
    let path = &project.session(named);
    let (header, records) = session::read(path)
        .map_err(|error| Error::new(Exit::Usage, format!("cannot explain: {error:#}")))?;
    let scenarios = selection::as_measured(project, &header, &records, path)?;
    let measured = Measured::of(&header, scenarios, &records, path.to_owned());
    Ok((measured, records))
}

fn measure(project: &Project, asked: &cli::Selection) -> Result<(Measured, Vec<RunRecord>)> {
    if asked.names.is_empty() {
        let text = format!(
            "explain which scenario? ({PROGRAM} list shows them; --session SESSION explains all of a saved one)"
        );
        return Err(Error::new(Exit::Usage, text));
    }
    let interrupt = Interrupt::listen()?;
    let scenarios = selection::chosen(project, &asked.choice())?;
    let _lock = MachineLock::take(project, asked.no_wait, &interrupt)?;
    let scenarios = selection::built(project, scenarios, &interrupt)?;
    let unwinder = unwinders::only(&scenarios, &asked.unwinder(project)?)?;
    let runner = Runner::build(project, &asked.machine(&unwinder), &interrupt)?;
    let bench = Bench { project, runner: &runner, before: None };
    let (environment, absent) = bench.describe()?;
    let seed = asked.seed.unwrap_or_else(time::now);
    let measured = Measurement::whole(&bench, scenarios, &environment, &absent, seed)?.measured();
    let (_, records) = session::read(&measured.saved)?;
    Ok((measured, records))
}
