//! Checks at which N a limit of the system ends a scenario. The N is extrapolated from the cost of one
//! module, and then checked by loading modules up to the limit.

use loadline_growth::Series;
use loadline_record::{Error, Exit, Forecast, Result};
use loadline_scenario::{
    Environment, Exhaust, Exhausted, Limit, Message, Metric, Phase, Request, Scenario, SeriesName,
    Workload,
};

use crate::process::runner::RunFailure;
use crate::session::bench::Bench;
use loadline_record::measured::{Measured, MeasuredScenario};
use loadline_scenario::units::amount;

/// The largest relative error of an extrapolated N for which the check passes.
const TOLERANCE: f64 = 0.02;

/// The most file descriptors of a process that checks their limit. The usual limit of a login session would
/// be met a million modules after the limit of mappings.
const LOWERED_DESCRIPTORS: u64 = 4096;

/// The most bytes of address space of a process that checks this limit. There is no limit by default. All
/// these bytes may then be in physical memory.
const LOWERED_ADDRESS_SPACE: u64 = 1 << 30;

/// The most modules that are loaded to meet a limit. A limit beyond them is only extrapolated.
const MOST_MODULES: usize = 200_000;

/// Checks the limit of every scenario of `measured` that asks for it, each in a process of its own.
///
/// # Errors
/// Only when the program is interrupted.
pub fn check(bench: &Bench<'_>, measured: &Measured) -> Result<Vec<Forecast>> {
    let mut all = Vec::new();
    for one in &measured.scenarios {
        // A control has no limit of its own to check.
        let limit = one.scenario.limit.filter(|_| !one.scenario.is_control());
        if let Some(limit) = limit {
            let found = of(bench, one, limit, &measured.environment);
            let (sentence, holds) =
                found.map_err(|_| Error::new(Exit::Interrupted, "interrupted"))?;
            all.push(Forecast { scenario: one.scenario.full_name(), sentence, holds });
        }
    }
    Ok(all)
}

/// The result for one scenario as a sentence, and whether the check passed.
fn of(
    bench: &Bench<'_>,
    one: &MeasuredScenario,
    limit: Limit,
    environment: &Environment,
) -> Result<(String, bool), RunFailure> {
    let not_looked_at =
        |why: String| (format!("the N at which {limit} end is not known: {why}"), true);
    let (value, lowered) = match value(limit, environment) {
        Ok(found) => found,
        Err(why) => return Ok(not_looked_at(why)),
    };
    let Some(each) = Each::within(one, limit) else {
        let name = SeriesName::new(Phase::Load, metric(limit));
        return Ok(not_looked_at(format!("{name} was not counted")));
    };
    let extrapolated = each.modules_within(value as f64);
    if let Some(first) = mappings_end_before(one, limit, extrapolated, environment) {
        let sentence = format!(
            "{limit} would end at N ≈ {extrapolated:.0} (extrapolated), but mappings end first, at N ≈ {first:.0}: not tried"
        );
        return Ok((sentence, true));
    }
    let memory = memory(one, environment);
    let most = (extrapolated * 1.25) as usize + 64;
    if most > MOST_MODULES {
        let sentence = format!(
            "{limit} end at N ≈ {extrapolated:.0} (extrapolated; {} allowed, {} per module): too far to try{memory}",
            shown(limit, value as f64),
            shown(limit, each.slope)
        );
        return Ok((sentence, true));
    }
    let reached = match go(bench, &one.scenario, limit, lowered, most) {
        Ok(reached) => reached,
        Err(RunFailure::Interrupted) => return Err(RunFailure::Interrupted),
        Err(failure) => {
            let sentence =
                format!("cannot load modules until {limit} end (N ≈ {extrapolated:.0}): {failure}");
            return Ok((sentence, false));
        }
    };
    let extrapolated = each.modules_within(value as f64 - reached.in_use as f64);
    Ok(judge(limit, value, extrapolated, &each, &reached, &memory))
}

