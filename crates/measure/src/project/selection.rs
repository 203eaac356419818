//! Selects the scenarios that a command measures, with their variants and controls.

use loadline_record::{Context, Error, Exit, PROGRAM, Result};
use std::collections::BTreeMap;
use std::path::Path;

use loadline_scenario::self_check;
use loadline_scenario::{Collector, Control, Metric, Scenario, Suite, Variant};

use crate::out;
use crate::process::interrupt::Interrupt;
use crate::project::files;
use crate::project::folders::Project;
use loadline_record::compat::changed_scenarios;
use loadline_record::header::{Header, RunRecord};
use loadline_record::recipe::{self, Recipe};

/// The options that select scenarios.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// The names of scenarios or groups, or globs for names of scenarios. Empty means the default suite.
    pub names: Vec<String>,
    /// Whether the suite contains all scenarios.
    pub complete: bool,
    /// Changes to the scenarios' fields, each as `KEY=VALUE`.
    pub set: Vec<String>,
}

/// The scenarios that `asked` selects by name, group or suite, each in the variant asked for. Does not read
/// the files that they name, because `build` may have to make them first.
///
/// # Errors
/// When a name, field or value is unknown, or no scenario is selected.
pub fn chosen(project: &Project, asked: &Choice) -> Result<Vec<Scenario>> {
    let set = changes(&asked.set)?;
    let mut scenarios: Vec<Scenario> = Vec::new();
    for (name, own) in named(project, asked)? {
        let mut changes = set.clone();
        changes.extend(own);
        let scenario = project.scenario(&name, &changes)?;
        // Checks every control now, so that a missing one is reported before minutes are spent.
        control(project, &scenario)?;
        add(&mut scenarios, scenario);
    }
    if scenarios.is_empty() {
        let folder = project.scenarios();
        let text = format!("no scenario to measure in {}", folder.display());
        return Err(Error::new(Exit::NothingSelected, text));
    }
    Ok(scenarios)
}

/// Returns `scenarios` with the digests of their files, and one sentence for each skipped scenario. Call it
/// after [`Project::build`].
///
/// # Errors
/// When files are missing.
pub fn read(project: &Project, scenarios: Vec<Scenario>) -> Result<(Vec<Scenario>, Vec<String>)> {
    let (mut ready, mut skipped) = (Vec::new(), Vec::new());
    for scenario in scenarios {
        match why_skipped(project, &scenario)? {
            Some(why) => skipped.push(format!("skipped: {}: {why}", scenario.full_name())),
            None => ready.push(files::read(project, scenario)?),
        }
    }
    Ok((ready, skipped))
}

/// Builds what `scenarios` measure, then reads them like [`read`]. Prints which scenarios are skipped.
///
/// # Errors
/// As for [`read`], and when the build fails or nothing is left.
pub fn built(
    project: &Project,
    scenarios: Vec<Scenario>,
    interrupt: &Interrupt,
) -> Result<Vec<Scenario>> {
    project.build(interrupt)?;
    let (ready, skipped) = read(project, scenarios)?;
    if ready.is_empty() {
        return Err(nothing_left(&skipped));
    }
    skipped.iter().for_each(out::note);
    Ok(ready)
}

/// The error of a command that had to skip all its scenarios.
pub fn nothing_left(skipped: &[String]) -> Error {
    let text = format!("nothing is left to measure; {}", skipped.join("; "));
    Error::new(Exit::NothingSelected, text)
}

/// Says why `scenario` cannot be measured until its modules are fetched. `None` if they are there, or none
/// have to be fetched.
///
/// # Errors
/// When its recipe is invalid.
pub fn why_skipped(project: &Project, scenario: &Scenario) -> Result<Option<String>> {
    let Some(path) = &scenario.recipe else { return Ok(None) };
    let missing = Recipe::read(&project.root.join(path))?.missing(&project.root);
    let asks = if path == Path::new(recipe::DEFAULT) {
        format!("{PROGRAM} fetch")
    } else {
        format!("{PROGRAM} fetch {}", path.display())
    };
    Ok(missing.map(|why| format!("{why} ({asks} gets it)")))
}

/// Reads every scenario of the project, as written.
///
/// # Errors
/// When a scenario is wrong.
pub fn all(project: &Project) -> Result<Vec<Scenario>> {
    let names = project.scenario_names()?;
    names.iter().map(|name| project.scenario(name, &BTreeMap::new())).collect()
}

/// The scenarios that `names` select by full name or group, as written. Empty `names` select all.
///
/// # Errors
/// When a name is unknown, or a scenario is wrong.
pub fn listed(project: &Project, names: &[String]) -> Result<Vec<Scenario>> {
    if names.is_empty() {
        return all(project);
    }
    let named = by_names(project, names)?;
    named.iter().map(|(name, changes)| project.scenario(name, changes)).collect()
}

