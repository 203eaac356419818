//! `cargo xtask merge`: judges the parts of a divided session as one suite.

use loadline_record::{Context, Error, Exit, PROGRAM, Result};
use std::path::{Path, PathBuf};

use loadline_growth::Kind;
use loadline_scenario::{Scenario, Workload};

use crate::cli;
use crate::committed::Committed;
use crate::conclude::{failures, growing_functions, say};
use loadline_measure::project::folders::Project;
use loadline_measure::project::selection;
use loadline_record::compat::{growth_differences, level_differences};
use loadline_record::header::{Asked, Header, Part, RunRecord};
use loadline_record::measured::Measured;
use loadline_record::session::{self};
use loadline_verdict::judged::Judged;
use loadline_verdict::outcome::Report;
use loadline_verdict::reference::BaselineSource;
use loadline_verdict::self_check::{self, SelfCheck};

/// Runs `cargo xtask merge`.
///
/// # Errors
/// When a session cannot be read, or the sessions are not the parts of one suite.
pub fn run(arguments: &cli::Merge) -> Result<Exit> {
    arguments.outputs.check()?;
    let project = Project::open(arguments.root.as_deref())?;
    let mut parts = Vec::new();
    for path in &arguments.sessions {
        parts.push(read(&project.session(path))?);
    }
    parts.sort_by_key(|part| part.part.shard.index);
    refuse_what_is_not_one_suite(&parts)?;
    let mut measured = Vec::new();
    for part in &parts {
        measured.push(part.measured(&project)?);
    }
    let scenarios: Vec<Scenario> =
        measured.iter().flat_map(|m| m.scenarios.iter().map(|s| s.scenario.clone())).collect();
    let first = &parts[0];
    let insisted_on = arguments.baseline.as_ref().or(first.asked.baseline.as_ref());
    let mut baselines = Committed::read(&project, &scenarios, insisted_on.map(String::as_str))?;
    baselines.insist_for(&first.header.environment);
    let refs: Vec<&Measured> = measured.iter().collect();
    let mut rows = loadline_verdict::judge::judge_parts(&refs, &baselines);
    let order = order(&first.part, &scenarios);
    rows.sort_by_key(|row: &Judged| order.iter().position(|full_name| *full_name == row.scenario));
    let report = Report {
        self_checks: together(
            measured
                .iter()
                .flat_map(|m| self_check::seen(m, baselines.tau(Kind::Time, &m.environment))),
        ),
        rows,
        functions: measured.iter().flat_map(|m| growing_functions(m, &baselines)).collect(),
        failures: measured.iter().flat_map(failures).collect(),
    };
    let asked_now = arguments.strictness.or_asked(&first.asked);
    let strictness = parts.iter().fold(asked_now, |all, part| all.or_asked(&part.asked));
    let mut whole = shown(&parts, measured);
    whole.again.judged(insisted_on.cloned(), arguments.root.as_deref());
    say(&report, &whole, &project, strictness.into(), &arguments.outputs)
}

/// The saved session of one part.
struct Saved {
    path: PathBuf,
    header: Header,
    records: Vec<RunRecord>,
    asked: Asked,
    part: Part,
}

fn read(path: &Path) -> Result<Saved> {
    let refuse = |problem: String| Error::new(Exit::Usage, format!("cannot merge: {problem}"));
    let (header, records) = session::read(path).map_err(|error| refuse(format!("{error:#}")))?;
    let asked = header.asked.clone();
    let Some((asked, part)) = asked.and_then(|asked| asked.part.clone().map(|part| (asked, part)))
    else {
        let shown = path.display();
        return Err(refuse(format!("{shown} is not a part: it was measured without --shard")));
    };
    Ok(Saved { path: path.to_owned(), header, records, asked, part })
}

impl Saved {
    fn measured(&self, project: &Project) -> Result<Measured> {
        let Saved { header, records, path, .. } = self;
        let scenarios = selection::as_measured(project, header, records, path);
        let scenarios = scenarios.context("cannot merge")?;
        Ok(Measured::of(&self.header, scenarios, &self.records, self.path.clone()))
    }

    /// Whether this part measured the scenario.
    fn holds(&self, full_name: &str) -> bool {
        self.header.scenarios.iter().any(|planned| planned.scenario == full_name)
    }
}

