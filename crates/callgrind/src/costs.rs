//! Evaluates a [`Profile`]: costs per function, calls, and the call path to an expensive function.

use std::collections::{BTreeMap, BTreeSet};

use crate::components::components;
use crate::names::Function;
use crate::profile::{Calls, Profile};

/// The cost of one function, in one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cost<'a> {
    /// The function.
    pub function: &'a Function,
    /// The cost of its own instructions.
    pub own: u64,
    /// Its own cost and that of everything it called. It is never more than the total.
    pub inclusive: u64,
    /// The number of its calls, by itself and by others. 0 for a function that was already running when
    /// counting began.
    pub calls: u64,
    /// Whether the function calls itself, directly or through others, or one of its instances calls another.
    /// Then `inclusive` is an upper bound.
    pub is_recursive: bool,
    /// Its own cost by source file, the largest first. The file is [`Function::UNKNOWN`] without debug
    /// information.
    pub files: Vec<(&'a str, u64)>,
}

/// One step of the call path from a root down to a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller<'a> {
    /// The function that calls the next one of the path.
    pub function: &'a Function,
    /// The number of these calls.
    pub calls: u64,
    /// The cost of these calls, in the requested event.
    pub cost: u64,
}

/// All calls from one function to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Call<'a> {
    /// The calling function.
    pub caller: &'a Function,
    /// The called function.
    pub callee: &'a Function,
    /// The number of calls.
    pub calls: u64,
    /// The cost of these calls, in the requested event, with everything that the callee calls. In a cycle of
    /// calls, the cost counts once for each level.
    pub cost: u64,
}

impl Profile {
    /// The cost of every function in the event with this index, the largest own cost first. Empty if there
    /// is no such event.
    pub fn costs(&self, event: usize) -> Vec<Cost<'_>> {
        let mut costs = self.by_function(event);
        costs.sort_by(|a, b| b.own.cmp(&a.own).then_with(|| a.function.cmp(b.function)));
        costs
    }

    /// The cost of one function in the event with this index. `None` if the function does not occur, or
    /// there is no such event.
    pub fn cost(&self, function: &Function, event: usize) -> Option<Cost<'_>> {
        self.by_function(event).into_iter().find(|cost| cost.function == function)
    }

    /// The call path to a function: from a root without callers down to the function's own caller. Each step
    /// upward takes the caller whose calls cost most in the event with this index. Callers outside a cycle
    /// are preferred to those within it, and no caller occurs twice. The path is empty for a root, for an
    /// unknown function, and for an unknown event.
    ///
    /// Callgrind records who called whom, but no whole stacks. Above the first caller, the path is the one by
    /// which most of that caller's cost came, whatever the cost was spent on. If the function has several
    /// instances, the path leads to the one with the largest own cost.
    pub fn path_to(&self, function: &Function, event: usize) -> Vec<Caller<'_>> {
        if !self.counts(event) {
            return Vec::new();
        }
        let instances =
            (0..self.instances.len()).filter(|n| self.instances[*n].function == *function);
        let costliest = instances.max_by_key(|number| self.instances[*number].own_cost(event));
        let Some(start) = costliest else { return Vec::new() };
        let mut callers: Vec<Vec<(usize, &Calls)>> = vec![Vec::new(); self.instances.len()];
        for ((caller, callee), calls) in &self.calls {
            callers[*callee].push((*caller, calls));
        }
        let cost_of = |calls: &Calls| calls.inclusive.get(event).copied().unwrap_or(0);
        let circle_of = components(&self.callees());
        let mut visited = vec![false; self.instances.len()];
        let (mut path, mut current) = (Vec::new(), start);
        loop {
            visited[current] = true;
            let ways = callers[current].iter().filter(|(caller, _)| !visited[*caller]);
            let heaviest = ways.max_by(|(a, to_a), (b, to_b)| {
                let leaves = |caller: usize| circle_of[caller] != circle_of[current];
                let name = |caller: usize| &self.instances[caller].function;
                let by_cost = || cost_of(to_a).cmp(&cost_of(to_b));
                leaves(*a).cmp(&leaves(*b)).then_with(by_cost).then_with(|| name(*b).cmp(name(*a)))
            });
            let Some((caller, calls)) = heaviest else { break };
            let (function, cost) = (&self.instances[*caller].function, cost_of(calls));
            path.push(Caller { function, calls: calls.count, cost });
            current = *caller;
        }
        path.reverse();
        path
    }

    /// Every pair of functions of which one calls the other, sorted by caller, then by callee. Empty if there
    /// is no event with this index.
    pub fn calls(&self, event: usize) -> Vec<Call<'_>> {
        if !self.counts(event) {
            return Vec::new();
        }
        let mut sums: BTreeMap<(&Function, &Function), (u64, u64)> = BTreeMap::new();
        for ((caller, callee), calls) in &self.calls {
            let pair = (&self.instances[*caller].function, &self.instances[*callee].function);
            let (count, sum) = sums.entry(pair).or_default();
            let cost = calls.inclusive.get(event).copied().unwrap_or(0);
            *count = count.saturating_add(calls.count);
            *sum = sum.saturating_add(cost);
        }
        let call = |((caller, callee), (calls, cost))| Call { caller, callee, calls, cost };
        sums.into_iter().map(call).collect()
    }

    fn counts(&self, event: usize) -> bool {
        event < self.events().len()
    }

    /// One row for each function, sorted by function.
    fn by_function(&self, event: usize) -> Vec<Cost<'_>> {
        if !self.counts(event) {
            return Vec::new();
        }
        let graph = Graph::of(self, event);
        let mut instances: BTreeMap<&Function, Vec<usize>> = BTreeMap::new();
        for (number, instance) in self.instances.iter().enumerate() {
            instances.entry(&instance.function).or_default().push(number);
        }
        let total = self.totals().get(event).copied().unwrap_or(0);
        let row = |(function, instances): (_, Vec<usize>)| {
            let mut files: BTreeMap<&str, u64> = BTreeMap::new();
            for number in &instances {
                for (file, cost) in &self.instances[*number].own {
                    // The sum cannot overflow, because it is part of the total.
                    *files.entry(file).or_default() += cost.get(event).copied().unwrap_or(0);
                }
            }
            let mut files: Vec<(&str, u64)> =
                files.into_iter().filter(|(_, cost)| *cost > 0).collect();
            files.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
            let calls = instances.iter().fold(0, |sum: u64, n| sum.saturating_add(graph.calls[*n]));
            Cost {
                function,
                own: files.iter().map(|(_, cost)| cost).sum(),
                inclusive: graph.inclusive(&instances).min(total),
                calls,
                is_recursive: graph.is_nested(&instances),
                files,
            }
        };
        instances.into_iter().map(row).collect()
    }

    /// The functions that each one calls.
    fn callees(&self) -> Vec<Vec<usize>> {
        let mut callees = vec![Vec::new(); self.instances.len()];
        for (caller, callee) in self.calls.keys() {
            callees[*caller].push(*callee);
        }
        callees
    }
}

