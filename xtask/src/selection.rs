//! Which scenarios a command measures, with their variants and controls.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use loadline_scenario::{
    Control, Means, Metric, Phase, Planted, PlantedWork, Scenario, SeriesName, Subject, Suite,
    Variant,
};

use crate::called;
use crate::cli::{DEFAULT_RECIPE, Selection};
use crate::exit::{Exit, ended};
use crate::files;
use crate::judgement::{control_title, planted as names};
use crate::project::Project;
use crate::recipe::Recipe;
use crate::scaling::changes_of_several;
use crate::session::{Header, RunRecord};

/// The scenarios `selection` names, by themselves or by their group, or those of the suite; each in
/// the variant asked for.
///
/// # Errors
/// When a name, field or value is unknown, or nothing is left to do.
pub fn scenarios(project: &Project, selection: &Selection) -> anyhow::Result<Vec<Scenario>> {
    let set = changes(&selection.set)?;
    let mut scenarios: Vec<Scenario> = Vec::new();
    let mut n_skipped = 0;
    for (name, own) in named(project, selection)? {
        let mut changes = set.clone();
        changes.extend(own);
        let scenario = project.scenario(&name, &changes)?;
        if let Some(why) = why_skipped(project, &scenario)? {
            eprintln!("skipped: {}: {}", scenario.title(), called::by_name(&why));
            n_skipped += 1;
            continue;
        }
        let scenario = files::read(&project.root, scenario)?;
        // A control that is not there is found before minutes are spent, needed or not.
        control(project, &scenario)?;
        add(&mut scenarios, scenario);
    }
    if scenarios.is_empty() && n_skipped > 0 {
        let text = "nothing is left to measure: what is named was skipped (see above)";
        return Err(ended(Exit::NothingSelected, text));
    }
    if scenarios.is_empty() {
        let folder = project.scenarios();
        let text = format!("no scenario to measure in {}", folder.display());
        return Err(ended(Exit::NothingSelected, text));
    }
    Ok(scenarios)
}

/// Why `scenario` cannot be measured until its modules were fetched; `None` where they are there, or
/// none are.
///
/// # Errors
/// When its recipe is none.
pub fn why_skipped(project: &Project, scenario: &Scenario) -> anyhow::Result<Option<String>> {
    let Some(path) = &scenario.recipe else { return Ok(None) };
    let missing = Recipe::read(&project.root.join(path))?.missing(&project.root);
    let asks = if path == Path::new(DEFAULT_RECIPE) {
        "cargo xtask fetch".to_owned()
    } else {
        format!("cargo xtask fetch {}", path.display())
    };
    Ok(missing.map(|why| format!("{why} ({asks} gets it)")))
}

/// Every scenario of the project, as written.
///
/// # Errors
/// When one is wrong.
pub fn all(project: &Project) -> anyhow::Result<Vec<Scenario>> {
    let names = project.scenario_names()?;
    names.iter().map(|name| project.scenario(name, &BTreeMap::new())).collect()
}

/// The scenarios that `selection` names, each with the changes of its name alone.
///
/// # Errors
/// When a scenario is wrong, or a name cannot be read.
fn named(
    project: &Project,
    selection: &Selection,
) -> anyhow::Result<Vec<(String, BTreeMap<String, String>)>> {
    if selection.names.is_empty() {
        let is_asked = |one: &Scenario| selection.complete || one.suite == Suite::Default;
        let suite = all(project)?.into_iter().filter(is_asked);
        return Ok(suite.map(|scenario| (scenario.name, BTreeMap::new())).collect());
    }
    let known = project.scenario_names()?;
    let mut named = Vec::new();
    for title in &selection.names {
        let (name, own) = Project::split_title(title)?;
        if known.iter().any(|known| known == name) {
            named.push((name.to_owned(), own));
            continue;
        }
        let group = all(project)?.into_iter().filter(|one| one.group.as_deref() == Some(name));
        let group: Vec<_> = group.map(|scenario| (scenario.name, own.clone())).collect();
        if group.is_empty() {
            // Whoever reads it says what is nearest.
            named.push((name.to_owned(), own));
        }
        named.extend(group);
    }
    Ok(named)
}

