//! `cargo xtask regress`: measures, judges against the baselines, reports.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use loadline_scenario::{Environment, MetricKind, Scenario};

use crate::baseline_file::{Baseline, Baselines, Key};
use crate::cli::{self, Regress};
use crate::exit::{Exit, ended};
use crate::interrupt::Interrupt;
use crate::judgement::{self, BaselineSource};
use crate::measure::{Bench, Measured};
use crate::out;
use crate::project::{Project, nearest};
use crate::report::{Report, Strictness};
use crate::runner::Runner;
use crate::selection;
use crate::session;

/// Carries the command out.
///
/// # Errors
/// When something could not be measured or the command line is wrong; a regression is no error.
pub fn run(arguments: &Regress) -> anyhow::Result<Exit> {
    let interrupt = Interrupt::listen()?;
    let project = Project::open(arguments.selection.root.as_deref())?;
    let scenarios = selection::scenarios(&project, &arguments.selection)?;
    let insisted_on = arguments.baseline.as_deref();
    let mut baselines = Committed::read(&project, &scenarios, insisted_on)?;
    let runner = Runner::build(&project, &arguments.selection.unwinder, &interrupt)?;
    let bench = Bench { project: &project, runner: &runner };
    let (environment, absent) = bench.describe()?;
    baselines.insist_for(&environment);
    let is_whole_suite = arguments.selection.names.is_empty();
    let scenarios = selection::with_controls(&project, scenarios, |scenario| {
        insisted_on.is_none()
            && (is_whole_suite || needs_control(scenario, &environment, &baselines))
    })?;
    baselines.read_others(&project, &scenarios)?;
    let mut all = selection::teeth(&scenarios);
    all.extend(scenarios);
    let seed = arguments.selection.seed.unwrap_or_else(session::now);
    let mut measurement = bench.begin(all, &environment, &absent, seed)?;
    eprintln!("{}", measurement.plan_line());
    measurement.run()?;
    let budget = Duration::from_secs(arguments.budget);
    loop {
        let undecided = report(&measurement.measured(), &baselines).undecided();
        let added = measurement.add_rounds(&undecided, MOST_ROUNDS, budget);
        if added == 0 {
            break;
        }
        eprintln!("more rounds for {} ({added} runs)", undecided.join(", "));
        measurement.run()?;
    }
    say(&measurement.measured(), &baselines, &arguments.strictness)
}

/// Rounds after which an undecided series stays so.
const MOST_ROUNDS: usize = 20;

/// `cargo xtask report`: judges a saved session again, against the baselines of today.
///
/// # Errors
/// When the session cannot be read, or names scenarios that are gone.
pub fn again(arguments: &cli::Report) -> anyhow::Result<Exit> {
    let project = Project::open(arguments.root.as_deref())?;
    let (header, records) = session::read(&arguments.session)
        .map_err(|error| ended(Exit::Usage, format!("cannot report: {error:#}")))?;
    let mut scenarios = Vec::new();
    for planned in &header.scenarios {
        let (name, changes) = Project::split_title(&planned.scenario)?;
        let scenario = match selection::tooth(name) {
            Some(planted) => planted,
            None => project.scenario(name, &changes)?,
        };
        let own = records.iter().filter(|record| record.scenario == planned.scenario);
        let rounds = own.map(|record| record.round + 1).max().unwrap_or(0);
        let (ladder, processes) = (planned.ladder.clone(), planned.processes.max(rounds));
        scenarios.push(Scenario { ladder, processes, ..scenario });
    }
    let mut baselines = Committed::read(&project, &scenarios, arguments.baseline.as_deref())?;
    baselines.insist_for(&header.environment);
    let measured = Measured::of(&header, scenarios, &records, arguments.session.clone());
    say(&measured, &baselines, &arguments.strictness)
}

fn say(
    measured: &Measured,
    baselines: &Committed,
    strictness: &cli::Strictness,
) -> anyhow::Result<Exit> {
    let report = report(measured, baselines);
    out::text(report.text(measured))?;
    Ok(report.exit(Strictness {
        inconclusive: strictness.strict,
        no_baseline: strictness.require_baseline,
    }))
}

