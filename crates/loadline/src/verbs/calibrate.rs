//! `cargo xtask calibrate` measures unchanged code twice and learns how much the two measurements differ.
//! `--check` reports the differences.
//!
//! The suite is measured as two sessions, one after the other. The second is judged against the first. Every
//! series that is called worse is a false alarm.

use comfy_table::{Table, presets};
use loadline_growth::{Kind, Series, Tau, Verdict, calibrate};
use loadline_measure::session::measurement::Measurement;
use loadline_record::time;
use loadline_record::{Error, Exit, Result};
use loadline_scenario::{MetricKind, Scenario, SeriesName};

use crate::cli::{self, Selection};
use crate::committed::Committed;
use crate::conclude::{report, say};
use loadline_measure::out;
use loadline_measure::process::interrupt::Interrupt;
use loadline_measure::process::lock::MachineLock;
use loadline_measure::process::runner::Runner;
use loadline_measure::process::unwinders;
use loadline_measure::project::folders::Project;
use loadline_measure::project::selection;
use loadline_measure::session::bench::Bench;
use loadline_record::atomic;
use loadline_record::calibration::{self, Calibration, Calibrations};
use loadline_record::header::Against;
use loadline_record::measured::{Measured, MeasuredBefore, MeasuredScenario};
use loadline_report::{environment_line, trimmed};
use loadline_verdict::judged::Judged;
use loadline_verdict::self_check;

/// The least number of repetitions of each measurement.
const REPETITIONS: usize = 10;

/// The name of the first measurement.
const FIRST: &str = "the same code, measured before";

/// Runs `cargo xtask calibrate`: measures twice, and stores how much the two measurements differ.
///
/// # Errors
/// When something could not be measured, the self-check failed, or the file cannot be written.
pub fn run(arguments: &cli::Calibrate) -> Result<Exit> {
    if arguments.check {
        return check(arguments);
    }
    let project = Project::open(arguments.selection.root.as_deref())?;
    // Finds a broken or unwritable file before minutes are spent.
    let mut calibrations = Calibrations::read(&project.baselines())?;
    atomic::check_made(&project.baselines(), &format!("{}.toml", calibration::NAME))?;
    let (measured, baselines) = measure_twice(&project, &arguments.selection)?;
    refuse_what_tells_nothing(&measured)?;
    let calibration = learn(&measured, &baselines);
    out::line(environment_line(&measured));
    out::text(table(&calibration, calibrations.find(&measured.environment)));
    let Calibration { n_series, n_false_alarms, repetitions, .. } = calibration;
    out::line(format_args!(
        "false alarms: {n_false_alarms} of {n_series} series measured twice, {repetitions} repetitions each"
    ));
    calibrations.put(calibration);
    calibrations.write(&project.baselines())?;
    out::line(format_args!("samples: {}", measured.saved.display()));
    out::line(format_args!("next: git diff {}", project.baselines().display()));
    Ok(Exit::Clean)
}

/// Runs `cargo xtask calibrate --check`: measures twice, and reports every series that is called worse.
///
/// # Errors
/// When something could not be measured.
fn check(arguments: &cli::Calibrate) -> Result<Exit> {
    arguments.outputs.check()?;
    let project = Project::open(arguments.selection.root.as_deref())?;
    let (measured, baselines) = measure_twice(&project, &arguments.selection)?;
    let report = report(&measured, &baselines);
    say(&report, &measured, &project, (&arguments.strictness).into(), &arguments.outputs)
}

/// Measures twice. Returns the second measurement, with the first as its other build.
fn measure_twice(project: &Project, asked: &Selection) -> Result<(Measured, Committed)> {
    let interrupt = Interrupt::listen()?;
    let scenarios = selection::chosen(project, &asked.choice())?;
    let _lock = MachineLock::take(project, asked.no_wait, &interrupt)?;
    let scenarios = selection::built(project, scenarios, &interrupt)?;
    let scenarios = selection::with_controls(project, scenarios, |_| true)?;
    let baselines = Committed::read(project, &scenarios, None)?;
    let unwinder = unwinders::only(&scenarios, &asked.unwinder(project)?)?;
    let runner = Runner::build(project, &asked.machine(&unwinder), &interrupt)?;
    let bench = Bench { project, runner: &runner, before: None };
    let (environment, absent) = bench.describe()?;
    let scenarios = match asked.sets_sizes() {
        true => scenarios,
        false => baselines.at_their_sizes(scenarios, &environment),
    };
    let mut all = loadline_scenario::self_check::scenarios_for(&scenarios);
    all.extend(scenarios);
    all.iter_mut()
        .for_each(|scenario| scenario.repetitions = scenario.repetitions.max(REPETITIONS));
    let seed = asked.seed.unwrap_or_else(time::now);
    let measure = |all: Vec<Scenario>, seed: u64| -> Result<Measured> {
        Ok(Measurement::whole(&bench, all, &environment, &absent, seed)?.measured())
    };
    let first = measure(all, seed)?;
    // The first session may have chosen sizes, and only costs at equal sizes can be compared.
    let all = first.scenarios.iter().map(|one| one.scenario.clone()).collect();
    let second = measure(all, seed.wrapping_add(1))?;
    let name = FIRST.to_owned();
    let argument = "calibrate --check".to_owned();
    let build = Against { name, argument, environment, absent };
    let is_asked = |m: &MeasuredScenario| !m.scenario.workload.is_self_check();
    let scenarios = first.scenarios.into_iter().filter(is_asked).collect();
    Ok((Measured { before: Some(MeasuredBefore { build, scenarios }), ..second }, baselines))
}