/// The scenario names that `asked` selects, each with the changes that its own name contains.
///
/// # Errors
/// When a scenario is wrong, or a name cannot be read.
fn named(project: &Project, asked: &Choice) -> Result<Vec<(String, BTreeMap<String, String>)>> {
    if asked.names.is_empty() {
        let is_asked = |one: &Scenario| asked.complete || one.suite == Suite::Default;
        let suite = all(project)?.into_iter().filter(is_asked);
        return Ok(suite.map(|scenario| (scenario.name, BTreeMap::new())).collect());
    }
    by_names(project, &asked.names)
}

/// Whether `asked` names a scenario or group that another commit has and this one lacks.
pub fn is_in_another_commit(project: &Project, asked: &Choice) -> bool {
    let Ok(here) = all(project) else { return false };
    let is_missing = |name: &str| {
        here.iter().all(|one| !is_named(name, &one.name) && one.group.as_deref() != Some(name))
    };
    let names = asked.names.iter().filter_map(|full_name| Project::split_title(full_name).ok());
    names.map(|(name, _)| name).any(|name| is_missing(name) && project.has_once_had(name))
}

fn by_names(
    project: &Project,
    names: &[String],
) -> Result<Vec<(String, BTreeMap<String, String>)>> {
    let known = project.scenario_names()?;
    let mut named = Vec::new();
    for full_name in names {
        let (name, own) = Project::split_title(full_name)?;
        let matching = known.iter().filter(|known| is_named(name, known));
        let matching: Vec<_> = matching.map(|known| (known.clone(), own.clone())).collect();
        if !matching.is_empty() {
            named.extend(matching);
            continue;
        }
        if is_glob(name) {
            let text = format!("no scenario matches {name:?} ({PROGRAM} list shows them all)");
            return Err(Error::new(Exit::NothingSelected, text));
        }
        let group = all(project)?.into_iter().filter(|one| one.group.as_deref() == Some(name));
        let group: Vec<_> = group.map(|scenario| (scenario.name, own.clone())).collect();
        if group.is_empty() {
            // Reading the scenario later reports the error with the nearest name.
            named.push((name.to_owned(), own));
        }
        named.extend(group);
    }
    Ok(named)
}

/// Whether `asked` is this scenario's name, or a glob that matches it: `unload-*`.
pub fn is_named(asked: &str, name: &str) -> bool {
    let matches = |glob: glob::Pattern| glob.matches(name);
    asked == name || (is_glob(asked) && glob::Pattern::new(asked).is_ok_and(matches))
}

fn is_glob(asked: &str) -> bool {
    asked.contains(['*', '?', '['])
}

/// Reads the arguments of all `--set KEY=VALUE` options.
fn changes(set: &[String]) -> Result<BTreeMap<String, String>> {
    let mut changes = BTreeMap::new();
    for pair in set {
        let (key, value) = pair.split_once('=').ok_or_else(|| {
            Error::new(Exit::Usage, format!("cannot read --set {pair}: it is not KEY=VALUE"))
        })?;
        changes.insert(key.trim().to_owned(), value.trim().to_owned());
    }
    Ok(changes)
}

/// Adds behind each scenario the control that it names, if `wants` selects the scenario and the control is
/// not in the list yet. The control is measured at the same sizes and as often.
///
/// # Errors
/// When a control is not a scenario.
pub fn with_controls(
    project: &Project,
    scenarios: Vec<Scenario>,
    wants: impl Fn(&Scenario) -> bool,
) -> Result<Vec<Scenario>> {
    let mut all: Vec<Scenario> = Vec::new();
    for scenario in scenarios {
        let control = if wants(&scenario) { control(project, &scenario)? } else { None };
        let control = control.map(|control| fetched(project, &scenario, control)).transpose()?;
        add(&mut all, scenario);
        control.into_iter().for_each(|control| add(&mut all, control));
    }
    Ok(all)
}

/// Adds, behind each scenario that must scale with threads, the same scenario on several threads. It is
/// measured at the same sizes and as often.
///
/// # Errors
/// When that is not a scenario on several threads.
pub fn with_threads(project: &Project, scenarios: Vec<Scenario>) -> Result<Vec<Scenario>> {
    let mut all: Vec<Scenario> = Vec::new();
    for scenario in scenarios {
        let several = several(project, &scenario)?;
        add(&mut all, scenario);
        several.into_iter().for_each(|several| add(&mut all, several));
    }
    Ok(all)
}