fn report(measured: &Measured, baselines: &Committed) -> Report {
    let failures = measured.scenarios.iter().flat_map(|m| {
        m.failures.iter().map(move |failure| format!("{}: {failure}", m.scenario.title()))
    });
    Report {
        teeth: judgement::teeth(measured),
        rows: judgement::judge(measured, baselines),
        failures: failures.collect(),
    }
}

/// Whether a time of `scenario` has to be judged beside its control, because no baseline's times
/// compare.
fn needs_control(scenario: &Scenario, environment: &Environment, baselines: &Committed) -> bool {
    let fitting = baselines.of(&scenario.name).find(&Key::of(scenario, environment));
    scenario.judge.iter().filter(|name| name.metric.kind() == MetricKind::Time).any(|name| {
        fitting.is_none_or(|b| !b.times_compare(environment) || b.find(*name).is_none())
    })
}

/// The baselines in the repository, and the one the caller insists on.
#[derive(Debug)]
struct Committed {
    by_name: BTreeMap<String, Baselines>,
    none: Baselines,
    insisted: Option<Insisted>,
}

#[derive(Debug)]
struct Insisted {
    candidates: Vec<Baseline>,
    chosen: Option<Baseline>,
}

impl Committed {
    fn read(
        project: &Project,
        scenarios: &[Scenario],
        insisted_on: Option<&str>,
    ) -> anyhow::Result<Committed> {
        let insisted = insisted_on.map(|asked| insisted(project, asked)).transpose()?;
        let mut committed =
            Committed { by_name: BTreeMap::new(), none: Baselines::default(), insisted };
        committed.read_others(project, scenarios)?;
        Ok(committed)
    }

    /// Reads the baselines of scenarios that came later.
    fn read_others(&mut self, project: &Project, scenarios: &[Scenario]) -> anyhow::Result<()> {
        for Scenario { name, .. } in scenarios {
            if !self.by_name.contains_key(name) {
                let path = project.baselines().join(format!("{name}.toml"));
                self.by_name.insert(name.clone(), Baselines::read(&path)?);
            }
        }
        Ok(())
    }

    /// Chooses among the baselines that the caller's name fits the one most like `environment`.
    fn insist_for(&mut self, environment: &Environment) {
        let Some(insisted) = &mut self.insisted else { return };
        let likeness = |baseline: &&Baseline| {
            let key = &baseline.key;
            let same = [
                key.arch == environment.arch,
                key.wasmtime == environment.wasmtime_major(),
                key.unwinder == environment.unwinder(),
                baseline.times_compare(environment),
            ];
            same.iter().filter(|same| **same).count()
        };
        insisted.chosen = insisted.candidates.iter().max_by_key(likeness).cloned();
    }
}

impl BaselineSource for Committed {
    fn of(&self, name: &str) -> &Baselines {
        self.by_name.get(name).unwrap_or(&self.none)
    }

    fn insisted(&self) -> Option<&Baseline> {
        self.insisted.as_ref()?.chosen.as_ref()
    }
}

/// `--baseline`: a file, or a scenario's title, of which only that variant's baselines count.
fn insisted(project: &Project, asked: &str) -> anyhow::Result<Insisted> {
    let is_file = asked.ends_with(".toml") || Path::new(asked).is_file();
    let candidates = if is_file {
        let path = Path::new(asked);
        if !path.is_file() {
            let text = format!("cannot read --baseline {asked}: there is no such file");
            return Err(ended(Exit::Usage, text));
        }
        Baselines::read(path)?.all
    } else {
        let (name, changes) = Project::split_title(asked)?;
        let variant = project.scenario(name, &changes).context("--baseline")?.variant;
        let path = project.baselines().join(format!("{name}.toml"));
        let all = Baselines::read(&path)?.all;
        all.into_iter().filter(|baseline| baseline.key.variant == variant).collect()
    };
    if candidates.is_empty() {
        let names = project.scenario_names()?;
        let near = nearest(asked, names.iter().map(String::as_str)).unwrap_or("NAME");
        let text = format!(
            "there is no baseline for --baseline {asked} (cargo xtask baseline {near} --reason TEXT makes one)"
        );
        return Err(ended(Exit::NoBaseline, text));
    }
    Ok(Insisted { candidates, chosen: None })
}
