//! Decides which sizes a session can afford where growth is expected. Under an unwinder for which a scenario
//! is quadratic, the largest sizes may take minutes.
//!
//! Each size is tried once, from the smallest on. The trial stops when all other sizes are known to fit the
//! scenario's budget. It also stops when the next size is extrapolated to exceed it.
//!
//! The sizes of a baseline are never cut, because costs are compared at equal sizes.

use loadline_record::Result;
use std::collections::BTreeMap;

use loadline_scenario::{Collector, Environment, Run, Scenario};

use crate::session::bench::Bench;
use loadline_record::header::{Outcome, Side};
use loadline_record::measured::can_be_judged;

/// Removes the sizes that would take too long, from a scenario and from its control alike. Returns one
/// sentence for each scenario that lost sizes. Scenarios with settled sizes are left alone. So are scenarios
/// that are expected to be linear in `environment`.
///
/// # Errors
/// When artifacts cannot be made, or the program is interrupted.
pub fn leave_out_what_takes_too_long(
    bench: &Bench<'_>,
    scenarios: &mut [Scenario],
    environment: &Environment,
    is_settled: impl Fn(&Scenario) -> bool,
) -> Result<Vec<String>> {
    let mut kept: BTreeMap<String, (Vec<usize>, usize)> = BTreeMap::new();
    let mut left_out = Vec::new();
    // A scenario on several threads gets the sizes that the same scenario on one thread can afford.
    let followers: Vec<String> =
        scenarios.iter().filter_map(Scenario::full_names_on_threads).flatten().collect();
    for scenario in scenarios.iter() {
        let follows = followers.contains(&scenario.full_name());
        if follows || is_settled(scenario) || !scenario.grows_under(&environment.unwinder_family) {
            continue;
        }
        let Some((n_sizes, why)) = affordable(bench, scenario, environment)? else { continue };
        let full_name = scenario.full_name();
        let sizes = &scenario.sizes[n_sizes..];
        left_out.push(format!("{full_name}: N = {sizes:?} left out, {why}"));
        for full_name in scenario.full_names_measured() {
            kept.insert(full_name, (scenario.sizes.clone(), n_sizes));
        }
    }
    for scenario in scenarios {
        // A control with sizes of its own keeps them: it is judged at the sizes that both have.
        if let Some((sizes, n_sizes)) = kept.get(&scenario.full_name())
            && scenario.sizes == *sizes
        {
            scenario.sizes.truncate(*n_sizes);
        }
    }
    Ok(left_out)
}

/// How many sizes of `scenario` can be afforded, and why not more. `None` if all sizes can be afforded.
fn affordable(
    bench: &Bench<'_>,
    scenario: &Scenario,
    environment: &Environment,
) -> Result<Option<(usize, String)>> {
    let metrics = scenario.metrics_by(Collector::Clock);
    let mut tried: Vec<(usize, f64)> = Vec::new();
    for (place, &modules) in scenario.sizes.iter().enumerate() {
        let rest = &scenario.sizes[place..];
        if is_affordable(scenario, &tried, rest) {
            return Ok(None);
        }
        if may_end_before(&scenario.sizes, place)
            && let Some(why) = why_too_long(scenario, &tried, modules)
        {
            return Ok(Some((place, why)));
        }
        let whole = Scenario { sizes: vec![modules], ..scenario.clone() };
        bench.prepare_all(&[whole], None)?;
        let run = Run { scenario: 0, modules, repetition: 0, collector: Collector::Clock };
        let (record, _) = bench.run(scenario, &(run, Side::Now), &metrics, 0, environment)?;
        match record.outcome {
            Outcome::Finished { .. } => tried.push((modules, record.seconds)),
            // The session meets the same failure and records it.
            Outcome::Failed { .. } => return Ok(None),
        }
    }
    Ok(None)
}

/// Whether `sizes` can still be judged without the sizes from `place` on.
fn may_end_before(sizes: &[usize], place: usize) -> bool {
    can_be_judged(&sizes[..place])
}

/// The number of runs at one size: all repetitions by the clock, and one that counts operations.
fn repetitions(scenario: &Scenario) -> f64 {
    scenario.repetitions as f64 + 1.0
}