/// `--set KEY=VALUE`, several times.
fn changes(set: &[String]) -> anyhow::Result<BTreeMap<String, String>> {
    let mut changes = BTreeMap::new();
    for pair in set {
        let (key, value) = pair.split_once('=').ok_or_else(|| {
            ended(Exit::Usage, format!("cannot read --set {pair}: it is not KEY=VALUE"))
        })?;
        changes.insert(key.trim().to_owned(), value.trim().to_owned());
    }
    Ok(changes)
}

/// Puts behind each scenario the control it names, where `wants` it and it is not there yet. The
/// control is measured at the same sizes in the same rounds.
///
/// # Errors
/// When a control is no scenario.
pub fn with_controls(
    project: &Project,
    scenarios: Vec<Scenario>,
    wants: impl Fn(&Scenario) -> bool,
) -> anyhow::Result<Vec<Scenario>> {
    let mut all: Vec<Scenario> = Vec::new();
    for scenario in scenarios {
        let control = if wants(&scenario) { control(project, &scenario)? } else { None };
        add(&mut all, scenario);
        control.into_iter().for_each(|control| add(&mut all, control));
    }
    Ok(all)
}

/// Puts behind each scenario that is to scale with threads the same on several of them, at the same
/// sizes in the same rounds.
///
/// # Errors
/// When it is no scenario on several threads.
pub fn with_threads(project: &Project, scenarios: Vec<Scenario>) -> anyhow::Result<Vec<Scenario>> {
    let mut all: Vec<Scenario> = Vec::new();
    for scenario in scenarios {
        let several = several(project, &scenario)?;
        add(&mut all, scenario);
        several.into_iter().for_each(|several| add(&mut all, several));
    }
    Ok(all)
}

/// Each title is measured once.
fn add(all: &mut Vec<Scenario>, scenario: Scenario) {
    if !all.iter().any(|known| known.title() == scenario.title()) {
        all.push(scenario);
    }
}

fn several(project: &Project, scenario: &Scenario) -> anyhow::Result<Option<Scenario>> {
    let Some(own) = changes_of_several(scenario) else { return Ok(None) };
    let mut changes = scenario.settings.clone();
    changes.extend(own);
    let of = || format!("{} on several threads", scenario.title());
    let several = project.scenario(&scenario.name, &changes).with_context(of)?;
    let several = files::read(&project.root, several).with_context(of)?;
    Ok(Some(as_often_as(scenario, several)))
}

fn control(project: &Project, scenario: &Scenario) -> anyhow::Result<Option<Scenario>> {
    if control_title(scenario).is_none() {
        return Ok(None);
    }
    let Some(control) = &scenario.control else { return Ok(None) };
    // It is measured and judged as what it controls: by the series that were asked for, too.
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
    let control = project.scenario(name, &changes);
    let of = || format!("the control of {}", scenario.title());
    let control = control.with_context(of)?;
    if let Some(why) = why_skipped(project, &control).with_context(of)? {
        return Err(ended(Exit::CouldNotMeasure, format!("{}: {why}", of())));
    }
    let control = files::read(&project.root, control).with_context(of)?;
    Ok(Some(as_often_as(scenario, control)))
}

/// `other` at the sizes and in the rounds of `scenario`.
fn as_often_as(scenario: &Scenario, other: Scenario) -> Scenario {
    let (ladder, processes) = (scenario.ladder.clone(), scenario.processes);
    Scenario { ladder, processes, ..other }
}

/// The scenarios of a saved session, planted ones included, with the rungs and rounds they had.
///
/// # Errors
/// When one is gone.
pub fn of_session(
    project: &Project,
    header: &Header,
    records: &[RunRecord],
) -> anyhow::Result<Vec<Scenario>> {
    let mut scenarios = Vec::new();
    for planned in &header.scenarios {
        let (name, mut changes) = Project::split_title(&planned.scenario)?;
        changes.extend(planned.settings.clone());
        let scenario = match tooth(name) {
            Some(planted) => planted,
            None => project.scenario(name, &changes)?,
        };
        let own = records.iter().filter(|r| r.means.is_clock() && r.scenario == planned.scenario);
        let rounds = own.map(|record| record.round + 1).max().unwrap_or(0);
        let (ladder, processes) = (planned.ladder.clone(), planned.processes.max(rounds));
        let callgrind_ladder = match planned.callgrind_ladder.as_slice() {
            [] => scenario.callgrind_ladder.clone(),
            rungs => rungs.to_vec(),
        };
        let digest = planned.digest.clone();
        scenarios.push(Scenario { ladder, callgrind_ladder, processes, digest, ..scenario });
    }
    Ok(scenarios)
}