/// Refuses measurements of which a run or the self-check failed. They say nothing about each other.
fn refuse_what_tells_nothing(measured: &Measured) -> Result<()> {
    let before = measured.before.iter().flat_map(|before| &before.scenarios);
    let failed = measured.scenarios.iter().chain(before).find(|m| !m.failures.is_empty());
    if let Some(failed) = failed {
        let (full_name, failure) = (failed.scenario.full_name(), &failed.failures[0]);
        let text = format!("nothing was calibrated: {full_name}: {failure}");
        return Err(Error::new(Exit::CouldNotMeasure, text));
    }
    if self_check::has_failed(&self_check::seen(measured, None)) {
        let text = "nothing was calibrated: the self-check failed (repeat on a quieter machine)";
        return Err(Error::new(Exit::SelfCheckFailed, text));
    }
    Ok(())
}

/// Learns the floors from the two measurements, and counts the false alarms that remain with them.
fn learn(measured: &Measured, baselines: &Committed) -> Calibration {
    let pairs = pairs(measured);
    let tau = |kind| calibrate(kind, pairs.iter().map(|(first, second)| (first, second)));
    let (tau_count, tau_time) = (rounded(tau(Kind::Count)), rounded(tau(Kind::Time)));
    let environment = &measured.environment;
    let mut calibration = Calibration {
        cpu: environment.cpu.clone(),
        caches: environment.caches.clone(),
        tau_count,
        tau_time,
        n_series: pairs.len(),
        n_false_alarms: 0,
        repetitions: measured.scenarios.iter().map(|m| m.scenario.repetitions).min().unwrap_or(0),
        date: time::date(time::now()),
        loadline: environment.loadline.clone(),
    };
    let rows = loadline_verdict::judge::judge(measured, &baselines.calibrated(calibration.clone()));
    let is_alarm = |row: &&Judged| row.outcome.verdict() == Some(Verdict::Regressed);
    calibration.n_false_alarms = rows.iter().filter(is_alarm).count();
    calibration
}

/// A floor as it is stored, with four decimal places.
fn rounded(tau: Tau) -> f64 {
    (tau.share() * 1e4).round() / 1e4
}

/// The pairs of all judged series that both measurements have.
fn pairs(measured: &Measured) -> Vec<(Series, Series)> {
    let before = measured.before.iter().flat_map(|before| &before.scenarios);
    let pairs = before.flat_map(|first| {
        let full_name = first.scenario.full_name();
        let second = measured.scenarios.iter().find(move |m| m.scenario.full_name() == full_name);
        let of = move |name: &SeriesName| Some((first.complete(*name)?, second?.complete(*name)?));
        first.scenario.judge.iter().filter_map(of).collect::<Vec<_>>()
    });
    pairs.collect()
}

fn table(new: &Calibration, old: Option<&Calibration>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["tau of", "by default", "was", "becomes"]);
    for kind in [MetricKind::Count, MetricKind::Time] {
        let (name, default, pick): (_, _, fn(&Calibration) -> f64) = match kind {
            MetricKind::Count => ("counts", Tau::COUNT, |c| c.tau_count),
            MetricKind::Time => ("times", Tau::TIME, |c| c.tau_time),
        };
        let percent = |share: f64| format!("{:.2} %", share * 100.0);
        let was = old.map_or("–".to_owned(), |old| percent(pick(old)));
        table.add_row([name.to_owned(), percent(default.share()), was, percent(pick(new))]);
    }
    trimmed(&table.to_string())
}
