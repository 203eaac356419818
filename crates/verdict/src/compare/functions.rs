//! The functions whose cost differs between two sides, the largest change first.

use std::collections::BTreeMap;

use loadline_growth::{CurveOptions, Formula, Series, judge_curve};
use loadline_scenario::Phase;
use serde::Serialize;

use super::side::{FunctionCosts, SideScenario};
use crate::causes;
use crate::functions::{Profiles, Reference, of_scenario, telling_caller, top};
use crate::rules::known::Present;
use crate::rules::readings::on_common_sizes;
use loadline_record::baseline::AcceptedFunction;
use loadline_record::profile::{SavedFunction, SavedProfile};
use loadline_scenario::units::short;

/// A change of less than this share of a phase is not shown.
const SMALLEST_CHANGE: f64 = 0.005;

/// The largest number of functions shown per phase.
const MOST: usize = 8;

/// The smallest exponent at which a function's growth may have a known cause.
const GROWS: f64 = 1.2;

/// A square term below this share of a cost is not shown.
const SMALLEST_SQUARE: f64 = 0.01;

/// A function whose cost changed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Moved {
    /// The phase in which the function runs.
    pub phase: Phase,
    /// The file name of the function's program or library.
    pub object: String,
    /// The name of the function.
    pub function: String,
    /// The caller, if it says more than the function's name.
    pub caller: Option<String>,
    /// The largest N that the two sides have in common; for a function of only one side, that side's largest
    /// N.
    pub at: u64,
    /// The function's own instructions at that N on the old side; `None` if a baseline does not record the
    /// function.
    pub old: Option<f64>,
    /// The function's own instructions at that N on the new side; `None` if a baseline does not record the
    /// function.
    pub new: Option<f64>,
    /// The change as a share of the phase's cost at that N on the side that costs more, from -1 to 1.
    pub share_of_phase: Option<f64>,
    /// The function's own instructions as a formula of N, on the old side.
    pub old_formula: Option<String>,
    /// The function's own instructions as a formula of N, on the new side.
    pub new_formula: Option<String>,
    /// The scaling exponent on the old side; `None` for a flat curve.
    pub old_exponent: Option<f64>,
    /// The scaling exponent on the new side; `None` for a flat curve.
    pub new_exponent: Option<f64>,
    /// Why the function grows, if the cause is known.
    pub cause: Option<String>,
}

/// Lists the functions whose cost differs. For a baseline, lists only the functions that the baseline
/// records, or would record.
pub fn moved(old: &SideScenario, new: &SideScenario) -> Vec<Moved> {
    match (&old.functions, &new.functions) {
        (FunctionCosts::All(before), FunctionCosts::All(now)) => of_profiles(before, now),
        (FunctionCosts::Growing(before), FunctionCosts::All(now)) => {
            let now = growing(new, now);
            of_recorded(before, &now)
        }
        (FunctionCosts::All(before), FunctionCosts::Growing(now)) => {
            let before = growing(old, before);
            of_recorded(&before, now)
        }
        (FunctionCosts::Growing(before), FunctionCosts::Growing(now)) => of_recorded(before, now),
        (FunctionCosts::None, _) | (_, FunctionCosts::None) => Vec::new(),
    }
}

/// The object and name of a function.
type Name = (String, String);

fn of_profiles(old: &Profiles, new: &Profiles) -> Vec<Moved> {
    let at = |profiles: &Profiles, n: usize| {
        profiles.0.iter().find(|(size, _)| *size == n).map(|(_, profile)| profile.clone())
    };
    let common = old.0.iter().rev().map(|(n, _)| *n).find(|n| at(new, *n).is_some());
    let Some(n) = common else { return Vec::new() };
    let (Some(before), Some(now)) = (at(old, n), at(new, n)) else { return Vec::new() };
    let mut all = Vec::new();
    for (phase, functions) in &now.phases {
        let Some(earlier) = before.phases.get(phase) else { continue };
        let mut costs: BTreeMap<Name, [u64; 2]> = BTreeMap::new();
        for (side, functions) in [earlier, functions].into_iter().enumerate() {
            for SavedFunction { object, function, own, .. } in functions {
                costs.entry((object.clone(), function.clone())).or_default()[side] += own;
            }
        }
        let total = |profile: &SavedProfile| profile.total(*phase).unwrap_or(0);
        let whole = total(&before).max(total(&now)).max(1) as f64;
        let share = |costs: &[u64; 2]| (costs[1] as f64 - costs[0] as f64) / whole;
        let mut changed: Vec<(Name, f64)> = costs
            .iter()
            .map(|(name, costs)| (name.clone(), share(costs)))
            .filter(|(_, share)| share.abs() >= SMALLEST_CHANGE)
            .collect();
        changed.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        changed.truncate(MOST);
        for ((object, function), share) in changed {
            let own = |profiles: &Profiles| profiles.own(*phase, &object, &function);
            let (Some(earlier), Some(later)) = (own(old), own(new)) else { continue };
            let (later, earlier) = on_common_sizes(&later, &earlier);
            let saved = [&before, &now]
                .into_iter()
                .filter_map(|profile| profile.find(*phase, &object, &function))
                .max_by_key(|saved| saved.own);
            all.push(moved_function(
                FunctionAt { phase: *phase, object: &object, function: &function, saved },
                Some(&earlier),
                Some(&later),
                Some(share),
            ));
        }
    }
    all.sort_by(|a, b| size(b).total_cmp(&size(a)));
    all
}