/// The call graph, with the costs of its cycles in one event.
struct Graph {
    callees: Vec<Vec<usize>>,
    /// The number of calls of each function.
    calls: Vec<u64>,
    /// The cycle to which each function belongs. It may contain only the function itself.
    circle_of: Vec<usize>,
    /// Whether each function calls itself, directly or through others.
    is_in_circle: Vec<bool>,
    /// The inclusive cost of each cycle: the own costs of its members, and what they call outside.
    inclusive: Vec<u64>,
}

impl Graph {
    fn of(profile: &Profile, event: usize) -> Graph {
        let callees = profile.callees();
        let circle_of = components(&callees);
        let mut inclusive = vec![0_u64; callees.len()];
        for (function, circle) in profile.instances.iter().zip(&circle_of) {
            inclusive[*circle] = inclusive[*circle].saturating_add(function.own_cost(event));
        }
        let mut calls = vec![0_u64; callees.len()];
        let mut is_in_circle = vec![false; callees.len()];
        for (&(caller, callee), between) in &profile.calls {
            calls[callee] = calls[callee].saturating_add(between.count);
            let circle = circle_of[caller];
            if circle == circle_of[callee] {
                // Every member of a cycle calls a member.
                is_in_circle[caller] = true;
            } else {
                let cost = between.inclusive.get(event).copied().unwrap_or(0);
                inclusive[circle] = inclusive[circle].saturating_add(cost);
            }
        }
        Graph { callees, calls, circle_of, is_in_circle, inclusive }
    }

    /// The inclusive cost of all instances of one function. Each cycle counts once.
    fn inclusive(&self, instances: &[usize]) -> u64 {
        let circles: BTreeSet<usize> = instances.iter().map(|n| self.circle_of[*n]).collect();
        circles.into_iter().fold(0, |sum: u64, circle| sum.saturating_add(self.inclusive[circle]))
    }

