//! The self-check: judges work with known growth, to find out whether a session can see growth at all.

use super::curve::CurveVerdict;
use super::pair::{PairOptions, PairVerdict, judge_pair};
use crate::input::series::{Series, SeriesError};

/// How a session judged work with known growth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CheckOutcome {
    /// The session found the known growth, and no growth in linear work.
    Passed,
    /// The session is undecided: it cannot see a share of 20 %.
    Undecided,
    /// The session called known growth ok, or saw growth in linear work. None of its verdicts counts.
    Failed,
}

impl CheckOutcome {
    /// Returns the worse of two answers.
    #[must_use]
    pub fn worse(self, other: CheckOutcome) -> CheckOutcome {
        self.max(other)
    }
}

/// Checks counts: the curve rule on quadratic and on linear work.
#[must_use]
pub fn check_curves(quadratic: CurveVerdict, linear: CurveVerdict) -> CheckOutcome {
    let found = |verdict| match verdict {
        CurveVerdict::Superlinear => Some(true),
        CurveVerdict::Ok => Some(false),
        CurveVerdict::Inconclusive(_) => None,
    };
    outcome(found(quadratic), found(linear))
}

/// Checks times: the pair rule on quadratic against linear work, and on the linear work against its own
/// second measurement. All are of one session.
#[must_use]
pub fn check_pairs(quadratic: PairVerdict, linear: PairVerdict) -> CheckOutcome {
    outcome(is_worse(quadratic), is_worse(linear))
}

/// Checks counts and times by the pair rule, on two changes to the readings of the linear work; they need no
/// run. The first change makes the largest size ten times as expensive, and must not be called ok. The second
/// removes half of a setup cost as large as all of the linear work, and must not be called worse. If the
/// costs are too large to be changed like this, the answer is [unsure](CheckOutcome::Undecided).
#[must_use]
pub fn check_changes(linear: &Series, options: &PairOptions) -> CheckOutcome {
    changes_seen(linear, options).unwrap_or(CheckOutcome::Undecided)
}

fn changes_seen(linear: &Series, options: &PairOptions) -> Result<CheckOutcome, SeriesError> {
    let top = linear.sizes().len() - 1;
    let costs = linear.costs();
    let largest = costs[top].iter().copied().fold(0.0, f64::max);
    let changed = |change: &dyn Fn(usize, f64) -> f64| {
        let rows = costs.iter().enumerate();
        let costs = rows.map(|(place, row)| row.iter().map(|y| change(place, *y)).collect());
        Series::new(linear.kind(), linear.sizes().to_vec(), costs.collect())
            .map(|series| series.interleaved(linear.is_interleaved()).exact(linear.is_exact()))
    };
    let cliff = changed(&|place, cost| if place == top { 10.0 * cost } else { cost })?;
    let with_setup = changed(&|_, cost| cost + largest)?;
    let less_setup = changed(&|_, cost| cost + largest / 2.0)?;
    let sees_cliff = judge_pair(&cliff, linear, options).verdict != PairVerdict::Ok;
    let less = judge_pair(&less_setup, &with_setup, options).verdict;
    Ok(outcome(Some(sees_cliff), is_worse(less)))
}

fn is_worse(verdict: PairVerdict) -> Option<bool> {
    match verdict {
        PairVerdict::Worse => Some(true),
        PairVerdict::Ok => Some(false),
        PairVerdict::Inconclusive(_) => None,
    }
}

fn outcome(quadratic_grows: Option<bool>, linear_grows: Option<bool>) -> CheckOutcome {
    match (quadratic_grows, linear_grows) {
        (Some(false), _) | (_, Some(true)) => CheckOutcome::Failed,
        (Some(true), _) => CheckOutcome::Passed,
        (None, _) => CheckOutcome::Undecided,
    }
}
