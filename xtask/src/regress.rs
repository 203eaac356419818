//! `cargo xtask regress`: measures, judges against the baselines, reports.

use loadline_record::{Context, Error, Exit, PROGRAM, Result, SHARD_SEED, Strictness};
use crate::saved::{self, profiles};
use loadline_record::time;
use loadline_report::facts;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use loadline_growth::{Kind, Tau};
use loadline_scenario::{Environment, MetricKind, Scenario, Unwinder};

use crate::aa;
use loadline_measure::session::escalation::measure_until_sure;
use loadline_measure::session::limit_check;
use loadline_verdict::escalation::wishes;
use loadline_measure::builds::against::Builds;
use loadline_measure::session::bench::Bench;
use crate::cli::{self, Regress};
use loadline_measure::process::interrupt::Interrupt;
use loadline_measure::session::lock::MachineLock;
use loadline_measure::session::measurement::Measurement;
use loadline_measure::out;
use crate::outputs::{self, Form, Outputs};
use loadline_measure::session::affordable_sizes;
use loadline_measure::session::places::{self, Place};
use loadline_measure::project::folders::Project;
use loadline_measure::session::resume::{self, Reopened};
use loadline_measure::project::selection;
use loadline_measure::session::shard;
use loadline_measure::process::unwinders;
use loadline_record::baseline::{Baseline, Baselines, Key};
use loadline_record::calibration::{Calibration, Calibrations};
use loadline_record::header::{Asked, Header, Part, Planned};
use loadline_record::rounds::{Measured, MeasuredScenario};
use loadline_record::session::{self};
use loadline_record::suggest::nearest;
use loadline_report::Look;
use loadline_report::by_unwinder;
use loadline_verdict::functions::{self, GrowingSymbol};
use loadline_verdict::outcome::{Concluded, Report};
use loadline_verdict::reference::BaselineSource;
use loadline_verdict::self_check;

/// Carries the command out.
///
/// # Errors
/// When something could not be measured or the command line is wrong; a regression is no error.
pub fn run(arguments: &Regress) -> Result<Exit> {
    if arguments.aa {
        return aa::check(arguments);
    }
    if !arguments.bisect {
        return measure(arguments);
    }
    match measure(arguments) {
        Ok(exit) => Ok(exit.for_bisect()),
        Err(error) => Err(Error::new(error.exit().for_bisect(), format!("{error:#}"))),
    }
}

fn measure(arguments: &Regress) -> Result<Exit> {
    arguments.outputs.check()?;
    let interrupt = Interrupt::listen()?;
    let project = Project::open(arguments.selection.root.as_deref())?;
    if let Some(session) = &arguments.resume {
        return resume(arguments, session.as_deref(), &project, &interrupt);
    }
    let chosen = selection::chosen(&project, &arguments.selection.choice());
    let chosen = chosen.map_err(|error| {
        match arguments.bisect && selection::is_in_another_commit(&project, &arguments.selection.choice()) {
            true => Error::new(Exit::SkipCommit, format!("{error:#}")),
            false => error,
        }
    })?;
    let asked = unwinders_asked(arguments, &project)?;
    let may_leave_out = arguments.selection.names.is_empty();
    let (passes, mut left_out) = unwinders::passes(&chosen, &asked, may_leave_out)?;
    if let (Some(shard), [first, .., last]) = (arguments.shard, passes.as_slice()) {
        let (one, other) = (&first.unwinder, &last.unwinder);
        let text = format!(
            "cannot measure shard {shard}: its scenarios are measured under several unwinders, {one} and {other} among them, and a shard is part of one session (name scenarios of one unwinder)"
        );
        return Err(Error::new(Exit::Usage, text));
    }
    // A broken baseline is found before anything is built.
    Committed::read(&project, &chosen, arguments.baseline.as_deref())?;
    let _lock = MachineLock::take(&project, arguments.selection.no_wait, &interrupt)?;
    project.build(&interrupt)?;
    let passes = places::with_files(&project, passes, &mut left_out)?;
    let first = passes.first().map(|pass| arguments.selection.surroundings(&pass.unwinder));
    let first = first.unwrap_or_else(|| arguments.selection.surroundings(&Unwinder::Host));
    let builds = Builds::make(&project, &arguments.other(), &first, &interrupt)?;
    let (places, same) = places::of(&project, passes, &builds)?;
    let strictness = strictness(arguments);
    if places.is_empty() {
        return not_measured(&same, &project, arguments, &builds);
    }
    left_out.extend(same);
    let several = places.len() > 1;
    let unwinders = places.iter().map(|place| place.described.0.unwinder());
    let parts = told_apart_by_number(unwinders.collect());
    let texts = |scenario: &Scenario| saved::texts(&project, scenario);
    let mut concluded = Vec::new();
    for (place, part) in places.iter().zip(&parts) {
        if several {
            out::note(format_args!("under {part}:"));
        }
        let left_out = std::mem::take(&mut left_out);
        let one = measure_at(&project, arguments, place, left_out)?;
        interrupt.check()?;
        let facts = facts(&one.report, &one.measured, &texts, strictness);
        out::text(Form::Text.render(&facts, Look::of_stdout())?)?;
        let part = several.then_some(part.as_str());
        arguments.outputs.write(&facts, part)?;
        concluded.push(one);
    }
    if several {
        let others = |families: &[&str]| unwinders::missing(families, &project.unwinders());
        out::text(by_unwinder::side_by_side(&concluded, &others))?;
    }
    let exits: Vec<Exit> = concluded.iter().map(|one| one.report.exit(strictness)).collect();
    Ok(Exit::of(&exits))
}

