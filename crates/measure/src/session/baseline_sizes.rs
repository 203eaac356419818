//! Decides at which sizes a baseline is measured. Each size is tried once before repetitions are spent on it.
//! The smallest size must cost clearly more than an empty phase. The largest must fit the machine and the
//! time. Later sessions measure at the same sizes.

use loadline_record::{Context, Error, Exit, Floor, Result};
use std::collections::BTreeMap;

use loadline_scenario::scenario::{FEWEST_SIZES, LARGEST_MODULES, SMALLEST_RATIO};
use loadline_scenario::self_check;
use loadline_scenario::{
    Collector, Environment, Metric, MetricKind, Phase, Run, Sample, Scenario, SeriesName,
};

use crate::session::affordable_sizes::seconds_at;
use crate::session::bench::Bench;

use crate::session::limits::{most_resident, why_not};
use loadline_record::header::{Outcome, Side};
use loadline_record::measured::can_be_judged;
use loadline_scenario::units::amount;

/// The number of empty phases from which the noise floor is determined.
const EMPTY_RUNS: usize = 15;

/// The factor by which the cost at the smallest N exceeds the noise floor. The floor then adds at most 5 %.
const CLEARANCE: f64 = 20.0;

/// The number of sizes above the largest, each twice the size before, at which later verdicts can be
/// confirmed.
const LARGER: usize = 2;

/// The seconds that all repetitions of a larger size may take. Such sizes are a convenience.
const SECONDS_FOR_LARGER: f64 = 15.0;

/// The seconds that all repetitions of one scenario's sizes may take.
const SECONDS_FOR_SIZES: f64 = 300.0;

/// Measures the noise floor: what an empty phase reads.
///
/// # Errors
/// When a run fails, or the program is interrupted.
pub fn noise_floor(bench: &Bench<'_>, environment: &Environment) -> Result<Floor> {
    let empty = self_check::scenario(self_check::CPU_LINEAR)
        .expect("the self-check's scenarios are constants");
    let metrics = empty.metrics_by(Collector::Clock);
    let mut readings: BTreeMap<Metric, Vec<f64>> = BTreeMap::new();
    for repetition in 0..EMPTY_RUNS {
        let run = Run { scenario: 0, modules: 0, repetition, collector: Collector::Clock };
        let (record, _) = bench.run(&empty, &(run, Side::Now), &metrics, 0, environment)?;
        for sample in finished(&record.outcome).context("cannot measure the noise floor")? {
            // A cost that occurs once in each process is a constant to a fit, not noise.
            let is_noise = sample.phase == Phase::Work && sample.metric.kind() == MetricKind::Time;
            if let Some(value) = sample.reading.value().filter(|_| is_noise) {
                readings.entry(sample.metric).or_default().push(value);
            }
        }
    }
    let ninth_of_ten = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        values[values.len() * 9 / 10]
    };
    Ok(Floor(readings.into_iter().map(|(metric, v)| (metric, ninth_of_ten(v))).collect()))
}

/// The noise floor as one sentence for people.
pub fn sentence(floor: &Floor) -> String {
    let shown = floor.0.iter().map(|(metric, value)| {
        let value = amount(*value, metric.unit());
        format!("{metric} {value}")
    });
    format!("noise floor: an empty phase reads at most {}", shown.collect::<Vec<_>>().join(", "))
}

/// The sizes of one scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Sizes {
    /// The sizes that every session measures.
    pub sizes: Vec<usize>,
    /// The larger sizes at which verdicts may be confirmed.
    pub larger: Vec<usize>,
    /// Why some sizes were left out, one sentence each.
    pub reasons: Vec<String>,
}

/// The trial of one size.
struct Tried {
    modules: usize,
    seconds: f64,
    samples: Vec<Sample>,
}

