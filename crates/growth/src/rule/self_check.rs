//! Whether a session can see growth at all: the self-check judges work whose growth is known, first.

use super::curve::CurveVerdict;
use super::pair::{PairOptions, PairVerdict, judge_pair};
use crate::input::series::{Series, SeriesError};

/// What a session makes of work with known growth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sight {
    /// The known growth was found and none was imagined.
    Sees,
    /// Undecided: inconclusive, this session cannot see a share of 20 %.
    Unsure,
    /// The known growth was called ok, or growth was seen where there is none: no verdict of this
    /// session counts.
    Blind,
}

impl Sight {
    /// The worse of two answers.
    #[must_use]
    pub fn worse(self, other: Sight) -> Sight {
        self.max(other)
    }
}

/// Counts: the curve rule on quadratic and on linear work.
#[must_use]
pub fn sight_of_curves(quadratic: CurveVerdict, linear: CurveVerdict) -> Sight {
    let found = |verdict| match verdict {
        CurveVerdict::Superlinear => Some(true),
        CurveVerdict::Ok => Some(false),
        CurveVerdict::Inconclusive(_) => None,
    };
    sight(found(quadratic), found(linear))
}

/// Time: the pair rule on quadratic against linear work, and on the linear work against its own
/// second measurement, all of one session.
#[must_use]
pub fn sight_of_pairs(quadratic: PairVerdict, linear: PairVerdict) -> Sight {
    sight(is_worse(quadratic), is_worse(linear))
}

/// Both kinds: the pair rule on two changes made to the readings of the linear work itself, which
/// cost no run. Its largest size ten times as expensive must not be called ok; half of a setup cost
/// taken away, as large as all of the linear work, must not be called worse. Costs too large to be
/// changed so leave the answer [unsure](Sight::Unsure).
#[must_use]
pub fn sight_of_changes(linear: &Series, options: &PairOptions) -> Sight {
    changes_seen(linear, options).unwrap_or(Sight::Unsure)
}

fn changes_seen(linear: &Series, options: &PairOptions) -> Result<Sight, SeriesError> {
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
    Ok(sight(Some(sees_cliff), is_worse(less)))
}

fn is_worse(verdict: PairVerdict) -> Option<bool> {
    match verdict {
        PairVerdict::Worse => Some(true),
        PairVerdict::Ok => Some(false),
        PairVerdict::Inconclusive(_) => None,
    }
}

fn sight(quadratic_grows: Option<bool>, linear_grows: Option<bool>) -> Sight {
    match (quadratic_grows, linear_grows) {
        (Some(false), _) | (_, Some(true)) => Sight::Blind,
        (Some(true), _) => Sight::Sees,
        (None, _) => Sight::Unsure,
    }
}
