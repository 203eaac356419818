//! `cargo xtask list`: prints one line for each scenario. For named scenarios it prints what they judge, and
//! whether a baseline fits this machine.

use loadline_record::{Error, Exit, Machine, PROGRAM, Result};
use loadline_scenario::units::counted;
use std::collections::BTreeMap;
use std::fmt;

use loadline_scenario::{
    Absent, Environment, MetricKind, Scenario, SeriesName, Suite, Uncounted, Unwinder, Workload,
};

use crate::cli::List;
use loadline_measure::out;
use loadline_measure::process::interrupt::Interrupt;
use loadline_measure::process::runner::Runner;
use loadline_measure::process::unwinders;
use loadline_measure::project::files;
use loadline_measure::project::folders::Project;
use loadline_measure::project::selection;
use loadline_measure::session::bench::Bench;
use loadline_record::baseline::{Baselines, Key};
use loadline_report::stand_in_sentence;

/// Runs `cargo xtask list`.
///
/// # Errors
/// When a scenario or baseline is wrong, or the machine cannot be described.
pub fn run(arguments: &List) -> Result<Exit> {
    let interrupt = Interrupt::listen()?;
    let project = Project::open(arguments.root.as_deref())?;
    let mut scenarios = Vec::new();
    let mut skipped = BTreeMap::new();
    for scenario in selection::listed(&project, &arguments.names)? {
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
        return Err(Error::new(Exit::NothingSelected, text));
    }
    let runner = Runner::build(&project, &Machine::under(&Unwinder::Host), &interrupt)?;
    let bench = Bench { project: &project, runner: &runner, before: None };
    let (environment, absent) = bench.describe()?;
    let machine = Described { project: &project, environment: &environment, skipped: &skipped };
    if arguments.names.is_empty() {
        let is_command = |scenario: &Scenario| matches!(scenario.workload, Workload::Command(_));
        out::line(environment.line_of(scenarios.iter().all(is_command)));
        missing(&absent).iter().for_each(out::line);
        list_unwinders(&project, &runner, &environment)?;
        return machine.summarize(&scenarios);
    }
    let is_there = |scenario: &Scenario| !skipped.contains_key(&scenario.name);
    let scenarios = selection::with_controls(&project, scenarios, is_there)?;
    machine.describe(&scenarios)
}

/// What this machine can measure, and the baselines to judge against.
struct Described<'a> {
    project: &'a Project,
    environment: &'a Environment,
    /// The reason why a scenario cannot be measured yet, by its name.
    skipped: &'a BTreeMap<String, String>,
}

impl Described<'_> {
    /// Prints one line for each scenario: first the default suite, then the others.
    fn summarize(&self, scenarios: &[Scenario]) -> Result<Exit> {
        let widest = |of: fn(&Scenario) -> usize| scenarios.iter().map(of).max().unwrap_or(0);
        let title_width = widest(|scenario| scenario.full_name().len());
        let group_width = widest(|scenario| group(scenario).len());
        for (suite, heading) in [
            (Suite::Default, "scenarios of the default suite:"),
            (
                Suite::Complete,
                "scenarios that regress measures by name, by group or with --complete:",
            ),
        ] {
            let mut own = scenarios.iter().filter(|scenario| scenario.suite == suite).peekable();
            if own.peek().is_some() {
                out::line(format_args!("\n{heading}"));
            }
            for scenario in own {
                let (full_name, group, state) =
                    (scenario.full_name(), group(scenario), self.state(scenario)?);
                let question = &scenario.question;
                out::line(format_args!(
                    "  {full_name:title_width$}  {group:group_width$}  {state:16}  {question}"
                ));
            }
        }
        out::line(format_args!("\n{PROGRAM} list NAME shows a scenario or a group in full"));
        Ok(Exit::Clean)
    }

    /// Whether a baseline fits, in two or three words.
    fn state(&self, scenario: &Scenario) -> Result<&'static str> {
        Ok(match self.skipped.get(&scenario.name) {
            Some(_) => "not fetched yet",
            None => self.fit(scenario)?.words(),
        })
    }

    fn fit(&self, scenario: &Scenario) -> Result<Fit> {
        let path = self.project.baselines().join(format!("{}.toml", scenario.name));
        Ok(fit(scenario, &Baselines::read(&path)?, self.environment))
    }

    /// Prints everything about each scenario.
    fn describe(&self, scenarios: &[Scenario]) -> Result<Exit> {
        for (index, scenario) in scenarios.iter().enumerate() {
            let (first, last) = (scenario.sizes.first(), scenario.sizes.last());
            if index > 0 {
                out::line("");
            }
            out::line(format_args!("{}{}", scenario.full_name(), belongs(scenario)));
            out::line(format_args!("    {}", scenario.question));
            out::line(format_args!(
                "    N {}…{}, {} × {}",
                first.unwrap_or(&0),
                last.unwrap_or(&0),
                counted(scenario.sizes.len(), "size"),
                counted(scenario.repetitions, "repetition")
            ));
            out::line(format_args!("    judges {}", names(&scenario.judge)));
            if !scenario.observe.is_empty() {
                out::line(format_args!("    shows {}", names(&scenario.observe)));
            }
            if let Some(scaling) = scenario.scales().filter(|_| !scenario.is_control()) {
                let (series, threads) = (scaling.series, scaling.threads);
                out::line(format_args!(
                    "    scales {series} with {threads} threads as its control does"
                ));
            }
            match self.skipped.get(&scenario.name) {
                Some(why) => out::line(format_args!("    skipped: {why}")),
                None => out::line(format_args!("    baseline: {}", self.fit(scenario)?)),
            }
        }
        Ok(Exit::Clean)
    }
}