/// The growth planted in every session: measured by the same means and in as many rounds as what is
/// judged. Of means by which nothing is judged none is planted.
pub fn teeth(scenarios: &[Scenario]) -> Vec<Scenario> {
    let processes = scenarios.iter().map(|scenario| scenario.processes).max().unwrap_or(0);
    let is_judged = |tooth: &&Tooth| {
        tooth.means.is_clock() || scenarios.iter().any(|s| s.means().contains(&tooth.means))
    };
    TEETH.iter().filter(is_judged).map(|t| Scenario { processes, ..t.plant() }).collect()
}

/// The planted scenario called `name`.
pub fn tooth(name: &str) -> Option<Scenario> {
    TEETH.iter().find(|tooth| tooth.name == name).map(Tooth::plant)
}

/// Work by which a session proves that it can see.
struct Tooth {
    name: &'static str,
    work: PlantedWork,
    /// Which percentage of the work at the largest N grows with N².
    quadratic_percent: u8,
    means: Means,
}

const fn tooth_of(
    name: &'static str,
    work: PlantedWork,
    quadratic_percent: u8,
    means: Means,
) -> Tooth {
    Tooth { name, work, quadratic_percent, means }
}

const TEETH: [Tooth; 9] = [
    tooth_of(names::CPU_LINEAR, PlantedWork::Cpu, 0, Means::Clock),
    tooth_of(names::CPU_LINEAR_AGAIN, PlantedWork::Cpu, 0, Means::Clock),
    tooth_of(names::CPU_QUADRATIC, PlantedWork::Cpu, 20, Means::Clock),
    tooth_of(names::PAGES_LINEAR, PlantedWork::Pages, 0, Means::Clock),
    tooth_of(names::PAGES_QUADRATIC, PlantedWork::Pages, 20, Means::Clock),
    tooth_of(names::ALLOCATIONS_LINEAR, PlantedWork::Allocations, 0, Means::Count),
    tooth_of(names::ALLOCATIONS_QUADRATIC, PlantedWork::Allocations, 20, Means::Count),
    tooth_of(names::CALLGRIND_LINEAR, PlantedWork::Cpu, 0, Means::Callgrind),
    tooth_of(names::CALLGRIND_QUADRATIC, PlantedWork::Cpu, 20, Means::Callgrind),
];

impl Tooth {
    fn plant(&self) -> Scenario {
        let ladder = match self.means {
            Means::Clock => vec![64, 128, 256, 512, 1024, 2048, 4096],
            // A unit is an allocation, or is executed instruction by instruction.
            Means::Count | Means::Callgrind => vec![8, 16, 32, 64, 128, 256, 512],
        };
        let metrics: &[Metric] = match (self.means, self.work) {
            (Means::Callgrind, _) => &[Metric::CallgrindInstructions],
            (_, PlantedWork::Cpu) => &[Metric::TaskClock, Metric::Instructions],
            (_, PlantedWork::Pages) => &[Metric::PageFaults, Metric::ResidentBytes],
            (_, PlantedWork::Allocations) => &[Metric::Allocations],
        };
        let judge = metrics.iter().map(|metric| SeriesName::new(Phase::Work, *metric)).collect();
        let largest = ladder.last().copied().and_then(NonZeroUsize::new);
        let planted = Planted {
            work: self.work,
            quadratic_percent: self.quadratic_percent,
            largest: largest.unwrap_or(NonZeroUsize::MIN),
        };
        Scenario {
            name: self.name.to_owned(),
            group: None,
            suite: Suite::Default,
            variant: Variant::default(),
            settings: BTreeMap::new(),
            question: "Does this session see planted growth?".to_owned(),
            expectation: "What was planted.".to_owned(),
            subject: Subject::Planted(planted),
            unwinder: None,
            recipe: None,
            digest: None,
            judge,
            observe: Vec::new(),
            processes: 1,
            callgrind_ladder: ladder.clone(),
            ladder,
            timeout: Duration::from_secs(120),
            budget: Duration::ZERO,
            horizon: None,
            limit: None,
            control: None,
            known_growth: Vec::new(),
            scaling: None,
        }
    }
}
