//! The order of measuring.

use std::collections::BTreeSet;

use loadline_scenario::{Plan, Scenario};

use crate::example::EXAMPLE;

fn scenarios() -> Vec<Scenario> {
    let scenario = Scenario::parse("example", EXAMPLE).expect("the example is a scenario");
    let other = Scenario { repetitions: 3, ..scenario.clone() };
    vec![scenario, other]
}

#[test]
fn every_size_is_visited_once_per_repetition() {
    let scenarios = scenarios();
    let plan = Plan::of(&scenarios, 1);
    let distinct: BTreeSet<_> =
        plan.runs.iter().map(|r| (r.repetition, r.scenario, r.modules)).collect();
    assert_eq!(distinct.len(), plan.runs.len());
    let expected: usize = scenarios.iter().map(|s| s.repetitions * s.sizes.len()).sum();
    assert_eq!(plan.runs.len(), expected);
    assert!(plan.runs.is_sorted_by_key(|run| run.repetition));
}

#[test]
fn further_rounds_bring_only_those_who_have_them() {
    let scenarios = scenarios();
    let more = Plan::of_repetitions(&scenarios, 3..5, 1);
    assert!(more.runs.iter().all(|run| run.scenario == 0 && run.repetition >= 3));
    assert_eq!(more.runs.len(), 2 * scenarios[0].sizes.len());
    let whole = Plan::of(&scenarios, 1);
    assert!(whole.runs.ends_with(&more.runs));
}

#[test]
fn the_seed_decides_the_order() {
    let scenarios = scenarios();
    assert_eq!(Plan::of(&scenarios, 1), Plan::of(&scenarios, 1));
    assert_ne!(Plan::of(&scenarios, 1).runs, Plan::of(&scenarios, 2).runs);
}