/// Compares the N at which the limit was met with the extrapolated N.
fn judge(
    limit: Limit,
    value: u64,
    extrapolated: f64,
    each: &Each,
    reached: &Exhausted,
    memory: &str,
) -> (String, bool) {
    let found = reached.modules as f64;
    let off = (found - extrapolated).abs() / extrapolated.max(1.0);
    let holds = off <= TOLERANCE;
    let verdict = if holds { "as extrapolated" } else { "NOT as extrapolated" };
    let sentence = format!(
        "{limit} end at N = {extrapolated:.0} (extrapolated from N ≤ {}: {} per module, {} allowed, {} in use before); tried: an error at N = {found} ({:.1} % off, {verdict}): {}{memory}",
        each.largest,
        shown(limit, each.slope),
        shown(limit, value as f64),
        shown(limit, reached.in_use as f64),
        off * 100.0,
        reached.ended
    );
    (sentence, holds)
}

/// An amount of the limited resource, as text.
fn shown(limit: Limit, value: f64) -> String {
    match limit {
        Limit::AddressSpace => amount(value, "bytes"),
        Limit::Mappings | Limit::Descriptors if value.fract() == 0.0 => format!("{value:.0}"),
        Limit::Mappings | Limit::Descriptors => format!("{value:.3}"),
    }
}

/// The limit of a process that checks it, and the value to which that process lowers it, if it does.
fn value(limit: Limit, environment: &Environment) -> Result<(u64, Option<u64>), String> {
    let read = |text: &str| text.parse::<u64>().map_err(|_| format!("the limit is {text}"));
    match limit {
        Limit::Mappings => Ok((read(&environment.max_map_count)?, None)),
        Limit::Descriptors => {
            let value = read(&environment.descriptor_limit)?.min(LOWERED_DESCRIPTORS);
            Ok((value, Some(value)))
        }
        Limit::AddressSpace => {
            let limits = std::fs::read_to_string("/proc/self/limits");
            let allowed =
                limits.map_err(|error| format!("cannot read /proc/self/limits: {error}"))?;
            let value = address_space(&allowed).min(LOWERED_ADDRESS_SPACE);
            if read(&environment.memory_bytes)? / 2 < value {
                return Err(format!(
                    "half of the memory is less than {}",
                    amount(value as f64, "bytes")
                ));
            }
            Ok((value, Some(value)))
        }
    }
}

/// The address space limit of this process and its children, read from `/proc/self/limits`.
fn address_space(limits: &str) -> u64 {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"));
    let soft = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    soft.unwrap_or(u64::MAX)
}

/// The N at which mappings end, if they end before `limit` does at `extrapolated`. The process would then fail
/// for lack of mappings.
fn mappings_end_before(
    one: &MeasuredScenario,
    limit: Limit,
    extrapolated: f64,
    environment: &Environment,
) -> Option<f64> {
    let (allowed, _) = value(Limit::Mappings, environment).ok()?;
    let first = Each::within(one, Limit::Mappings)?.modules_within(allowed as f64);
    (limit != Limit::Mappings && first < extrapolated).then_some(first)
}

const fn metric(limit: Limit) -> Metric {
    match limit {
        Limit::Mappings => Metric::MappingsLive,
        Limit::Descriptors => Metric::DescriptorsLive,
        Limit::AddressSpace => Metric::MappedBytes,
    }
}

/// Says at which N memory would end. This is never checked, because the system would end some other process.
fn memory(one: &MeasuredScenario, environment: &Environment) -> String {
    let resident = one.complete(SeriesName::new(Phase::Load, Metric::ResidentBytes));
    let available = environment.memory_bytes.parse::<f64>().ok();
    match (resident.and_then(|series| Each::of(&series)), available) {
        (Some(each), Some(available)) if each.slope > 0.0 => format!(
            "; memory would end at N ≈ {:.0} (extrapolated: {} per module)",
            each.modules_within(available),
            amount(each.slope, "bytes")
        ),
        _ => String::new(),
    }
}

