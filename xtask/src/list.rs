//! `cargo xtask list`: the scenarios, what they judge, and whether a baseline fits this machine.

use std::collections::BTreeMap;

use loadline_scenario::{
    Absent, Environment, MetricKind, Scenario, SeriesName, Suite, Uncounted, Unwinder,
};

use crate::baseline_file::{Baselines, Key};
use crate::bench::Bench;
use crate::cli::List;
use crate::exit::{Exit, ended};
use crate::files;
use crate::interrupt::Interrupt;
use crate::judgement::is_control;
use crate::out;
use crate::project::Project;
use crate::report::{environment_line, stand_in_sentence};
use crate::runner::{Runner, Surroundings};
use crate::selection;
use crate::unwinders;

/// Carries the command out.
///
/// # Errors
/// When a scenario or baseline is wrong, or the machine cannot be described.
pub fn run(arguments: &List) -> anyhow::Result<Exit> {
    let interrupt = Interrupt::listen()?;
    let project = Project::open(arguments.root.as_deref())?;
    let mut scenarios = Vec::new();
    let mut skipped = BTreeMap::new();
    for scenario in selection::all(&project)? {
        match selection::why_skipped(&project, &scenario)? {
            Some(why) => {
                skipped.insert(scenario.name.clone(), why);
                scenarios.push(scenario);
            }
            None => scenarios.push(files::read(&project, scenario)?),
        }
    }
    if scenarios.is_empty() {
        let text = format!("no scenario in {}", project.scenarios().display());
        return Err(ended(Exit::NothingSelected, text));
    }
    let runner = Runner::build(&project, &Surroundings::under(&Unwinder::Host), &interrupt)?;
    let bench = Bench { project: &project, runner: &runner, before: None };
    let (environment, absent) = bench.describe()?;
    out::line(environment_line(&environment))?;
    absent.iter().try_for_each(|absent| out::line(missing(absent)))?;
    list_unwinders(&project, &runner, &environment)?;
    let is_there = |scenario: &Scenario| !skipped.contains_key(&scenario.name);
    let scenarios = selection::with_controls(&project, scenarios, is_there)?;
    for scenario in &scenarios {
        let path = project.baselines().join(format!("{}.toml", scenario.name));
        let baselines = Baselines::read(&path)?;
        let (first, last) = (scenario.ladder.first(), scenario.ladder.last());
        out::line("")?;
        out::line(format_args!("{}{}", scenario.title(), belongs(scenario)))?;
        out::line(format_args!("    {}", scenario.question))?;
        out::line(format_args!(
            "    N {}…{}, {} rungs × {} processes",
            first.unwrap_or(&0),
            last.unwrap_or(&0),
            scenario.ladder.len(),
            scenario.processes
        ))?;
        out::line(format_args!("    judges {}", names(&scenario.judge)))?;
        if !scenario.observe.is_empty() {
            out::line(format_args!("    shows {}", names(&scenario.observe)))?;
        }
        if let Some(scaling) = scenario.scales().filter(|_| !is_control(scenario)) {
            let (series, threads) = (scaling.series, scaling.threads);
            out::line(format_args!(
                "    scales {series} with {threads} threads as its control does"
            ))?;
        }
        match skipped.get(&scenario.name) {
            Some(why) => out::line(format_args!("    skipped: {why}"))?,
            None => {
                out::line(format_args!(
                    "    baseline: {}",
                    fits(scenario, &baselines, &environment)
                ))?;
            }
        }
    }
    Ok(Exit::Clean)
}

/// A metric whose counter is missing here, and what that means.
fn missing(Absent { metric, absence, uncounted }: &Absent) -> String {
    let stand_in = stand_in_sentence(&metric.to_string(), *absence);
    let needed = "phases of commands need acknowledge = true";
    let remedy = absence.remedy();
    match uncounted {
        Uncounted::All => format!("{metric} is {absence}: {remedy}"),
        Uncounted::None => format!("{stand_in}; {needed}"),
        Uncounted::AllButCommands => {
            format!("{stand_in}, for commands only; {needed}. Other scenarios lack it: {remedy}")
        }
        Uncounted::Commands => format!("{metric} of commands is {absence}: {remedy}"),
    }
}

/// The unwinders that are here, each as a process says that has it, and how to get the others.
fn list_unwinders(project: &Project, host: &Runner, own: &Environment) -> anyhow::Result<()> {
    let mut families = Vec::new();
    for unwinder in unwinders::here(&project.unwinders()) {
        let described = match &unwinder {
            Unwinder::Host => Ok(own.clone()),
            _ => host.under(&unwinder).and_then(|runner| {
                let bench = Bench { project, runner: &runner, before: None };
                bench.describe().map(|(environment, _)| environment)
            }),
        };
        match described {
            Ok(Environment { unwinder_family, unwinder_version, unwinder_path, .. }) => {
                out::line(format_args!(
                    "unwinder {unwinder}: {unwinder_family} {unwinder_version}, {unwinder_path}"
                ))?;
                families.push(unwinder_family);
            }
            Err(error) => out::line(format_args!("unwinder {unwinder}: not usable: {error:#}"))?,
        }
    }
    let families: Vec<&str> = families.iter().map(String::as_str).collect();
    unwinders::missing(&families, &project.unwinders())
        .iter()
        .try_for_each(|sentence| out::line(format_args!("unwinder {sentence}")))
}

/// Its group, and whether it is measured unasked.
fn belongs(scenario: &Scenario) -> String {
    let group = scenario.group.as_ref().map(|group| format!("group {group}"));
    let complete = (scenario.suite == Suite::Complete).then(|| "with --complete".to_owned());
    let told: Vec<String> = group.into_iter().chain(complete).collect();
    if told.is_empty() { String::new() } else { format!("   ({})", told.join(", ")) }
}

fn names(series: &[SeriesName]) -> String {
    series.iter().map(SeriesName::to_string).collect::<Vec<_>>().join(", ")
}

fn fits(scenario: &Scenario, baselines: &Baselines, environment: &Environment) -> String {
    let key = Key::of(scenario, environment);
    let Some(baseline) = baselines.find(&key) else {
        let others = baselines.all.iter().filter(|b| b.key.variant == key.variant);
        let others: Vec<String> = others.map(|b| b.key.differences(&key).join("; ")).collect();
        return match others.as_slice() {
            [] => "none; counts are judged as stated, times beside the control".to_owned(),
            others => format!("none that fits ({})", others.join(" | ")),
        };
    };
    let judges_time = scenario.judge.iter().any(|n| n.metric.kind() == MetricKind::Time);
    if judges_time && !baseline.times_compare(environment) {
        let cpu = &baseline.environment.cpu;
        return format!("of {}; fits for counts, times are from {cpu}", baseline.date);
    }
    format!("of {}, fits ({})", baseline.date, baseline.reason)
}