/// The metrics whose counters are missing here, one sentence for each reason.
fn missing(absent: &[Absent]) -> Vec<String> {
    let mut reasons: Vec<(Absent, Vec<String>)> = Vec::new();
    for one in absent {
        let is_alike =
            |known: &Absent| (known.absence, known.uncounted) == (one.absence, one.uncounted);
        match reasons.iter_mut().find(|(known, _)| is_alike(known)) {
            Some((_, metrics)) => metrics.push(one.metric.to_string()),
            None => reasons.push((*one, vec![one.metric.to_string()])),
        }
    }
    reasons.iter().map(|(one, metrics)| why_missing(&metrics.join(", "), one)).collect()
}

/// Says why these metrics have no counter here, and what follows from that.
fn why_missing(metrics: &str, Absent { absence, uncounted, .. }: &Absent) -> String {
    let stand_in = stand_in_sentence(metrics, *absence);
    let needed = "phases of commands need acknowledge = true";
    let remedy = absence.remedy();
    match uncounted {
        Uncounted::All => format!("not counted: {metrics}: {absence}; {remedy}"),
        Uncounted::None => format!("{stand_in}; {needed}"),
        Uncounted::AllButCommands => {
            format!("{stand_in}, for commands only; {needed}. Other scenarios lack it: {remedy}")
        }
        Uncounted::Commands => format!("not counted of commands: {metrics}: {absence}; {remedy}"),
    }
}

/// Lists the unwinders of this machine, each as described by a process that uses it, and how to get others.
fn list_unwinders(project: &Project, host: &Runner, own: &Environment) -> Result<()> {
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
                ));
                families.push(unwinder_family);
            }
            Err(error) => out::line(format_args!("unwinder {unwinder}: not usable: {error:#}")),
        }
    }
    let families: Vec<&str> = families.iter().map(String::as_str).collect();
    unwinders::missing(&families, &project.unwinders())
        .iter()
        .for_each(|sentence| out::line(format_args!("unwinder {sentence}")));
    Ok(())
}

/// The scenario's group, or nothing.
fn group(scenario: &Scenario) -> &str {
    scenario.group.as_deref().unwrap_or_default()
}

/// The group of the scenario, and whether the scenario is measured by default.
fn belongs(scenario: &Scenario) -> String {
    let group = scenario.group.as_ref().map(|group| format!("group {group}"));
    let complete = (scenario.suite == Suite::Complete).then(|| "with --complete".to_owned());
    let notes: Vec<String> = group.into_iter().chain(complete).collect();
    if notes.is_empty() { String::new() } else { format!("   ({})", notes.join(", ")) }
}

fn names(series: &[SeriesName]) -> String {
    series.iter().map(SeriesName::to_string).collect::<Vec<_>>().join(", ")
}

/// How well a scenario's baselines fit this machine.
enum Fit {
    /// The scenario has no baseline.
    None,
    /// All baselines were measured in other environments. Each text says how one differs.
    Others(Vec<String>),
    /// Counts can be compared. Times are from another CPU.
    Counts { date: String, cpu: String },
    /// A baseline fits; it was written on this date for this reason.
    Whole { date: String, reason: String },
}

impl Fit {
    const fn words(&self) -> &'static str {
        match self {
            Fit::None => "no baseline",
            Fit::Others(_) => "none that fits",
            Fit::Counts { .. } => "fits for counts",
            Fit::Whole { .. } => "baseline fits",
        }
    }
}

impl fmt::Display for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fit::None => f.write_str(
                "none; counts are judged against the expectation, times against the control",
            ),
            Fit::Others(others) => write!(f, "none that fits ({})", others.join(" | ")),
            Fit::Counts { date, cpu } => {
                write!(f, "of {date}; fits for counts, times are from {cpu}")
            }
            Fit::Whole { date, reason } => write!(f, "of {date}, fits ({reason})"),
        }
    }
}

fn fit(scenario: &Scenario, baselines: &Baselines, environment: &Environment) -> Fit {
    let key = Key::of(scenario, environment);
    let Some(baseline) = baselines.find(&key) else {
        let others = baselines.all.iter().filter(|b| b.key.variant == key.variant);
        let others: Vec<String> = others.map(|b| b.key.differences(&key).join("; ")).collect();
        return if others.is_empty() { Fit::None } else { Fit::Others(others) };
    };
    let date = baseline.date.clone();
    let judges_time = scenario.judge.iter().any(|n| n.metric.kind() == MetricKind::Time);
    if judges_time && !baseline.times_compare(environment) {
        return Fit::Counts { date, cpu: baseline.environment.cpu.clone() };
    }
    Fit::Whole { date, reason: baseline.reason.clone() }
}