    /// Whether one of these functions calls one of them, directly or through others.
    fn is_nested(&self, instances: &[usize]) -> bool {
        if let [one] = instances {
            return self.is_in_circle[*one];
        }
        let mut seen = BTreeSet::new();
        let mut ahead: Vec<usize> = instances.to_vec();
        while let Some(caller) = ahead.pop() {
            for callee in &self.callees[caller] {
                if instances.contains(callee) {
                    return true;
                }
                if seen.insert(*callee) {
                    ahead.push(*callee);
                }
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::profile::Mismatch;

    fn named(name: &str) -> Function {
        Function::new("program", name)
    }

    /// Makes a profile from `own` costs by function and from calls: caller, callee, number, inclusive cost.
    fn profile(own: &[(&str, u64)], calls: &[(&str, &str, u64, u64)]) -> Profile {
        let mut profile = Profile::of_events(vec!["Ir".to_owned()]);
        for (function, cost) in own {
            let number = profile.number("program", function);
            profile.add_own(number, "a.rs", &[*cost]).unwrap();
        }
        for (caller, callee, count, cost) in calls {
            let (caller, callee) =
                (profile.number("program", caller), profile.number("program", callee));
            profile.add_calls(caller, callee, *count, &[*cost]).unwrap();
        }
        profile
    }

    fn inclusive(profile: &Profile, function: &str) -> (u64, u64, bool) {
        let cost = profile.cost(&named(function), 0).unwrap();
        (cost.inclusive, cost.calls, cost.is_recursive)
    }

    #[test]
    fn an_event_that_is_not_there_has_no_costs() {
        let profile = profile(&[("main", 10), ("leaf", 5)], &[("main", "leaf", 1, 5)]);
        assert!(profile.cost(&named("leaf"), 0).is_some());
        assert_eq!(profile.cost(&named("leaf"), 1), None);
        assert_eq!(profile.costs(1), []);
        assert_eq!(profile.calls(1), []);
        assert_eq!(profile.path_to(&named("leaf"), 0).len(), 1);
        assert_eq!(profile.path_to(&named("leaf"), 1), []);
    }

    #[test]
    fn inclusive_cost_is_own_cost_and_that_of_calls() {
        let profile = profile(
            &[("main", 10), ("left", 20), ("right", 5), ("leaf", 100)],
            &[
                ("main", "left", 1, 95),
                ("main", "right", 2, 30),
                ("left", "leaf", 3, 75),
                ("right", "leaf", 1, 25),
            ],
        );
        assert_eq!(inclusive(&profile, "main"), (135, 0, false));
        assert_eq!(inclusive(&profile, "left"), (95, 1, false));
        assert_eq!(inclusive(&profile, "leaf"), (100, 4, false));
        assert_eq!(profile.totals(), [135]);
    }

    /// `f` goes three levels deep, at a cost of 10 per level. callgrind states 20 for its own two calls, and
    /// has counted 10 of them twice.
    #[test]
    fn recursion_is_counted_once() {
        let profile =
            profile(&[("main", 1), ("f", 30)], &[("main", "f", 1, 30), ("f", "f", 2, 30)]);
        assert_eq!(inclusive(&profile, "f"), (30, 3, true));
        assert_eq!(inclusive(&profile, "main"), (31, 0, false));
    }

    #[test]
    fn a_circle_has_one_inclusive_cost() {
        let profile = profile(
            &[("main", 1), ("even", 20), ("odd", 10), ("leaf", 5)],
            &[
                ("main", "even", 1, 35),
                ("even", "odd", 2, 40),
                ("odd", "even", 1, 20),
                ("odd", "leaf", 1, 5),
            ],
        );
        assert_eq!(inclusive(&profile, "even"), (35, 2, true));
        assert_eq!(inclusive(&profile, "odd"), (35, 2, true));
        assert_eq!(inclusive(&profile, "main"), (36, 0, false));
        assert_eq!(inclusive(&profile, "leaf"), (5, 1, false));
    }

    fn path(profile: &Profile, function: &str) -> String {
        let path = profile.path_to(&named(function), 0);
        let steps = path.iter().map(|step| format!("{} {}", step.function.name, step.cost));
        steps.collect::<Vec<_>>().join(" > ")
    }

    #[test]
    fn a_path_goes_up_by_the_heaviest_callers() {
        let profile = profile(
            &[("main", 1), ("light", 1), ("heavy", 1), ("culprit", 90)],
            &[
                ("main", "light", 1, 11),
                ("main", "heavy", 1, 81),
                ("light", "culprit", 9, 10),
                ("heavy", "culprit", 1, 80),
            ],
        );
        assert_eq!(path(&profile, "culprit"), "main 81 > heavy 80");
        assert_eq!(path(&profile, "main"), "");
        assert_eq!(path(&profile, "nobody"), "");
    }

    #[test]
    fn a_path_leaves_a_circle() {
        let profile = profile(
            &[("main", 1), ("a", 1), ("b", 1)],
            &[("main", "a", 1, 2), ("a", "b", 1, 100), ("b", "a", 1, 100)],
        );
        assert_eq!(path(&profile, "b"), "main 2 > a 100");
        assert_eq!(path(&profile, "a"), "main 2");
    }

    #[test]
    fn calls_are_listed_by_function() {
        let one = "_ZN1f17h0000000000000001E";
        let other = "_ZN1f17h0000000000000002E";
        let profile = profile(&[], &[("main", one, 1, 20), ("main", other, 2, 5)]);
        let calls = profile.calls(0);
        assert_eq!(calls.len(), 1);
        assert_eq!((calls[0].calls, calls[0].cost), (3, 25));
        assert_eq!((calls[0].caller, calls[0].callee), (&named("main"), &named("f")));
    }

    #[test]
    fn profiles_add_up() {
        let mut sum = profile(&[("main", 1), ("f", 2)], &[("main", "f", 1, 2)]);
        sum.add(&profile(&[("g", 5), ("main", 10)], &[("main", "g", 1, 5), ("main", "f", 3, 0)]))
            .unwrap();
        assert_eq!(sum.totals(), [18]);
        assert_eq!(sum.instructions(), Some(18));
        assert_eq!(inclusive(&sum, "main"), (18, 0, false));
        assert_eq!(inclusive(&sum, "f"), (2, 4, false));
        let own: Vec<(&str, u64)> =
            sum.costs(0).iter().map(|c| (c.function.name.as_str(), c.own)).collect();
        assert_eq!(own, [("main", 11), ("g", 5), ("f", 2)]);
    }

    #[test]
    fn what_does_not_fit_is_not_added() {
        let mut sum = profile(&[("main", u64::MAX)], &[]);
        assert_eq!(sum.add(&profile(&[("main", 1)], &[])), Err(Mismatch::Overflow));
        let mut sum = profile(&[], &[]);
        let other = Profile::of_events(vec!["Bc".to_owned()]);
        assert!(matches!(sum.add(&other), Err(Mismatch::Events(..))));
        assert_eq!(other.instructions(), None);
    }

    /// One generic function has two instances, and the first calls the second.
    #[test]
    fn instances_are_one_function() {
        let outer = "_ZN4drop17h0000000000000001E";
        let inner = "_ZN4drop17h0000000000000002E";
        let apart = profile(
            &[("main", 1), (outer, 20), (inner, 10)],
            &[("main", outer, 1, 20), ("main", inner, 4, 10)],
        );
        assert_eq!(inclusive(&apart, "drop"), (30, 5, false));
        assert_eq!(path(&apart, "drop"), "main 20");
        let nested = profile(
            &[("main", 1), (outer, 20), ("leaf", 5), (inner, 10)],
            &[("main", outer, 1, 35), (outer, "leaf", 1, 15), ("leaf", inner, 1, 10)],
        );
        assert_eq!(inclusive(&nested, "drop"), (36, 2, true), "45, but for the total");
        assert_eq!(inclusive(&nested, "leaf"), (15, 1, false));
        let drop = nested.cost(&named("drop"), 0).unwrap();
        assert_eq!((drop.own, drop.files.as_slice()), (30, &[("a.rs", 30)][..]));
    }

    /// No value in a file makes the arithmetic panic.
    #[test]
    fn calls_that_state_too_much_are_kept_below_the_total() {
        let most = u64::MAX;
        let profile = profile(
            &[("main", 1)],
            &[("main", "a", most, most), ("main", "b", 1, most), ("b", "a", 1, 1)],
        );
        assert_eq!(inclusive(&profile, "main").0, 1);
        assert_eq!(inclusive(&profile, "a").1, most);
    }
}
