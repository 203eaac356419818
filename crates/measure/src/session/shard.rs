//! Divides a session into parts that different machines measure: [`Shard`], and which scenarios belong to
//! which.
//!
//! The division is by scenario, not by repetition. One machine measures each series in one session, together
//! with its control. Repetitions from several machines within one series would mix the differences between
//! CPUs with the growth. Every part has its own self-check.

use loadline_record::{Error, Exit, Result, Shard};
use std::collections::BTreeSet;

use loadline_scenario::Scenario;

use crate::session::measurement::weight_of;

/// The scenarios that `shard` measures, in their order. The result is the same on every machine. The parts
/// get about the same number of modules to load.
///
/// # Errors
/// When no scenario is left for `shard`, because there are more parts than groups of scenarios.
pub fn part_of(shard: Shard, scenarios: &[Scenario]) -> Result<Vec<Scenario>> {
    let mut groups = groups(scenarios);
    let n_groups = groups.len();
    let weight = |group: &[usize]| -> u64 {
        let of = |scenario: &Scenario| -> u64 {
            scenario.sizes.iter().map(|&n| weight_of(n)).sum::<u64>() * scenario.repetitions as u64
        };
        group.iter().map(|&index| of(&scenarios[index])).sum()
    };
    // The heaviest group first, each to the part with the least weight so far.
    groups.sort_by_key(|group| std::cmp::Reverse(weight(group)));
    let mut parts: Vec<(u64, Vec<usize>)> = vec![(0, Vec::new()); shard.count];
    for group in groups {
        let lightest = parts.iter_mut().min_by_key(|(weight, _)| *weight);
        let (total, members) = lightest.expect("a shard is one of at least one");
        *total += weight(&group);
        members.extend(group);
    }
    let mut own = std::mem::take(&mut parts[shard.index - 1].1);
    own.sort_unstable();
    if own.is_empty() {
        let text = format!(
            "shard {shard} has nothing to measure: scenarios and controls fall into {n_groups} parts at most"
        );
        return Err(Error::new(Exit::NothingSelected, text));
    }
    Ok(own.into_iter().map(|index| scenarios[index].clone()).collect())
}

/// The scenarios that must be measured in one session. One scenario is measured because of another, or both
/// need the same further scenario.
fn groups(scenarios: &[Scenario]) -> Vec<Vec<usize>> {
    let mut groups: Vec<(BTreeSet<String>, Vec<usize>)> = Vec::new();
    for (index, scenario) in scenarios.iter().enumerate() {
        let mut full_names: BTreeSet<String> = scenario.full_names_measured().collect();
        let mut members = Vec::new();
        groups.retain(|(known, indices)| {
            let is_apart = known.is_disjoint(&full_names);
            if !is_apart {
                full_names.extend(known.iter().cloned());
                members.extend(indices);
            }
            is_apart
        });
        members.push(index);
        groups.push((full_names, members));
    }
    groups.into_iter().map(|(_, members)| members).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn scenario(name: &str, top: usize, control: &str) -> Scenario {
        let text = format!(
            "format = 2\nquestion = \"?\"\nexpectation = \".\"\nload_order = \"hold-all\"\n\
             judge = [\"load/page-faults\"]\nsizes = [1, 2, 4, 8, {top}]\n{control}\n"
        );
        Scenario::parse(name, &text).unwrap()
    }

    fn parts(scenarios: &[Scenario], count: usize) -> Vec<String> {
        let names = |index| {
            let part = part_of(Shard { index, count }, scenarios);
            part.map_or_else(
                |error| error.to_string(),
                |part| part.iter().map(Scenario::full_name).collect::<Vec<_>>().join(" "),
            )
        };
        (1..=count).map(names).collect()
    }

    #[test]
    fn what_is_compared_stays_together_and_the_rest_is_spread() {
        let by_c = "control = { scenario = \"c\" }";
        let scenarios = [
            scenario("a", 16, ""),
            scenario("b", 16, by_c),
            scenario("big", 100_000, ""),
            scenario("d", 16, by_c),
        ];
        assert_eq!(parts(&scenarios, 1), ["a b big d"]);
        assert_eq!(parts(&scenarios, 2), ["big", "a b d"]);
        assert_eq!(parts(&scenarios, 3), ["big", "b d", "a"]);
        let nothing =
            "shard 4/4 has nothing to measure: scenarios and controls fall into 3 parts at most";
        assert_eq!(parts(&scenarios, 4), ["big", "b d", "a", nothing]);
    }

    #[test]
    fn what_is_measured_on_several_threads_stays_with_what_asks_for_it() {
        let scales = "judge = [\"load/task-clock\"]\ncontrol = { set = { tables = \"strip\" } }\n\
                      scaling = { threads = 2, series = \"load/task-clock\" }";
        let text = format!(
            "format = 2\nquestion = \"?\"\nexpectation = \".\"\nload_order = \"hold-all\"\n\
             sizes = [1, 2, 4, 8, 16]\n{scales}\n"
        );
        let changes = [("threads".to_owned(), "2".to_owned())].into();
        let several = Scenario::parse_with("a", &text, &changes).unwrap();
        let scenarios = [Scenario::parse("a", &text).unwrap(), scenario("b", 16, ""), several];
        assert_eq!(parts(&scenarios, 2), ["a a:threads=2", "b"]);
    }

    #[test]
    fn a_shard_is_one_of_so_many() {
        assert_eq!("2/3".parse(), Ok(Shard { index: 2, count: 3 }));
        for wrong in ["", "1", "0/2", "3/2", "1/2/3", "-1/2", "a/b"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