/// Names that are all different: the second `libgcc-list 12` becomes `libgcc-list 12 2`. Two libraries
/// of one family and version may be asked for, and each report has a file of its own.
fn told_apart_by_number(names: Vec<String>) -> Vec<String> {
    let mut apart: Vec<String> = Vec::new();
    for name in names {
        let numbered = (2..).map(|number| format!("{name} {number}"));
        let mut candidates = std::iter::once(name.clone()).chain(numbered);
        apart.extend(candidates.find(|candidate| !apart.contains(candidate)));
    }
    apart
}

/// What the exit code is to tell. To a bisection what stays undecided is not good.
fn strictness(arguments: &Regress) -> Strictness {
    let asked = Strictness::from(&arguments.strictness);
    Strictness { inconclusive: asked.inconclusive || arguments.bisect, ..asked }
}

/// Both sides run the same program, so that there is nothing to measure.
fn not_measured(
    same: &[String],
    project: &Project,
    arguments: &Regress,
    builds: &Builds,
) -> Result<Exit> {
    same.iter().try_for_each(out::line)?;
    if !arguments.outputs.reports.is_empty() {
        let bench = Bench { project, runner: &builds.now, before: None };
        let (environment, absent) = bench.describe()?;
        let seed = arguments.selection.seed.unwrap_or_else(time::now);
        let mut header = Header::new(seed, Vec::new(), environment, absent);
        header.left_out = same.to_vec();
        let measured = Measured::of(&header, Vec::new(), &[], project.sessions());
        let facts = loadline_report::same_program(&measured, &|scenario| saved::texts(project, scenario));
        arguments.outputs.write(&facts, None)?;
    }
    Ok(Exit::Clean)
}

/// The unwinders that everything is measured under which does not name one itself.
fn unwinders_asked(arguments: &Regress, project: &Project) -> Result<Vec<Unwinder>> {
    let mut all = Vec::new();
    for named in &arguments.unwinders {
        match named.as_str() {
            "all" => all.extend(unwinders::here(&project.unwinders())),
            named => {
                let usage =
                    |error| Error::new(Exit::Usage, format!("--unwinders {named:?}: {error}"));
                all.push(named.parse().map_err(usage)?);
            }
        }
    }
    Ok(match all.as_slice() {
        [] => vec![arguments.selection.unwinder.clone()],
        _ => unwinders::distinct(all),
    })
}