/// What one module takes of a resource, computed from the smallest and the largest N.
struct Each {
    slope: f64,
    fixed: f64,
    largest: u64,
}

impl Each {
    /// What a module of `one` takes of the limited resource. `None` if that was not counted.
    fn within(one: &MeasuredScenario, limit: Limit) -> Option<Each> {
        let series = one.complete(SeriesName::new(Phase::Load, metric(limit)))?;
        Each::of(&series)
    }

    /// `None` if the cost does not rise.
    fn of(series: &Series) -> Option<Each> {
        let mean = |costs: &Vec<f64>| costs.iter().sum::<f64>() / costs.len() as f64;
        let (sizes, costs) = (series.sizes(), series.costs());
        let (first, last) = (*sizes.first()? as f64, *sizes.last()? as f64);
        let (low, high) = (mean(costs.first()?), mean(costs.last()?));
        let slope = (high - low) / (last - first);
        let each = Each { slope, fixed: high - slope * last, largest: *sizes.last()? };
        (slope.is_finite() && slope > 0.0).then_some(each)
    }

    /// The number of modules that take this amount.
    fn modules_within(&self, value: f64) -> f64 {
        ((value - self.fixed) / self.slope).max(0.0)
    }
}

/// Loads modules up to the limit, in a process of its own.
fn go(
    bench: &Bench<'_>,
    scenario: &Scenario,
    limit: Limit,
    lowered: Option<u64>,
    most: usize,
) -> Result<Exhausted, RunFailure> {
    let Workload::Modules(workload) = &scenario.workload else {
        return Err(RunFailure::Refused("only modules are loaded up to a limit".to_owned()));
    };
    let artifacts = scenario.sizes.last().copied().unwrap_or(1);
    let workload = workload.clone();
    let cache = bench.project.corpora();
    let request = Request::Exhaust(Exhaust { workload, limit, lowered, artifacts, most, cache });
    let mut reached = None;
    bench.runner.ask(&request, scenario.timeout, |message| {
        if let Message::Exhausted(said) = message {
            reached = Some(said);
        }
    })?;
    reached.ok_or_else(|| {
        RunFailure::Unproven("the runner did not report the limit that it reached".to_owned())
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use loadline_growth::Kind;

    use super::*;

    fn each() -> Each {
        let costs = vec![vec![36.0], vec![68.0], vec![132.0], vec![260.0], vec![516.0]];
        let series = Series::new(Kind::Count, vec![16, 32, 64, 128, 256], costs).unwrap();
        Each::of(&series).unwrap()
    }

    #[test]
    fn a_limit_is_extrapolated_from_what_each_module_takes() {
        let each = each();
        assert_eq!((each.slope, each.fixed), (2.0, 4.0));
        assert_eq!(each.modules_within(65_530.0 - 100.0), 32_713.0);
        assert_eq!(each.modules_within(0.0), 0.0);
    }

    #[test]
    fn address_space_is_limited_where_the_system_says_so() {
        let limits = |value: &str| {
            format!(
                "Max cpu time  unlimited  unlimited  seconds\nMax address space  {value}  unlimited  bytes\n"
            )
        };
        assert_eq!(address_space(&limits("unlimited")), u64::MAX);
        assert_eq!(address_space(&limits("4294967296")), 1 << 32);
        assert_eq!(address_space(""), u64::MAX);
    }

    #[test]
    fn only_what_is_met_where_it_was_extrapolated_holds() {
        let found = |modules| {
            let reached = Exhausted { in_use: 100, modules, ended: "no more".to_owned() };
            judge(Limit::Mappings, 65_530, 32_713.0, &each(), &reached, "")
        };
        assert!(found(32_713).1 && found(32_300).1);
        let (sentence, holds) = found(30_000);
        assert!(!holds);
        assert!(sentence.contains("8.3 % off, NOT as extrapolated): no more"), "{sentence}");
    }
}
