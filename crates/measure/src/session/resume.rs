//! `--resume`: resumes a session that ended early and keeps its finished runs.

use loadline_record::{Context, Error, Exit, Machine, PROGRAM, Result};
use loadline_scenario::units::counted;
use std::path::{Path, PathBuf};

use loadline_scenario::{Absent, Environment, Scenario};

use crate::out;
use crate::process::interrupt::Interrupt;
use crate::process::runner::Runner;
use crate::project::files;
use crate::project::folders::Project;
use crate::project::selection;
use crate::session::bench::Bench;
use crate::session::measurement::Measurement;
use loadline_record::compat::{changed_scenarios, growth_differences, level_differences};
use loadline_record::header::{Header, RunRecord};
use loadline_record::session::{self, Session};

/// A command whose sessions can be resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command {
    /// `cargo xtask regress`.
    Regress,
    /// `cargo xtask baseline`.
    Baseline,
}

impl Command {
    const ALL: [Command; 2] = [Command::Regress, Command::Baseline];

    fn name(self) -> &'static str {
        match self {
            Command::Regress => "regress",
            Command::Baseline => "baseline",
        }
    }

    /// The settings of the session, if the session belongs to this command.
    fn machine(self, header: &Header) -> Option<&Machine> {
        match self {
            Command::Regress => header.asked.as_ref().map(|asked| &asked.machine),
            Command::Baseline => header.capture.as_ref().map(|capture| &capture.machine),
        }
    }
}

/// A session that ended early, opened again on an unchanged machine.
#[derive(Debug)]
pub struct Reopened {
    session: Session,
    /// The session's header, with the options it was started with.
    pub header: Header,
    /// The session's scenarios.
    pub scenarios: Vec<Scenario>,
    records: Vec<RunRecord>,
}

impl Reopened {
    /// Opens the session `named` of `command`, or its newest unfinished one, and builds its runner.
    ///
    /// # Errors
    /// When there is no such session, or when the machine, the runner or a scenario has changed.
    pub fn of(
        command: Command,
        named: Option<&Path>,
        project: &Project,
        interrupt: &Interrupt,
    ) -> Result<(Reopened, Runner)> {
        let folder = find(command, named, project)?;
        let cannot = || format!("cannot resume {}", folder.display());
        let (session, header, records) = Session::reopen(&folder).with_context(cannot)?;
        let machine = command.machine(&header).ok_or_else(|| {
            Error::new(Exit::Usage, format!("{}: {}", cannot(), why_not(command, &header)))
        })?;
        project.build(interrupt)?;
        let scenarios = selection::of_session(project, &header, &records)?;
        let changed = changed_scenarios(&header.scenarios, &scenarios);
        refuse(
            &folder,
            changed.iter().map(|full_name| format!("the scenario {full_name} was edited")),
        )?;
        refuse(&folder, changed_files(project, &scenarios).into_iter())?;
        let runner = Runner::build(project, machine, interrupt)?;
        let (environment, absent) = Bench { project, runner: &runner, before: None }.describe()?;
        let digest = runner.digest()?;
        refuse(&folder, differences(&header, &environment, &absent, &digest).into_iter())?;
        Ok((Reopened { session, header, scenarios, records }, runner))
    }

    /// Resumes the session on `bench`.
    ///
    /// # Errors
    /// When artifacts cannot be made.
    pub fn resume<'a>(self, bench: &'a Bench<'_>) -> Result<Measurement<'a>> {
        let Reopened { session, header, scenarios, records } = self;
        let folder = session.folder().to_owned();
        let measurement = Measurement::resume(bench, session, header, scenarios, records)?;
        let (kept, left) = measurement.n_runs();
        out::note(format_args!(
            "resuming {}: {} kept, {left} left",
            folder.display(),
            counted(kept, "run")
        ));
        Ok(measurement)
    }
}

/// The folder of the session `named` of `command`, or of its newest unfinished session.
fn find(command: Command, named: Option<&Path>, project: &Project) -> Result<PathBuf> {
    if let Some(named) = named {
        let path = project.session(named);
        if path.exists() {
            return Ok(session::folder(&path).to_owned());
        }
        let text = format!("cannot resume {}: there is no such session", path.display());
        return Err(Error::new(Exit::Usage, text));
    }
    let is_own = |header: &Header| command.machine(header).is_some();
    let newest = session::newest_unfinished(&project.sessions(), is_own);
    newest.ok_or_else(|| {
        let text = format!(
            "there is no unfinished session of {} in {} ({PROGRAM} report SESSION judges one that has ended)",
            command.name(),
            project.sessions().display()
        );
        Error::new(Exit::NothingSelected, text)
    })
}

/// Says why `command` cannot resume a session of another command.
fn why_not(command: Command, header: &Header) -> String {
    let other = Command::ALL.into_iter().find(|other| other.machine(header).is_some());
    match (&header.against, other) {
        (Some(build), _) => {
            format!(
                "it measured two builds, and the build of {} no longer exists (start again)",
                build.name
            )
        }
        (None, Some(other)) => {
            let name = other.name();
            format!("it is a session of {name} ({PROGRAM} {name} --resume resumes it)")
        }
        (None, None) => format!("it is not a session of {} (start again)", command.name()),
    }
}

/// The scenarios whose files have changed, one sentence each.
fn changed_files(project: &Project, scenarios: &[Scenario]) -> Vec<String> {
    let changed = scenarios.iter().filter_map(|scenario| {
        let was = scenario.digest.as_ref()?;
        let full_name = scenario.full_name();
        match files::read(project, scenario.clone()) {
            Ok(Scenario { digest: Some(is), .. }) if is == *was => None,
            Ok(Scenario { digest, .. }) => {
                let is = digest.as_deref().unwrap_or("no files");
                Some(format!("the contents of the files of {full_name}: {was} | {is}"))
            }
            Err(error) => Some(format!("the files of {full_name}: {was} | {error:#}")),
        }
    });
    changed.collect()
}

/// What has changed since the session began.
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
        differences.push("the runner was built from other sources".to_owned());
    }
    differences
}

/// Refuses to resume if anything differs: runs of different things are not one session.
fn refuse(folder: &Path, mut differences: impl Iterator<Item = String>) -> Result<()> {
    let Some(first) = differences.next() else { return Ok(()) };
    let all = differences.fold(first, |all, one| format!("{all}; {one}"));
    let text = format!(
        "cannot resume {}: {all} (was | is); its runs and new ones would not be comparable ({PROGRAM} report judges what it has, {PROGRAM} regress starts again)",
        folder.display()
    );
    Err(Error::new(Exit::CouldNotMeasure, text))
}
