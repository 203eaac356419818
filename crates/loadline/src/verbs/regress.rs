//! `cargo xtask regress`: measures, judges against the baselines, and reports.

mod dry_run;
mod plan;
mod quick;

use crate::committed::Committed;
use crate::conclude::{carry_out, facts_of, say};
use crate::saved::{self};
use loadline_record::time;
use loadline_record::{Error, Exit, Result, SHARD_SEED};
use std::path::Path;

use loadline_scenario::{Scenario, Unwinder};

use crate::cli::Regress;
use crate::verbs::regress::plan::Planned;
use crate::verbs::sessions;
use loadline_measure::builds::against::Builds;
use loadline_measure::out;
use loadline_measure::process::interrupt::Interrupt;
use loadline_measure::process::lock::MachineLock;
use loadline_measure::process::unwinders::{self, Pass};
use loadline_measure::project::folders::Project;
use loadline_measure::project::selection;
use loadline_measure::session::bench::Bench;
use loadline_measure::session::measurement::Measurement;
use loadline_measure::session::places::{self, Place};
use loadline_measure::session::resume::{self, Reopened};
use loadline_record::header::Header;
use loadline_record::measured::Measured;
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
    let (passes, mut left_out) = passes(arguments, &project, &chosen)?;
    // Finds a broken baseline before anything is built.
    Committed::read(&project, &chosen, arguments.baseline.as_deref())?;
    let _lock = locked(arguments, &project, &interrupt)?;
    project.build(&interrupt)?;
    let passes = places::with_files(&project, passes, &mut left_out)?;
    let first = passes.first().map(|pass| arguments.selection.machine(&pass.unwinder));
    let first = first.unwrap_or_else(|| arguments.selection.machine(&Unwinder::Host));
    let builds = Builds::make(&project, &arguments.other(), &first, &interrupt)?;
    let (places, same) = places::of(&project, passes, &builds)?;
    if places.is_empty() {
        return not_measured(&same, &project, arguments, &builds);
    }
    left_out.extend(same);
    measure_places(arguments, &project, &places, left_out, &interrupt)
}

/// The passes of `scenarios`, one for each unwinder, and sentences about what is left out.
fn passes(
    arguments: &Regress,
    project: &Project,
    scenarios: &[Scenario],
) -> Result<(Vec<Pass>, Vec<String>)> {
    let asked = unwinders_asked(arguments, project)?;
    let may_leave_out = arguments.selection.names.is_empty();
    let (passes, left_out) = unwinders::passes(scenarios, &asked, may_leave_out)?;
    if let (Some(shard), [first, .., last]) = (arguments.shard, passes.as_slice()) {
        let (one, other) = (&first.unwinder, &last.unwinder);
        let text = format!(
            "cannot measure shard {shard}: its scenarios are measured under several unwinders, {one} and {other} among them, and a shard is part of one session (name scenarios of one unwinder)"
        );
        return Err(Error::new(Exit::Usage, text));
    }
    Ok((passes, left_out))
}

/// Keeps other sessions away, and removes what old ones left behind. A dry run measures nothing, so it does
/// neither.
fn locked(
    arguments: &Regress,
    project: &Project,
    interrupt: &Interrupt,
) -> Result<Option<MachineLock>> {
    if arguments.dry_run {
        return Ok(None);
    }
    let lock = MachineLock::take(project, arguments.selection.no_wait, interrupt)?;
    sessions::remove_old(project);
    Ok(Some(lock))
}

/// Measures, judges and reports one session after the other.
fn measure_places(
    arguments: &Regress,
    project: &Project,
    places: &[Place],
    mut left_out: Vec<String>,
    interrupt: &Interrupt,
) -> Result<Exit> {
    let strictness = arguments.strictness();
    let several = places.len() > 1;
    let unwinders = places.iter().map(|place| place.described.0.unwinder());
    let parts = told_apart_by_number(unwinders.collect());
    let mut concluded = Vec::new();
    for (place, part) in places.iter().zip(&parts) {
        if several {
            out::note(format_args!("under {part}:"));
        }
        let left_out = std::mem::take(&mut left_out);
        let planned = Planned::of(project, arguments, place, left_out)?;
        let bench = place.bench(project);
        if arguments.dry_run {
            out::text(dry_run::text(&bench, place, &planned)?);
            continue;
        }
        let one = measure_at(arguments, place, &bench, planned)?;
        interrupt.check()?;
        let facts = facts_of(&one.report, &one.measured, project, strictness);
        let part = several.then_some(part.as_str());
        arguments.outputs.write(part, |form, look| form.render(&facts, look))?;
        concluded.push(one);
    }
    if several && !arguments.dry_run && arguments.outputs.print_text() {
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

/// Reports that both sides run the same program, so that there is nothing to measure.
fn not_measured(
    same: &[String],
    project: &Project,
    arguments: &Regress,
    builds: &Builds,
) -> Result<Exit> {
    if arguments.outputs.are_usual() {
        same.iter().for_each(out::line);
    } else {
        let bench = Bench { project, runner: &builds.now, before: None };
        let (environment, absent) = bench.describe()?;
        let seed = arguments.selection.seed.unwrap_or_else(time::now);
        let mut header = Header::new(seed, Vec::new(), environment, absent);
        header.left_out = same.to_vec();
        let measured = Measured::of(&header, Vec::new(), &[], project.sessions());
        let facts =
            loadline_report::same_program(&measured, &|scenario| saved::texts(project, scenario));
        arguments.outputs.write(None, |form, look| form.render(&facts, look))?;
    }
    Ok(Exit::Clean)
}

/// The unwinders for all scenarios whose files do not name one.
fn unwinders_asked(arguments: &Regress, project: &Project) -> Result<Vec<Unwinder>> {
    let Regress { selection, against, against_wasmtime, bisect, shard, .. } = arguments;
    let asks_for_one = [
        (against.is_some(), "--against"),
        (against_wasmtime.is_some(), "--against-wasmtime"),
        (*bisect, "--bisect"),
        (shard.is_some(), "--shard"),
    ];
    let asked = asks_for_one.iter().find(|(is_asked, _)| *is_asked);
    if let Some((_, flag)) = asked.filter(|_| selection.has_several_unwinders()) {
        let text = format!("{flag} measures under one unwinder, and --unwinder names several");
        return Err(Error::new(Exit::Usage, text));
    }
    Ok(selection.unwinders(project))
}

/// Measures and judges one session.
fn measure_at(
    arguments: &Regress,
    place: &Place,
    bench: &Bench<'_>,
    planned: Planned,
) -> Result<Concluded> {
    let Place { pass, before, described: (environment, absent), .. } = place;
    let Planned { scenarios, left_out, baselines, asked } = planned;
    let default_seed = || arguments.shard.map_or_else(time::now, |_| SHARD_SEED);
    let seed = arguments.selection.seed.unwrap_or_else(default_seed);
    // The other build is deleted when this program ends, so such a session cannot be resumed.
    let to_take_up = before.is_none().then(|| asked.clone());
    let begin = |header: &mut Header| {
        header.asked = to_take_up;
        header.again = arguments.again(&pass.unwinder);
    };
    let mut measurement = Measurement::begin(bench, scenarios, environment, absent, seed, begin)?;
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
    let measurement = reopened.resume(&bench)?;
    let Concluded { mut measured, report } = carry_out(measurement, &baselines, &asked)?;
    measured.again.judged(asked.baseline.clone(), arguments.selection.root.as_deref());
    interrupt.check()?;
    let strictness = arguments.strictness.or_asked(&asked).into();
    say(&report, &measured, project, strictness, &arguments.outputs)
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
