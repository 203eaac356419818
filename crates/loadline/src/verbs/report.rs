//! `report`: judges a saved session again, against the baselines of today.

use crate::committed::Committed;
use crate::conclude::{report, say};
use loadline_record::{Error, Exit, Result};

use crate::cli::{self};
use loadline_measure::project::folders::Project;
use loadline_measure::project::selection;
use loadline_record::measured::Measured;
use loadline_record::session::{self};

/// Runs `cargo xtask report`: judges a saved session again, against today's baselines.
///
/// # Errors
/// When the session cannot be read, or names scenarios that no longer exist.
pub fn run(arguments: &cli::Report) -> Result<Exit> {
    arguments.outputs.check()?;
    let project = Project::open(arguments.root.as_deref())?;
    let path = &project.session(&arguments.session);
    let (header, records) = session::read(path)
        .map_err(|error| Error::new(Exit::Usage, format!("cannot report: {error:#}")))?;
    let scenarios = selection::as_measured(&project, &header, &records, path)?;
    let mut baselines = Committed::read(&project, &scenarios, arguments.baseline.as_deref())?;
    baselines.insist_for(&header.environment);
    let mut measured = Measured::of(&header, scenarios, &records, path.clone());
    measured.again.judged(arguments.baseline.clone(), arguments.root.as_deref());
    let report = report(&measured, &baselines);
    let strictness = (&arguments.strictness).into();
    say(&report, &measured, &project, strictness, &arguments.outputs)
}
