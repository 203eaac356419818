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
