//! The self-check: every session contains work of known growth, and this module judges whether the session
//! saw it.

use loadline_growth::{
    CheckOutcome, CurveOptions, PairOptions, Series, Tau, check_changes, check_curves, check_pairs,
    judge_curve, judge_pair,
};
use loadline_scenario::{Metric, Phase, SeriesName, self_check};

use crate::rules::readings::workload;
use crate::rules::reference::LOOKS;
use loadline_record::measured::Measured;

/// The result of a self-check: whether a session can see growth of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct SelfCheck {
    /// The series of known growth.
    pub name: SeriesName,
    /// Whether the session saw the known growth.
    pub outcome: CheckOutcome,
    /// The scenarios of known growth that the self-check uses.
    pub scenarios: Vec<&'static str>,
}

/// Whether a self-check failed: the session missed known growth, or saw growth in linear work.
pub fn has_failed(checks: &[SelfCheck]) -> bool {
    checks.iter().any(|check| check.outcome == CheckOutcome::Failed)
}

/// Runs the self-checks of a session, one per series of known growth that was counted. `tau` is the
/// structural floor of times.
pub fn seen(measured: &Measured, tau: Option<Tau>) -> Vec<SelfCheck> {
    let find = |scenario: &str, name: SeriesName| {
        let found = measured.scenarios.iter().find(|m| m.scenario.name == scenario)?;
        workload(found, name).ok()
    };
    let mut checks = Vec::new();
    let clock = SeriesName::new(Phase::Work, Metric::TaskClock);
    let linear = find(self_check::CPU_LINEAR, clock);
    let again = find(self_check::CPU_LINEAR_AGAIN, clock);
    let quadratic = find(self_check::CPU_QUADRATIC, clock);
    if let (Some(linear), Some(again), Some(quadratic)) = (linear, again, quadratic) {
        let options = PairOptions { looks: LOOKS, tau };
        let quadratic = judge_pair(&quadratic, &linear, &options).verdict;
        let unchanged = judge_pair(&again, &linear, &options).verdict;
        let outcome = check_pairs(quadratic, unchanged).worse(check_changes(&linear, &options));
        let scenarios =
            vec![self_check::CPU_LINEAR, self_check::CPU_LINEAR_AGAIN, self_check::CPU_QUADRATIC];
        checks.push(SelfCheck { name: clock, outcome, scenarios });
    }
    let counted = [
        (self_check::CPU_LINEAR, self_check::CPU_QUADRATIC, Metric::Instructions),
        (self_check::PAGES_LINEAR, self_check::PAGES_QUADRATIC, Metric::PageFaults),
        (self_check::PAGES_LINEAR, self_check::PAGES_QUADRATIC, Metric::ResidentBytes),
        (self_check::ALLOCATIONS_LINEAR, self_check::ALLOCATIONS_QUADRATIC, Metric::Allocations),
        (
            self_check::CALLGRIND_LINEAR,
            self_check::CALLGRIND_QUADRATIC,
            Metric::CallgrindInstructions,
        ),
    ];
    for (linear, quadratic, metric) in counted {
        let name = SeriesName::new(Phase::Work, metric);
        let scenarios = vec![linear, quadratic];
        let (Some(linear), Some(quadratic)) = (find(linear, name), find(quadratic, name)) else {
            continue;
        };
        let verdict = |series: &Series| judge_curve(series, &CurveOptions::default()).verdict;
        let changes = check_changes(&linear, &PairOptions { looks: LOOKS, tau: None });
        let outcome = check_curves(verdict(&quadratic), verdict(&linear)).worse(changes);
        checks.push(SelfCheck { name, outcome, scenarios });
    }
    checks
}

#[cfg(test)]
mod tests {
    use loadline_growth::Kind;
    use loadline_scenario::Workload;

    use super::*;

    /// The work of one scenario as times: 10 ns per unit, five repetitions, with jitter of up to 1 %.
    fn times(name: &str) -> Series {
        let scenario = self_check::scenario(name).expect("a scenario of the self-check");
        let Workload::SelfCheck(known) = scenario.workload else { panic!("{name} has known work") };
        let jitter = |n: usize, repetition: usize| {
            let step = (7 * n.ilog2() as usize + 3 * repetition + 5 * name.len()) % 11;
            1.0 + (step as f64 - 5.0) * 0.002
        };
        let row = |&n: &usize| -> Vec<f64> {
            let cost = known.units(n) as f64 * 10.0;
            (0..5).map(|repetition| cost * jitter(n, repetition)).collect()
        };
        let sizes = scenario.sizes.iter().map(|n| *n as u64).collect();
        let costs = scenario.sizes.iter().map(row).collect();
        Series::new(Kind::Time, sizes, costs).expect("costs are positive").interleaved(true)
    }

    /// The quadratic part comes on top of the linear work, so that the growth is also more expensive.
    #[test]
    fn known_growth_is_found_on_a_machine_without_calibration() {
        let options = PairOptions { looks: LOOKS, tau: None };
        let names =
            [self_check::CPU_LINEAR, self_check::CPU_LINEAR_AGAIN, self_check::CPU_QUADRATIC];
        let [linear, again, quadratic] = names.map(times);
        let pairs = [&quadratic, &again].map(|new| judge_pair(new, &linear, &options));
        let [quadratic, again] = [&pairs[0], &pairs[1]].map(|pair| pair.verdict);
        assert_eq!(check_pairs(quadratic, again), CheckOutcome::Passed, "{pairs:?}");
        assert_eq!(check_changes(&linear, &options), CheckOutcome::Passed);
    }
}