/// Refuses sessions that are not the parts of one suite. The parts must have one plan, must each be there
/// once, and must not differ in anything that decides growth.
fn refuse_what_is_not_one_suite(parts: &[Saved]) -> Result<()> {
    let refuse = |problem: String| Err(Error::new(Exit::Usage, format!("cannot merge: {problem}")));
    let (first, others) = parts.split_first().expect("the command line asks for one at least");
    for (one, other) in parts.iter().zip(others) {
        let (a, b) = (one.part.shard, other.part.shard);
        if a == b {
            let (one, other) = (one.path.display(), other.path.display());
            return refuse(format!("shard {a} is there twice, as {one} and {other}"));
        }
    }
    for other in others {
        let (a, b) = (first.part.shard, other.part.shard);
        let is_planned_alike = a.count == b.count && first.part.suite == other.part.suite;
        if !is_planned_alike || first.asked.baseline != other.asked.baseline {
            return refuse(format!(
                "shards {a} and {b} are parts of different plans (were names, --set, --baseline and commit the same?)"
            ));
        }
        if first.header.seed != other.header.seed {
            let (one, two) = (first.header.seed, other.header.seed);
            return refuse(format!(
                "shards {a} and {b} have different seeds, {one} and {two} (leave out --seed, or give the same)"
            ));
        }
        let differences = growth_differences(&first.header.environment, &other.header.environment);
        if !differences.is_empty() {
            let all = differences.join("; ");
            return refuse(format!("shards {a} and {b} differ in what decides growth: {all}"));
        }
    }
    let missing = first.part.suite.iter().map(|planned| planned.scenario.as_str());
    let missing: Vec<&str> =
        missing.filter(|full_name| !parts.iter().any(|part| part.holds(full_name))).collect();
    if !missing.is_empty() {
        let count = first.part.shard.count;
        let is_there = |index: &usize| parts.iter().any(|part| part.part.shard.index == *index);
        let shards = (1..=count).filter(|index| !is_there(index));
        let shards: Vec<String> = shards.map(|index| format!("{index}/{count}")).collect();
        let (shards, missing) = (shards.join(", "), missing.join(", "));
        return refuse(format!("shard {shards} is missing, and with it {missing}"));
    }
    Ok(())
}

/// Appends to `all` the elements of `more` that it does not contain yet.
fn add_new<T: PartialEq>(all: &mut Vec<T>, more: impl IntoIterator<Item = T>) {
    for one in more {
        if !all.contains(&one) {
            all.push(one);
        }
    }
}

/// The full names in the order of an undivided session, each scenario followed by its control.
fn order(part: &Part, scenarios: &[Scenario]) -> Vec<String> {
    let mut order: Vec<String> = Vec::new();
    for planned in &part.suite {
        let own = scenarios.iter().find(|scenario| scenario.full_name() == planned.scenario);
        add_new(&mut order, [planned.scenario.clone()]);
        add_new(&mut order, own.into_iter().flat_map(Scenario::full_names_measured));
    }
    order
}

/// Combines the self-checks of all parts. The whole passes only what every part passes.
fn together(all: impl Iterator<Item = SelfCheck>) -> Vec<SelfCheck> {
    let mut checks: Vec<SelfCheck> = Vec::new();
    for one in all {
        match checks.iter_mut().find(|known| known.name == one.name) {
            Some(known) => known.outcome = known.outcome.worse(one.outcome),
            None => checks.push(one),
        }
    }
    checks
}

/// The whole suite as the report shows it: the environment of the first part, and how the others differ.
fn shown(parts: &[Saved], measured: Vec<Measured>) -> Measured {
    let paths: Vec<String> = parts.iter().map(|part| part.path.display().to_string()).collect();
    let mut sentences = Vec::new();
    for part in parts {
        let shard = part.part.shard;
        let others = level_differences(&parts[0].header.environment, &part.header.environment);
        if !others.is_empty() {
            sentences.push(format!("shard {shard} has another machine: {}", others.join("; ")));
        }
        if part.header.finished.is_none() {
            let path = part.path.display();
            sentences.push(format!(
                "shard {shard} has not finished ({PROGRAM} regress --resume {path})"
            ));
        }
    }
    let mut whole = Measured {
        environment: parts[0].header.environment.clone(),
        absent: Vec::new(),
        scenarios: Vec::new(),
        saved: PathBuf::from(paths.join(" ")),
        started: parts.iter().map(|part| part.header.started).min().unwrap_or_default(),
        // Sessions of several machines overlap.
        finished: None,
        seed: parts[0].header.seed,
        left_out: sentences,
        forecasts: Vec::new(),
        part: None,
        before: None,
        again: parts[0].header.again.clone(),
        today: loadline_record::time::date(loadline_record::time::now()),
    };
    for part in measured {
        // Every part reports what was left out, so duplicates are skipped.
        add_new(&mut whole.left_out, part.left_out);
        whole.forecasts.extend(part.forecasts);
        add_new(&mut whole.absent, part.absent);
        let of_suite = |m: &loadline_record::measured::MeasuredScenario| {
            whole.scenarios.is_empty() || !matches!(m.scenario.workload, Workload::SelfCheck(_))
        };
        let own: Vec<_> = part.scenarios.into_iter().filter(of_suite).collect();
        whole.scenarios.extend(own);
    }
    whole
}
