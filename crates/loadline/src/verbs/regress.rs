//! `cargo xtask regress`: measures, judges against the baselines, and reports.

use crate::committed::Committed;
use crate::conclude::{carry_out, say};
use crate::saved::{self};
use loadline_record::time;
use loadline_record::{Error, Exit, Result, SHARD_SEED, Strictness};
use loadline_report::facts;
use std::path::Path;

use loadline_scenario::{Environment, MetricKind, Scenario, Unwinder};

use crate::cli::Regress;
use crate::outputs::Form;
use loadline_measure::builds::against::Builds;
use loadline_measure::out;
use loadline_measure::process::interrupt::Interrupt;
use loadline_measure::process::lock::MachineLock;
use loadline_measure::process::unwinders;
use loadline_measure::project::folders::Project;
use loadline_measure::project::selection;
use loadline_measure::session::affordable_sizes;
use loadline_measure::session::bench::Bench;
use loadline_measure::session::measurement::Measurement;
use loadline_measure::session::places::{self, Place};
use loadline_measure::session::resume::{self, Reopened};
use loadline_measure::session::shard;
use loadline_record::header::{Asked, Header, Part, Planned};
use loadline_record::rounds::Measured;
use loadline_report::Look;
use loadline_report::by_unwinder;
use loadline_verdict::outcome::Concluded;

/// Runs `cargo xtask regress`.
///
/// # Errors
/// When something could not be measured, or the command line is wrong. A regression is not an error.
pub fn run(arguments: &Regress) -> Result<Exit> {
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
        match arguments.bisect
            && selection::is_in_another_commit(&project, &arguments.selection.choice())
        {
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
    // Finds a broken baseline before anything is built.
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
        out::text(Form::Text.render(&facts, Look::of_stdout())?);
        let part = several.then_some(part.as_str());
        arguments.outputs.write(&facts, part)?;
        concluded.push(one);
    }
    if several {
        let others = |families: &[&str]| unwinders::missing(families, &project.unwinders());
        out::text(by_unwinder::side_by_side(&concluded, &others));
    }
    let exits: Vec<Exit> = concluded.iter().map(|one| one.report.exit(strictness)).collect();
    Ok(Exit::of(&exits))
}

/// Makes all names different: the second `libgcc-list 12` becomes `libgcc-list 12 2`. The user may ask for
/// two libraries of one family and version, and each report needs a file of its own.
fn told_apart_by_number(names: Vec<String>) -> Vec<String> {
    let mut apart: Vec<String> = Vec::new();
    for name in names {
        let numbered = (2..).map(|number| format!("{name} {number}"));
        let mut candidates = std::iter::once(name.clone()).chain(numbered);
        apart.extend(candidates.find(|candidate| !apart.contains(candidate)));
    }
    apart
}

/// The strictness of the exit code. In a bisection, an undecided series is not good.
fn strictness(arguments: &Regress) -> Strictness {
    let asked = Strictness::from(&arguments.strictness);
    Strictness { inconclusive: asked.inconclusive || arguments.bisect, ..asked }
}

/// Reports that both sides run the same program, so that there is nothing to measure.
fn not_measured(
    same: &[String],
    project: &Project,
    arguments: &Regress,
    builds: &Builds,
) -> Result<Exit> {
    same.iter().for_each(out::line);
    if !arguments.outputs.reports.is_empty() {
        let bench = Bench { project, runner: &builds.now, before: None };
        let (environment, absent) = bench.describe()?;
        let seed = arguments.selection.seed.unwrap_or_else(time::now);
        let mut header = Header::new(seed, Vec::new(), environment, absent);
        header.left_out = same.to_vec();
        let measured = Measured::of(&header, Vec::new(), &[], project.sessions());
        let facts =
            loadline_report::same_program(&measured, &|scenario| saved::texts(project, scenario));
        arguments.outputs.write(&facts, None)?;
    }
    Ok(Exit::Clean)
}

/// The unwinders for all scenarios whose files do not name one.
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

/// Measures and judges one session. `left_out` names what no session measures.
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
        // Either no baseline is used, or the user chose the sizes.
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
        let slow = affordable_sizes::leave_out_what_takes_too_long(
            &bench,
            &mut scenarios,
            environment,
            is_sized,
        )?;
        left_out.extend(slow);
    }
    let mut all = loadline_scenario::self_check::scenarios_for(&scenarios);
    all.extend(scenarios);
    let default_seed = || arguments.shard.map_or_else(time::now, |_| SHARD_SEED);
    let seed = arguments.selection.seed.unwrap_or_else(default_seed);
    // The other build is deleted when this program ends, so such a session cannot be resumed.
    let to_take_up = before.is_none().then(|| asked.clone());
    let mut measurement = Measurement::begin(&bench, all, environment, absent, seed, |header| {
        header.asked = to_take_up;
        header.again = arguments.again(&pass.unwinder);
    })?;
    measurement.leave_out(left_out)?;
    out::note(measurement.plan_line());
    carry_out(measurement, &baselines, &asked)
}

/// Resumes a session of `regress`. Scenarios, sizes, repetitions, seed, unwinder, baseline and budget are the
/// session's own.
///
/// # Errors
/// As for [`Reopened::of`], and when something could not be measured.
fn resume(
    arguments: &Regress,
    named: Option<&Path>,
    project: &Project,
    interrupt: &Interrupt,
) -> Result<Exit> {
    // Takes the lock first, because the newest session may be in progress.
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

/// The command line's options that the session has to remember.
fn asked(
    arguments: &Regress,
    project: &Project,
    unwinder: &Unwinder,
    suite: &[Scenario],
    scenarios: &[Scenario],
) -> Result<Asked> {
    // The user may resume the session from another folder.
    let from_anywhere = |text: &String| match std::fs::canonicalize(text) {
        Ok(path) if path.is_file() => path.display().to_string(),
        _ => text.clone(),
    };
    let suite = || suite.iter().map(Planned::of).collect();
    // A newer LLVM libunwind may be installed by then.
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

/// The seconds that the scenarios ask for, and some for the self-check.
fn budget_of(scenarios: &[Scenario]) -> u64 {
    const SECONDS_FOR_SELF_CHECKS: u64 = 20;
    SECONDS_FOR_SELF_CHECKS
        + scenarios.iter().map(|scenario| scenario.budget.as_secs()).sum::<u64>()
}

/// Whether a time of `scenario` has to be compared with its control, because no baseline has comparable
/// times.
fn needs_control(scenario: &Scenario, environment: &Environment, baselines: &Committed) -> bool {
    let fitting = baselines.fitting(scenario, environment);
    scenario.judge.iter().filter(|name| name.metric.kind() == MetricKind::Time).any(|name| {
        fitting.is_none_or(|b| !b.times_compare(environment) || b.find(*name).is_none())
    })
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