/// Measures one session, and judges it. `left_out` is what no session measures.
fn measure_at(
    project: &Project,
    arguments: &Regress,
    place: &Place,
    left_out: Vec<String>,
) -> Result<Concluded> {
    let Place { pass, before, described: (environment, absent), .. } = place;
    let suite = &pass.scenarios;
    let scenarios = match arguments.shard {
        Some(shard) => shard::part_of(shard, suite)?,
        None => suite.clone(),
    };
    let asked = asked(arguments, project, &pass.unwinder, suite, &scenarios)?;
    let insisted_on = arguments.baseline.as_deref();
    let mut baselines = Committed::read(project, &scenarios, insisted_on)?;
    let bench = place.bench(project);
    baselines.insist_for(environment);
    let has_free_sizes = before.is_none() && !arguments.selection.sets_ladder();
    let scenarios = match has_free_sizes {
        true => baselines.at_their_sizes(scenarios, environment),
        // Nothing of baselines is asked, or the sizes are asked for in so many words.
        false => scenarios,
    };
    let is_table = !arguments.unwinders.is_empty();
    let wants_all = arguments.selection.names.is_empty() || is_table;
    let scenarios = match insisted_on.is_none() {
        true => selection::with_threads(project, scenarios)?,
        false => scenarios,
    };
    let mut scenarios = selection::with_controls(project, scenarios, |scenario| {
        let has_to_scale = scenario.scaling.is_some();
        insisted_on.is_none()
            && (wants_all || has_to_scale || needs_control(scenario, environment, &baselines))
    })?;
    baselines.read_others(project, &scenarios)?;
    let mut left_out = left_out;
    if has_free_sizes {
        let is_sized = |scenario: &Scenario| baselines.fitting(scenario, environment).is_some();
        let slow =
            affordable_sizes::leave_out_what_takes_too_long(&bench, &mut scenarios, environment, is_sized)?;
        left_out.extend(slow);
    }
    let mut all = loadline_scenario::self_check::scenarios_for(&scenarios);
    all.extend(scenarios);
    let default_seed = || arguments.shard.map_or_else(time::now, |_| SHARD_SEED);
    let seed = arguments.selection.seed.unwrap_or_else(default_seed);
    // The other build is gone with this program: such a session cannot be taken up.
    let to_take_up = before.is_none().then(|| asked.clone());
    let mut measurement = Measurement::begin(&bench, all, environment, absent, seed, |header| {
        header.asked = to_take_up;
        header.again = arguments.again(&pass.unwinder);
    })?;
    measurement.leave_out(left_out)?;
    out::note(measurement.plan_line());
    carry_out(measurement, &baselines, &asked)
}

/// Carries out what is left of a session of `regress`. Scenarios, rungs, rounds, seed, unwinder,
/// baseline and budget are the session's own.
///
/// # Errors
/// As [`Reopened::of`], and when something could not be measured.
fn resume(
    arguments: &Regress,
    named: Option<&Path>,
    project: &Project,
    interrupt: &Interrupt,
) -> Result<Exit> {
    // First: the newest session may be one that is being measured.
    let _lock = MachineLock::take(project, arguments.selection.no_wait, interrupt)?;
    let (reopened, runner) = Reopened::of(resume::Command::Regress, named, project, interrupt)?;
    let header = &reopened.header;
    let asked = header.asked.clone().expect("a session of regress says how it was asked");
    let mut baselines = Committed::read(project, &reopened.scenarios, asked.baseline.as_deref())?;
    baselines.insist_for(&header.environment);
    let bench = Bench { project, runner: &runner, before: None };
    let measurement = reopened.take_up(&bench)?;
    let Concluded { mut measured, report } = carry_out(measurement, &baselines, &asked)?;
    measured.again.judged(asked.baseline.clone(), arguments.selection.root.as_deref());
    interrupt.check()?;
    let strictness = arguments.strictness.or_asked(&asked).into();
    say(&report, &measured, project, strictness, &arguments.outputs)
}

/// What the session has to remember of how it was asked.
fn asked(
    arguments: &Regress,
    project: &Project,
    unwinder: &Unwinder,
    suite: &[Scenario],
    scenarios: &[Scenario],
) -> Result<Asked> {
    // Whoever takes the session up may stand in another folder.
    let from_anywhere = |text: &String| match std::fs::canonicalize(text) {
        Ok(path) if path.is_file() => path.display().to_string(),
        _ => text.clone(),
    };
    let suite = || suite.iter().map(Planned::of).collect();
    // A newer one may have been installed by then.
    let library = unwinders::library(unwinder)?;
    let unwinder = library.map_or(Unwinder::Host, Unwinder::Library);
    Ok(Asked {
        surroundings: arguments.selection.surroundings(&unwinder),
        baseline: arguments.baseline.as_ref().map(from_anywhere),
        budget: arguments
            .budget
            .or(project.budget_seconds())
            .unwrap_or_else(|| budget_of(scenarios)),
        strict: strictness(arguments).inconclusive,
        require_baseline: arguments.strictness.require_baseline,
        part: arguments.shard.map(|shard| Part { shard, suite: suite() }),
    })
}

/// The time that the scenarios ask for, and some for the growth planted beside them.
fn budget_of(scenarios: &[Scenario]) -> u64 {
    const SECONDS_FOR_TEETH: u64 = 20;
    SECONDS_FOR_TEETH + scenarios.iter().map(|scenario| scenario.budget.as_secs()).sum::<u64>()
}