/// Tries the sizes of `scenario` from the smallest on, and then twice and four times its largest.
///
/// # Errors
/// When too few sizes are left to judge, artifacts cannot be made, or the program is interrupted.
pub fn sizes(
    bench: &Bench<'_>,
    scenario: &Scenario,
    repetitions: usize,
    floor: &Floor,
    environment: &Environment,
) -> Result<Sizes> {
    let mut reasons = Vec::new();
    let mut tried: Vec<Tried> = Vec::new();
    let metrics = scenario.metrics_by(Collector::Clock);
    let top = scenario.sizes.last().copied().unwrap_or(0);
    let larger = (1..=LARGER as u32).filter_map(|doublings| top.checked_shl(doublings));
    for modules in scenario.sizes.iter().copied().chain(larger) {
        if let Some(why) = why_left_out(scenario, modules, &tried, repetitions, environment) {
            reasons.push(format!("N = {modules} and more left out: {why}"));
            break;
        }
        let whole = Scenario { sizes: vec![modules], ..scenario.clone() };
        bench.prepare_all(&[whole], None)?;
        let run = Run { scenario: 0, modules, repetition: 0, collector: Collector::Clock };
        let (record, _) = bench.run(scenario, &(run, Side::Now), &metrics, 0, environment)?;
        match finished(&record.outcome) {
            Ok(samples) => {
                let (seconds, samples) = (record.seconds, samples.to_vec());
                tried.push(Tried { modules, seconds, samples });
            }
            Err(error) => {
                reasons.push(format!("N = {modules} and more left out: the run failed: {error:#}"));
                break;
            }
        }
    }
    let smallest = smallest_clear(scenario, &tried, floor);
    if let Some((modules, why)) = &smallest
        && tried.first().is_some_and(|first| first.modules < *modules)
    {
        reasons.push(format!("N below {modules} left out: {why}"));
    }
    let from = smallest.map_or(0, |(modules, _)| modules);
    let kept = tried.iter().map(|tried| tried.modules).filter(|modules| *modules >= from);
    let (sizes, larger): (Vec<usize>, Vec<usize>) = kept.partition(|modules| *modules <= top);
    check(scenario, &sizes, &reasons)?;
    Ok(Sizes { sizes, larger, reasons })
}

fn finished(outcome: &Outcome) -> Result<&[Sample]> {
    match outcome {
        Outcome::Finished { samples, .. } => Ok(samples),
        Outcome::Failed { error } => Err(Error::new(Exit::CouldNotMeasure, error.clone())),
    }
}

/// Says why the size `modules` is not tried. Its time is extrapolated from the two sizes before it. `None` if
/// it may be tried.
fn why_left_out(
    scenario: &Scenario,
    modules: usize,
    tried: &[Tried],
    repetitions: usize,
    environment: &Environment,
) -> Option<String> {
    if modules > LARGEST_MODULES {
        return Some(format!("N is at most {LARGEST_MODULES}"));
    }
    let resident = tried.last().and_then(|last| most_resident(&last.samples));
    if let Some(why) = why_not(scenario, modules, resident, environment) {
        return Some(why);
    }
    let [.., before, last] = tried else { return None };
    let [before, last] = [before, last].map(|tried| (tried.modules, tried.seconds));
    let seconds = seconds_at(modules, before, last, 1);
    let timeout = scenario.timeout.as_secs_f64();
    if seconds > timeout / 2.0 {
        return Some(format!(
            "a run may take {seconds:.0} s of the {timeout:.0} s of timeout_seconds"
        ));
    }
    let is_larger = scenario.sizes.last().is_some_and(|top| modules > *top);
    let earlier: f64 = tried.iter().map(|tried| tried.seconds).sum();
    let (all, limit) = if is_larger {
        (seconds * repetitions as f64, SECONDS_FOR_LARGER)
    } else {
        ((earlier + seconds) * repetitions as f64, SECONDS_FOR_SIZES)
    };
    let what = if is_larger { "this size" } else { "the sizes up to it" };
    (all > limit).then(|| {
        format!("{repetitions} repetitions of {what} would take {all:.0} s, more than the allowed {limit:.0} s")
    })
}

/// The smallest tried size at which every judged cost is clearly above the noise floor, and why smaller sizes
/// are not. `None` if no judged series has a floor.
fn smallest_clear(scenario: &Scenario, tried: &[Tried], floor: &Floor) -> Option<(usize, String)> {
    let of_series = |name: &SeriesName| {
        let floor = floor.0.get(&name.metric).copied()?;
        let cost = |tried: &Tried| {
            let is_own = |s: &&Sample| {
                (s.phase, s.metric, s.modules) == (name.phase, name.metric, tried.modules)
            };
            tried.samples.iter().find(is_own).and_then(|sample| sample.reading.value())
        };
        // A cost of zero is not noise.
        let is_clear = |tried: &&Tried| {
            cost(tried).is_none_or(|cost| cost == 0.0 || cost >= CLEARANCE * floor)
        };
        let modules = tried.iter().find(is_clear).or(tried.last())?.modules;
        let unit = name.metric.unit();
        let why = format!(
            "{name} is less than {CLEARANCE} times the noise floor of {}",
            amount(floor, unit)
        );
        Some((modules, why))
    };
    scenario.judge.iter().filter_map(of_series).max_by_key(|(modules, _)| *modules)
}

fn check(scenario: &Scenario, sizes: &[usize], reasons: &[String]) -> Result<()> {
    if can_be_judged(sizes) {
        return Ok(());
    }
    let (full_name, reasons) = (scenario.full_name(), reasons.join("; "));
    let text = format!(
        "cannot measure {full_name}: only N = {sizes:?} is left of its sizes, and {FEWEST_SIZES} sizes that span a factor of {SMALLEST_RATIO} are needed ({reasons})"
    );
    Err(Error::new(Exit::CouldNotMeasure, text))
}