/// Each full name is measured once.
fn add(all: &mut Vec<Scenario>, scenario: Scenario) {
    if !all.iter().any(|known| known.full_name() == scenario.full_name()) {
        all.push(scenario);
    }
}

fn several(project: &Project, scenario: &Scenario) -> Result<Option<Scenario>> {
    let Some(own) = scenario.changes_for_threads() else { return Ok(None) };
    let mut changes = scenario.settings.clone();
    changes.extend(own);
    let of = || format!("{} on several threads", scenario.full_name());
    let several = project.scenario(&scenario.name, &changes).with_context(of)?;
    let several = files::read(project, several).with_context(of)?;
    Ok(Some(as_often_as(scenario, several)))
}

fn control(project: &Project, scenario: &Scenario) -> Result<Option<Scenario>> {
    if scenario.control_full_name().is_none() {
        return Ok(None);
    }
    let Some(control) = &scenario.control else { return Ok(None) };
    // The control gets the settings of the scenario that it controls, including the judged series.
    let mut changes = scenario.settings.clone();
    let name = match control {
        Control::Scenario(name) => name,
        Control::Set(own) => {
            let Variant(variant) = scenario.variant.clone();
            changes.extend(variant);
            changes.extend(own.clone());
            &scenario.name
        }
    };
    let control = project.scenario(name, &changes).map_err(|error| {
        // The error says that the scenario's file, not the command line, names the control.
        let text = format!("the control of {}: {error:#}", scenario.full_name());
        Error::new(Exit::WrongFile, text)
    })?;
    Ok(Some(as_often_as(scenario, control)))
}

/// The control of `scenario` with the digest of its files.
fn fetched(project: &Project, scenario: &Scenario, control: Scenario) -> Result<Scenario> {
    let of = || format!("the control of {}", scenario.full_name());
    if let Some(why) = why_skipped(project, &control).with_context(of)? {
        return Err(Error::new(Exit::CouldNotMeasure, format!("{}: {why}", of())));
    }
    files::read(project, control).with_context(of)
}

/// `other` with the sizes and repetitions of `scenario`.
fn as_often_as(scenario: &Scenario, other: Scenario) -> Scenario {
    let (sizes, repetitions) = (scenario.sizes.clone(), scenario.repetitions);
    Scenario { sizes, repetitions, ..other }
}

/// The scenarios of the saved session at `path`, as they were measured.
///
/// # Errors
/// When a scenario no longer exists, or its file was edited since. The measurements do not answer an edited
/// question.
pub fn as_measured(
    project: &Project,
    header: &Header,
    records: &[RunRecord],
    path: &Path,
) -> Result<Vec<Scenario>> {
    let scenarios = of_session(project, header, records)?;
    match changed_scenarios(&header.scenarios, &scenarios).first() {
        None => Ok(scenarios),
        Some(full_name) => {
            let path = path.display();
            let text = format!(
                "cannot use session {path}: the scenario {full_name} was edited since it was measured (check out the commit it was measured at, or measure again)"
            );
            Err(Error::new(Exit::Usage, text))
        }
    }
}

/// The scenarios of a saved session, including the self-checks, with the sizes and repetitions they had.
///
/// # Errors
/// When a scenario no longer exists.
pub fn of_session(
    project: &Project,
    header: &Header,
    records: &[RunRecord],
) -> Result<Vec<Scenario>> {
    let mut scenarios = Vec::new();
    for planned in &header.scenarios {
        let (name, mut changes) = Project::split_title(&planned.scenario)?;
        changes.extend(planned.settings.clone());
        let scenario = match self_check::scenario(name) {
            Some(check) => check,
            None => project.scenario(name, &changes)?,
        };
        let own =
            records.iter().filter(|r| r.collector.is_clock() && r.scenario == planned.scenario);
        let repetitions = own.map(|record| record.repetition + 1).max().unwrap_or(0);
        let (sizes, repetitions) = (planned.sizes.clone(), planned.repetitions.max(repetitions));
        let callgrind_sizes = planned.callgrind_sizes.clone();
        let is_counted = |metrics: &Vec<Metric>| {
            metrics.iter().all(|metric| scenario.collector_of(*metric) != Collector::Clock)
        };
        // The session was asked for exact counts alone.
        let scenario = match planned.metrics.as_ref().filter(|metrics| is_counted(metrics)) {
            Some(_) => scenario.counted_exactly().unwrap_or(scenario),
            None => scenario,
        };
        let digest = planned.digest.clone();
        scenarios.push(Scenario { sizes, callgrind_sizes, repetitions, digest, ..scenario });
    }
    Ok(scenarios)
}