/// Measures what is left, then more of what stays undecided, and judges.
///
/// # Errors
/// When a run cannot be saved, or the program is interrupted.
pub fn carry_out(
    mut measurement: Measurement<'_>,
    baselines: &Committed,
    asked: &Asked,
) -> Result<Concluded> {
    let budget = Duration::from_secs(asked.budget);
    let decide = |measured: &Measured| {
        let report = judged(measured, baselines);
        let wishes = wishes(&report);
        (report, wishes)
    };
    let (mut measured, judged) = measure_until_sure(&mut measurement, decide, budget)?;
    let forecasts = measurement.forecasts(|bench| limit_check::check(bench, &measured))?;
    measured.forecasts = forecasts.to_vec();
    measurement.close()?;
    let symbols = growing_symbols(&measured, baselines);
    let failures = failures(&measured);
    Ok(Concluded { measured, report: Report { symbols, failures, ..judged } })
}

/// `cargo xtask report`: judges a saved session again, against the baselines of today.
///
/// # Errors
/// When the session cannot be read, or names scenarios that are gone.
pub fn again(arguments: &cli::Report) -> Result<Exit> {
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
    let facts = facts(&report, &measured, &|scenario| saved::texts(&project, scenario), strictness);
    match &arguments.output {
        None => out::text(arguments.format.render(&facts, Look::of_stdout())?)?,
        Some(path) => outputs::write(path, &arguments.format.render(&facts, Look::PLAIN)?)?,
    }
    Ok(report.exit(strictness))
}

/// Prints `report`, writes it wherever else it is asked for, and says what it amounts to.
///
/// # Errors
/// When it cannot be printed or written.
pub fn say(
    report: &Report,
    measured: &Measured,
    project: &Project,
    strictness: Strictness,
    outputs: &Outputs,
) -> Result<Exit> {
    let facts = facts(report, measured, &|scenario| saved::texts(project, scenario), strictness);
    out::text(Form::Text.render(&facts, Look::of_stdout())?)?;
    outputs.write(&facts, None)?;
    Ok(report.exit(strictness))
}

/// What `measured` amounts to.
pub fn report(measured: &Measured, baselines: &Committed) -> Report {
    Report { symbols: growing_symbols(measured, baselines), ..judged(measured, baselines) }
}

/// The same without its symbols, which need every profile read, and which no added round changes.
fn judged(measured: &Measured, baselines: &Committed) -> Report {
    Report {
        teeth: self_check::seen(measured, baselines.tau(Kind::Time, &measured.environment)),
        rows: loadline_verdict::judge::judge(measured, baselines),
        symbols: Vec::new(),
        failures: failures(measured),
    }
}

/// The symbols that grow beyond linear, each beside what the other build costs, or what its
/// scenario's baseline records.
pub fn growing_symbols(measured: &Measured, baselines: &Committed) -> Vec<GrowingSymbol> {
    if let Some(before) = &measured.before {
        return functions::growing_since(measured, before, &profiles);
    }
    functions::growing(measured, &profiles, |scenario| {
        let fitting = baselines.of(&scenario.name).find(&Key::of(scenario, &measured.environment));
        baselines.insisted().or(fitting)
    })
}

/// The failures of scenarios that one build measured, those by one cause in one sentence.
fn by_cause(scenarios: &[MeasuredScenario], by: &str) -> Vec<String> {
    let mut causes: Vec<(&String, Vec<String>)> = Vec::new();
    for one in scenarios {
        for failure in &one.failures {
            let title = one.scenario.title();
            match causes.iter_mut().find(|(known, _)| *known == failure) {
                Some((_, titles)) => titles.push(title),
                None => causes.push((failure, vec![title])),
            }
        }
    }
    causes.iter().map(|(failure, titles)| format!("{}{by}: {failure}", titles.join(", "))).collect()
}

/// The failed runs with their scenarios, one sentence for each cause.
pub fn failures(measured: &Measured) -> Vec<String> {
    let mut failures = by_cause(&measured.scenarios, "");
    let missed = measured.forecasts.iter().filter(|forecast| !forecast.holds);
    failures.extend(missed.map(|forecast| format!("{}: {}", forecast.scenario, forecast.sentence)));
    if let Some(before) = &measured.before {
        let by = format!(" by {}", before.build.name);
        failures.extend(by_cause(&before.scenarios, &by));
    }
    failures
}