/// Whether the sizes `rest` fit the budget even if every further cost were quadratic.
fn is_affordable(scenario: &Scenario, tried: &[(usize, f64)], rest: &[usize]) -> bool {
    let Some((last, seconds)) = tried.last() else { return false };
    let at = |n: &usize| seconds * (*n as f64 / *last as f64).powi(2);
    let longest = rest.iter().map(at).fold(0.0, f64::max);
    let all = earlier(tried) + rest.iter().map(at).sum::<f64>();
    all * repetitions(scenario) <= scenario.budget.as_secs_f64()
        && longest <= scenario.timeout.as_secs_f64() / 2.0
}

/// Says why the size `modules` takes too long to be tried, extrapolated from the two sizes before it. `None`
/// if it may be tried.
fn why_too_long(scenario: &Scenario, tried: &[(usize, f64)], modules: usize) -> Option<String> {
    let [.., before, last] = tried else { return None };
    let extrapolated = seconds_at(modules, *before, *last, 1);
    let timeout = scenario.timeout.as_secs_f64();
    if extrapolated > timeout / 2.0 {
        return Some(format!(
            "a run may take {extrapolated:.0} s of the {timeout:.0} s of timeout_seconds"
        ));
    }
    let (repetitions, budget) = (repetitions(scenario), scenario.budget.as_secs_f64());
    let all = (earlier(tried) + extrapolated) * repetitions;
    (all > budget).then(|| {
        format!(
            "{repetitions} repetitions of the sizes up to it would take {all:.0} s of the {budget:.0} s of budget_seconds"
        )
    })
}

/// Extrapolates how long a run at `n` takes, from the times at the two sizes before it. The growth of the last
/// step goes on, but is at least N to the power `least`, and at most quadratic.
pub(crate) fn seconds_at(n: usize, before: (usize, f64), last: (usize, f64), least: i32) -> f64 {
    let step = n as f64 / last.0 as f64;
    last.1 * (last.1 / before.1).clamp(step.powi(least), step * step)
}

fn earlier(tried: &[(usize, f64)]) -> f64 {
    tried.iter().map(|(_, seconds)| seconds).sum()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use loadline_record::fixtures::scenario;

    fn limited(budget: u64, timeout: u64) -> Scenario {
        let (budget, timeout) = (Duration::from_secs(budget), Duration::from_secs(timeout));
        Scenario { budget, timeout, repetitions: 5, ..scenario("keep") }
    }

    #[test]
    fn a_size_is_too_long_by_what_was_seen_below_it() {
        // 6 runs of 0.1 + 0.4 + 1.6 s take 12.6 s.
        let tried = [(64, 0.1), (128, 0.4)];
        assert_eq!(why_too_long(&limited(13, 120), &tried, 256), None);
        let why = why_too_long(&limited(12, 120), &tried, 256).unwrap_or_default();
        assert_eq!(
            why,
            "6 repetitions of the sizes up to it would take 13 s of the 12 s of budget_seconds"
        );
        let why = why_too_long(&limited(99, 3), &tried, 256).unwrap_or_default();
        assert_eq!(why, "a run may take 2 s of the 3 s of timeout_seconds");
        // One size alone allows no extrapolation.
        assert_eq!(why_too_long(&limited(0, 1), &tried[..1], 128), None);
    }

    #[test]
    fn trying_ends_where_even_quadratic_growth_fits() {
        let tried = [(64, 0.1)];
        // 6 runs of 0.1 + 0.4 + 1.6 s.
        assert!(is_affordable(&limited(13, 120), &tried, &[128, 256]));
        assert!(!is_affordable(&limited(12, 120), &tried, &[128, 256]));
        assert!(!is_affordable(&limited(13, 3), &tried, &[128, 256]));
        assert!(!is_affordable(&limited(13, 120), &[], &[128]));
    }

    #[test]
    fn what_is_left_can_be_judged() {
        let sizes = [1, 2, 4, 8, 16, 32];
        let may_end: Vec<bool> = (0..6).map(|place| may_end_before(&sizes, place)).collect();
        assert_eq!(may_end, [false, false, false, false, false, true]);
        assert!(!may_end_before(&[4, 5, 6, 7, 8, 9], 5), "a ratio of two tells no growth");
    }
}
