//! Reads saved data: the profiles of a session, and one side of a comparison.

use std::fs;
use std::path::Path;

use loadline_record::baseline::{Baseline, Baselines};
use loadline_record::header::{Header, RunRecord};
use loadline_record::measured::{Measured, MeasuredScenario};
use loadline_record::profile::SavedProfile;
use loadline_record::{Error, Exit, PROGRAM, Result, session};
use loadline_report::Texts;
use loadline_scenario::Scenario;
use loadline_verdict::compare::{Saved, Side, SideScenario};
use loadline_verdict::functions::Profiles;

use loadline_measure::project::folders::Project;
use loadline_measure::project::selection;

/// The profiles of a scenario; `None` where one is missing or damaged.
pub fn profiles(one: &MeasuredScenario) -> Option<Profiles> {
    Profiles::of(one, SavedProfile::read_all(&one.profiles)?)
}

/// Reads the session at `path` for a comparison.
///
/// # Errors
/// When it cannot be read, or names scenarios that no longer exist or were edited since.
pub fn read(project: &Project, path: &Path) -> Result<Saved> {
    let (header, records) = session::read(path)
        .map_err(|error| Error::new(Exit::Usage, format!("cannot compare: {error:#}")))?;
    of(project, path, &header, records)
}

/// Makes a comparable session from the header and records that were read from `path`.
///
/// # Errors
/// When it names scenarios that no longer exist or were edited since.
pub fn of(
    project: &Project,
    path: &Path,
    header: &Header,
    records: Vec<RunRecord>,
) -> Result<Saved> {
    let scenarios = selection::as_measured(project, header, &records, path)?;
    let measured = Measured::of(header, scenarios, &records, path.to_owned());
    let folder = session::folder(path).file_name();
    let name = folder
        .map_or_else(|| path.display().to_string(), |folder| folder.to_string_lossy().into_owned());
    Ok(Saved::new(format!("session {name}"), measured, records))
}

/// Reads the baselines in the file at `path` as a side of a comparison. With `only`, just that variant's.
///
/// # Errors
/// When the file cannot be read, or has no such baseline.
pub fn baselines(project: &Project, path: &Path, only: Option<&Scenario>) -> Result<Side> {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
    let name = stem.unwrap_or_default();
    let mut all = Baselines::read(path)?.all;
    all.retain(|baseline| only.is_none_or(|only| baseline.key.variant == only.variant));
    if all.is_empty() {
        let full_name = only.map_or(name, Scenario::full_name);
        let text = format!(
            "there is no baseline of {full_name} ({PROGRAM} baseline {full_name} --reason TEXT makes one; --measure measures it)"
        );
        return Err(Error::new(Exit::NoBaseline, text));
    }
    let side = |baseline: Baseline| {
        let variant = baseline.key.variant.to_string();
        let full_name = if variant.is_empty() { name.clone() } else { format!("{name}:{variant}") };
        // Baselines of another project's scenario can be compared as well. Then nothing is extrapolated.
        let scenario = project.scenario(&name, &baseline.key.variant.0).ok();
        SideScenario::of_baseline(full_name, baseline, scenario)
    };
    let scenarios = all.into_iter().map(side).collect();
    let name = match only {
        Some(only) => format!("baseline {}", only.full_name()),
        None => format!("baseline {}", path.display()),
    };
    Ok(Side { name, scenarios })
}

/// The text of the scenario's file and of its baselines, with their paths from the project's root.
pub fn texts(project: &Project, scenario: &Scenario) -> Texts {
    let shown = |path: &Path| {
        let inner = path.strip_prefix(&project.root).unwrap_or(path);
        // URLs use / on every system.
        inner.display().to_string().replace('\\', "/")
    };
    let path = project.scenario_file(&scenario.name);
    let baseline = project.baselines().join(format!("{}.toml", scenario.name));
    Texts {
        // A deleted file counts as an empty text.
        scenario: (shown(&path), fs::read_to_string(&path).unwrap_or_default()),
        baseline: fs::read_to_string(&baseline).ok().map(|text| (shown(&baseline), text)),
    }
}