/// Whether a time of `scenario` has to be judged beside its control, because no baseline's times
/// compare.
fn needs_control(scenario: &Scenario, environment: &Environment, baselines: &Committed) -> bool {
    let fitting = baselines.fitting(scenario, environment);
    scenario.judge.iter().filter(|name| name.metric.kind() == MetricKind::Time).any(|name| {
        fitting.is_none_or(|b| !b.times_compare(environment) || b.find(*name).is_none())
    })
}

/// The baselines in the repository, and the one the caller insists on.
#[derive(Debug, Clone)]
pub struct Committed {
    by_name: BTreeMap<String, Baselines>,
    none: Baselines,
    insisted: Option<Insisted>,
    calibrations: Calibrations,
}

#[derive(Debug, Clone)]
struct Insisted {
    candidates: Vec<Baseline>,
    chosen: Option<Baseline>,
}

impl Committed {
    /// Reads the baselines of `scenarios`, and what the caller insists on.
    ///
    /// # Errors
    /// When a file is damaged, or what is insisted on is not there.
    pub fn read(
        project: &Project,
        scenarios: &[Scenario],
        insisted_on: Option<&str>,
    ) -> Result<Committed> {
        let insisted = insisted_on.map(|asked| insisted(project, asked)).transpose()?;
        let mut committed = Committed {
            by_name: BTreeMap::new(),
            none: Baselines::default(),
            insisted,
            calibrations: Calibrations::read(&project.baselines())?,
        };
        committed.read_others(project, scenarios)?;
        Ok(committed)
    }

    /// Reads the baselines of scenarios that came later.
    fn read_others(&mut self, project: &Project, scenarios: &[Scenario]) -> Result<()> {
        for Scenario { name, .. } in scenarios {
            if !self.by_name.contains_key(name) {
                let path = project.baselines().join(format!("{name}.toml"));
                self.by_name.insert(name.clone(), Baselines::read(&path)?);
            }
        }
        Ok(())
    }

    /// The same, with `calibration` in the place of its processor's.
    pub fn calibrated(&self, calibration: Calibration) -> Committed {
        let mut other = self.clone();
        other.calibrations.put(calibration);
        other
    }

    /// The scenarios at the sizes of the baseline that fits each: costs are compared at equal sizes
    /// only.
    pub fn at_their_sizes(
        &self,
        scenarios: Vec<Scenario>,
        environment: &Environment,
    ) -> Vec<Scenario> {
        let sized = scenarios.into_iter().map(|scenario| {
            let fitting = self.fitting(&scenario, environment);
            let ladder = fitting.map(|baseline| baseline.ladder.clone());
            Scenario { ladder: ladder.unwrap_or_else(|| scenario.ladder.clone()), ..scenario }
        });
        sized.collect()
    }

    /// The baseline of `scenario` whose key is that of `environment`.
    fn fitting(&self, scenario: &Scenario, environment: &Environment) -> Option<&Baseline> {
        self.of(&scenario.name).find(&Key::of(scenario, environment))
    }

    /// Chooses among the baselines that the caller's name fits the one most like `environment`.
    pub fn insist_for(&mut self, environment: &Environment) {
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

    fn tau(&self, kind: Kind, environment: &Environment) -> Option<Tau> {
        self.calibrations.find(environment)?.tau(kind)
    }

    fn insisted(&self) -> Option<&Baseline> {
        self.insisted.as_ref()?.chosen.as_ref()
    }
}

/// `--baseline`: a file, or a scenario's title, of which only that variant's baselines count.
fn insisted(project: &Project, asked: &str) -> Result<Insisted> {
    let is_file = asked.ends_with(".toml") || Path::new(asked).is_file();
    let candidates = if is_file {
        let path = Path::new(asked);
        if !path.is_file() {
            let text = format!("cannot read --baseline {asked}: there is no such file");
            return Err(Error::new(Exit::WrongFile, text));
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
            "there is no baseline for --baseline {asked} ({PROGRAM} baseline {near} --reason TEXT makes one)"
        );
        return Err(Error::new(Exit::NoBaseline, text));
    }
    Ok(Insisted { candidates, chosen: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_reports_have_one_name() {
        let names = ["libgcc-list 12", "llvm 14", "libgcc-list 12", "libgcc-list 12"];
        let apart = told_apart_by_number(names.map(str::to_owned).to_vec());
        assert_eq!(apart, ["libgcc-list 12", "llvm 14", "libgcc-list 12 2", "libgcc-list 12 3"]);
    }
}
