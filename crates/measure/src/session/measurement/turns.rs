//! The order in which two builds make the same runs.

use loadline_record::header::Side;
use loadline_scenario::{Random, Run};

/// Every run on each of its sides. Two builds make the same run one right after the other, in random order,
/// so that a disturbance of the machine affects both.
pub fn in_turn(
    runs: Vec<Run>,
    sides: impl Fn(&Run) -> &'static [Side],
    seed: u64,
) -> Vec<(Run, Side)> {
    let mut order = Random::new(seed ^ ORDER_OF_SIDES);
    let visits = runs.into_iter().flat_map(|run| {
        let mut sides = sides(&run).to_vec();
        order.shuffle(&mut sides);
        sides.into_iter().map(move |side| (run, side))
    });
    visits.collect()
}

/// Gives another random stream than the one that orders runs.
const ORDER_OF_SIDES: u64 = 0x51de_51de_51de_51de;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use loadline_record::fixtures::scenario;
    use loadline_scenario::Plan;

    /// Both builds visit each size one after the other. Each build goes first about as often.
    #[test]
    fn two_builds_are_measured_in_turn() {
        let scenarios = [
            scenario("keep"),
            loadline_scenario::self_check::scenario("self-check-cpu-linear").unwrap(),
        ];
        let runs = Plan::of(&scenarios, 7).runs;
        let n_compared = runs.iter().filter(|run| run.scenario == 0).count();
        let both = |run: &Run| -> &'static [Side] {
            if run.scenario == 0 { &[Side::Now, Side::Before] } else { &[Side::Now] }
        };
        let visits = in_turn(runs.clone(), both, 7);
        assert_eq!(visits.len(), runs.len() + n_compared);
        let mut rest = visits.as_slice();
        let mut n_now_first = 0;
        for run in runs {
            let (own, others) = rest.split_at(both(&run).len());
            assert!(own.iter().all(|(visited, _)| *visited == run));
            assert!(own.len() == 1 || own[0].1 != own[1].1);
            n_now_first += usize::from(own.len() == 2 && own[0].1 == Side::Now);
            rest = others;
        }
        assert!((n_compared / 5..=n_compared - n_compared / 5).contains(&n_now_first));
        assert_eq!(in_turn(Plan::of(&scenarios, 7).runs, both, 7), visits);
    }
}
