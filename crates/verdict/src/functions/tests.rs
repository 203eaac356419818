#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use loadline_scenario::Environment;

use super::*;

/// Builds the profiles of runs with a given cost of a search, plus 10,000 per module for unloading.
fn profiles(search: fn(f64) -> f64) -> Profiles {
    let function = |function: &str, own: f64| SavedFunction {
        object: "lib.so".to_owned(),
        function: function.to_owned(),
        own: own as u64,
        inclusive: own as u64,
        calls: 1,
        path: Vec::new(),
        callers: BTreeMap::new(),
    };
    let at = |n: usize| {
        let unload = vec![function("rest", 1e4 * n as f64), function("search", search(n as f64))];
        let load = vec![function("rest", 1e5 * n as f64)];
        let phases = BTreeMap::from([(Phase::Load, load), (Phase::Unload, unload)]);
        (n, SavedProfile { phases })
    };
    Profiles((3..=9).map(|k| at(1 << k)).collect())
}

fn found(search: fn(f64) -> f64, tables: &str) -> Vec<GrowingFunction> {
    let scenario = loadline_record::fixtures::scenario(tables);
    let environment = loadline_record::fixtures::environment();
    of_scenario(
        &scenario,
        &profiles(search),
        &Present { environment: &environment, today: "2026-11-23" },
        Reference::Accepted(None),
    )
}

#[test]
fn growth_is_found_while_the_total_is_linear() {
    let found = found(|n| 4.0 * n * n + 33.0 * n, "keep");
    let [search] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((search.phase, search.saved.function.as_str()), (Phase::Unload, "search"));
    assert_eq!(search.formula.to_string(), "4.00·N² + 33.0·N");
    assert_eq!(search.standing, Standing::Regressed);
    // 4·N² is a fifth of 110,000·N + 4·N² at N = 6,875.
    assert!(search.hidden.visible_from.unwrap().abs_diff(6875) < 300, "{:?}", search.hidden);
}

#[test]
fn what_is_linear_or_never_matters_is_not_red() {
    assert!(found(|n| 900.0 * n, "keep").is_empty());
    assert!(found(|n| 50.0 * n * (n.log2() - 1.0).max(1.0), "keep").is_empty());
    for growing in found(|n| 0.02 * n * n + 3.0 * n, "keep") {
        assert_eq!(growing.standing, Standing::Negligible);
    }
}

#[test]
fn limits_of_this_machine_change_no_verdict() {
    let on = |max_map_count: &str| {
        let environment = Environment {
            max_map_count: max_map_count.to_owned(),
            ..loadline_record::fixtures::environment()
        };
        let scenario = loadline_record::fixtures::scenario("keep");
        // A fifth of the total from N = 22,000 on.
        let growing = profiles(|n| 1.25 * n * n + 3.0 * n);
        let found = of_scenario(
            &scenario,
            &growing,
            &Present { environment: &environment, today: "2026-11-23" },
            Reference::Accepted(None),
        );
        (found[0].standing.clone(), found[0].hidden.extrapolate_to)
    };
    assert_eq!(on("65530").0, Standing::Regressed);
    assert_eq!(on("4096"), on("65530"));
    assert_eq!(on("1048576"), on("65530"));
}

#[test]
fn what_is_recorded_is_accepted_until_it_is_exceeded() {
    let recorded = profiles(|n| 4.0 * n * n + 33.0 * n).own(Phase::Unload, "lib.so", "search");
    let accepted = AcceptedFunction {
        phase: Phase::Unload,
        object: "lib.so".to_owned(),
        function: "search".to_owned(),
        series: recorded.unwrap(),
    };
    let standing = |search: fn(f64) -> f64| {
        let growing = found(search, "keep").remove(0);
        super::standing(&growing.series, &growing.formula, &growing.hidden, None, Some(&accepted))
    };
    assert_eq!(standing(|n| 4.0 * n * n + 33.0 * n), Standing::Accepted);
    assert_eq!(standing(|n| 0.02 * n * n * n + 4.0 * n * n), Standing::Regressed);
}

/// Growth on both sides of a comparison is not new, whatever the scenario knows. Growth only on the new side,
/// or faster growth there, is new.
#[test]
fn growth_that_the_other_build_has_as_well_is_not_red() {
    let scenario = loadline_record::fixtures::scenario("keep");
    let environment = loadline_record::fixtures::environment();
    let quadratic: fn(f64) -> f64 = |n| 4.0 * n * n + 33.0 * n;
    let standing = |other: Profiles| {
        let reference = Reference::Build(&other);
        of_scenario(
            &scenario,
            &profiles(quadratic),
            &Present { environment: &environment, today: "2026-11-23" },
            reference,
        )
        .remove(0)
        .standing
    };
    assert_eq!(standing(profiles(quadratic)), Standing::AsBefore);
    assert_eq!(standing(profiles(|n| 33.0 * n)), Standing::Regressed);
    assert_eq!(standing(profiles(|n| 0.05 * n * n + 33.0 * n)), Standing::Regressed);
    let renamed = |mut other: Profiles| {
        for (_, profile) in &mut other.0 {
            for one in profile.phases.values_mut().flatten() {
                one.function = one.function.replace("search", "find");
            }
        }
        other
    };
    assert_eq!(standing(renamed(profiles(quadratic))), Standing::AsBefore);
    assert_eq!(standing(renamed(profiles(|n| 33.0 * n))), Standing::Regressed);
}
