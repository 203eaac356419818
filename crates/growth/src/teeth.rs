//! Whether a session can see growth at all: it is shown growth that was planted, first.

use crate::{CurveVerdict, PairVerdict};

/// What a session makes of two planted workloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sight {
    /// The planted growth was found and none was imagined.
    Sees,
    /// Undecided: inconclusive, this session cannot see a share of 20 %.
    Unsure,
    /// The planted growth was called ok, or growth was seen where there is none: no verdict of this
    /// session counts.
    Blind,
}

/// Counts: the curve rule on the planted quadratic and on the planted linear workload.
#[must_use]
pub fn sight_of_curves(quadratic: CurveVerdict, linear: CurveVerdict) -> Sight {
    let found = |verdict| match verdict {
        CurveVerdict::Superlinear => Some(true),
        CurveVerdict::Ok => Some(false),
        CurveVerdict::Inconclusive(_) => None,
    };
    sight(found(quadratic), found(linear))
}

/// Time: the pair rule on the planted quadratic against the planted linear workload, and on the
/// linear one against its own second measurement, all of one session.
#[must_use]
pub fn sight_of_pairs(quadratic: PairVerdict, linear: PairVerdict) -> Sight {
    let found = |verdict| match verdict {
        PairVerdict::Worse => Some(true),
        PairVerdict::Ok => Some(false),
        PairVerdict::Inconclusive(_) => None,
    };
    sight(found(quadratic), found(linear))
}

fn sight(quadratic_grows: Option<bool>, linear_grows: Option<bool>) -> Sight {
    match (quadratic_grows, linear_grows) {
        (Some(false), _) | (_, Some(true)) => Sight::Blind,
        (Some(true), _) => Sight::Sees,
        (None, _) => Sight::Unsure,
    }
}