fn size(moved: &Moved) -> f64 {
    let cost = moved.new.unwrap_or(0.0) - moved.old.unwrap_or(0.0);
    cost.abs()
}

/// Returns the functions that a baseline of `side` would record.
fn growing(side: &SideScenario, profiles: &Profiles) -> Vec<AcceptedFunction> {
    let Some(scenario) = &side.scenario else { return Vec::new() };
    let present = Present { environment: &side.environment, today: &side.today };
    let grown = of_scenario(scenario, profiles, &present, Reference::Accepted(None));
    let recorded = grown.into_iter().map(|one| AcceptedFunction {
        phase: one.phase,
        object: one.saved.object,
        function: one.saved.function,
        series: one.series,
    });
    recorded.collect()
}

/// Lists the functions that either side records, except those with the same cost on both sides.
fn of_recorded(old: &[AcceptedFunction], new: &[AcceptedFunction]) -> Vec<Moved> {
    let same = |a: &AcceptedFunction, b: &AcceptedFunction| {
        (a.phase, &a.object, &a.function) == (b.phase, &b.object, &b.function)
    };
    let mut all = Vec::new();
    let mut tell = |one: &AcceptedFunction, old: Option<&Series>, new: Option<&Series>| {
        let AcceptedFunction { phase, object, function, .. } = one;
        let place = FunctionAt { phase: *phase, object, function, saved: None };
        let moved = moved_function(place, old, new, None);
        let is_same = match (moved.old, moved.new) {
            (Some(old), Some(new)) => (new - old).abs() <= 1e-3 * old.abs(),
            _ => false,
        };
        if !is_same {
            all.push(moved);
        }
    };
    for earlier in old {
        match new.iter().find(|later| same(earlier, later)) {
            Some(later) => {
                let (later, earlier_series) = on_common_sizes(&later.series, &earlier.series);
                tell(earlier, Some(&earlier_series), Some(&later));
            }
            None => tell(earlier, Some(&earlier.series), None),
        }
    }
    for later in new.iter().filter(|later| !old.iter().any(|earlier| same(earlier, later))) {
        tell(later, None, Some(&later.series));
    }
    all.sort_by(|a, b| size(b).total_cmp(&size(a)));
    all
}

/// A function to list.
#[derive(Clone, Copy)]
struct FunctionAt<'a> {
    phase: Phase,
    object: &'a str,
    function: &'a str,
    /// The function's saved costs, with its call path if it was kept.
    saved: Option<&'a SavedFunction>,
}

fn moved_function(
    place: FunctionAt<'_>,
    old: Option<&Series>,
    new: Option<&Series>,
    share: Option<f64>,
) -> Moved {
    let FunctionAt { phase, object, function, saved } = place;
    let (before, now) = (old.map(Shape::of), new.map(Shape::of));
    let exponent = |shape: &Option<Shape>| shape.as_ref().and_then(|shape| shape.exponent);
    let formula = |shape: &Option<Shape>| shape.as_ref().and_then(|shape| shape.formula.clone());
    let grows = [exponent(&before), exponent(&now)].into_iter().flatten().any(|e| e >= GROWS);
    let path = saved.map(|saved| saved.path.as_slice()).unwrap_or_default();
    let cause = causes::find(function, path).filter(|_| grows).map(|k| k.cause.to_owned());
    Moved {
        phase,
        object: object.to_owned(),
        function: function.to_owned(),
        caller: saved.and_then(telling_caller).map(str::to_owned),
        at: [old, new].into_iter().flatten().map(Series::top_size).max().unwrap_or(0),
        old: before.as_ref().map(|shape| shape.top),
        new: now.as_ref().map(|shape| shape.top),
        share_of_phase: share,
        old_formula: formula(&before),
        new_formula: formula(&now),
        old_exponent: exponent(&before),
        new_exponent: exponent(&now),
        cause,
    }
}

/// The growth of a function's costs on one side.
struct Shape {
    top: f64,
    formula: Option<String>,
    exponent: Option<f64>,
}

impl Shape {
    fn of(series: &Series) -> Shape {
        let evidence = judge_curve(series, &CurveOptions::default()).evidence;
        let exponent = evidence.and_then(|evidence| evidence.tail_exponent);
        let exponent = exponent.map(|estimate| estimate.value);
        let top = top(series);
        let n = series.top_size() as f64;
        let formula = Formula::of(series).map(|formula| {
            // If the cost does not grow, a small square term only absorbs what the other two terms miss.
            let has_square = (formula.per_pair * n * n).abs() > SMALLEST_SQUARE * top.abs();
            let grows = exponent.is_some_and(|exponent| exponent >= GROWS);
            if has_square && !grows {
                format!("≈ {}·N", short(top / n, "count"))
            } else {
                formula.to_string()
            }
        });
        Shape { top, formula, exponent }
    }
}
