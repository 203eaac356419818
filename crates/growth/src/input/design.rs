//! [`DesignFlaw`]: what a measuring design lacks for any judgement.

use std::fmt;

use super::series::Series;

/// Fewest sizes that can be judged.
pub(crate) const MIN_SIZES: usize = 5;
/// Most sizes that are judged: a hinge is tried at and between all of them.
pub(crate) const MAX_SIZES: usize = 500;
/// Smallest largest-to-smallest N that can be judged.
pub(crate) const MIN_RATIO: f64 = 8.0;
/// Fewest rounds that can be judged, unless the metric is exact.
pub(crate) const MIN_ROUNDS: usize = 3;
/// What a measuring design lacks.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DesignFlaw {
    /// Fewer than five values of N.
    TooFewSizes {
        /// How many there are.
        found: usize,
    },
    /// More values of N than are judged.
    TooManySizes {
        /// How many there are.
        found: usize,
    },
    /// The largest N is less than eight times the smallest.
    RangeTooNarrow {
        /// Largest over smallest N.
        ratio: f64,
    },
    /// Fewer than three rounds (or exactly one, of an exact metric).
    TooFewRounds {
        /// Rounds per size.
        found: usize,
    },
    /// A pair needs the same N on both sides; costs are never interpolated.
    SizesDiffer,
    /// A pair needs the same kind of metric on both sides.
    KindsDiffer,
    /// Costs differ by more than a factor of 10^130 (of one curve, 10^260), which no arithmetic
    /// holds.
    CostsTooFarApart,
}

impl fmt::Display for DesignFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DesignFlaw::TooFewSizes { found } => {
                write!(f, "{found} sizes are too few, at least {MIN_SIZES} are needed")
            }
            DesignFlaw::TooManySizes { found } => {
                write!(f, "{found} sizes are too many, at most {MAX_SIZES} are judged")
            }
            DesignFlaw::RangeTooNarrow { ratio } => {
                write!(f, "N spans a factor of {ratio:.1} only, at least {MIN_RATIO} is needed")
            }
            DesignFlaw::TooFewRounds { found } => write!(
                f,
                "{found} rounds are too few, at least {MIN_ROUNDS} are needed (1 if the metric is exact)"
            ),
            DesignFlaw::SizesDiffer => f.write_str("the baseline was measured at other sizes"),
            DesignFlaw::KindsDiffer => f.write_str("the baseline is another kind of metric"),
            DesignFlaw::CostsTooFarApart => {
                f.write_str("costs differ by more than a factor of 10^130")
            }
        }
    }
}

pub(super) fn check_design(series: &Series) -> Result<(), DesignFlaw> {
    let sizes = series.sizes();
    if sizes.len() < MIN_SIZES {
        return Err(DesignFlaw::TooFewSizes { found: sizes.len() });
    }
    if sizes.len() > MAX_SIZES {
        return Err(DesignFlaw::TooManySizes { found: sizes.len() });
    }
    let ratio = series.top_size() as f64 / sizes[0] as f64;
    if ratio < MIN_RATIO {
        return Err(DesignFlaw::RangeTooNarrow { ratio });
    }
    let rounds = series.rounds();
    if rounds < MIN_ROUNDS && !(series.is_exact() && rounds == 1) {
        return Err(DesignFlaw::TooFewRounds { found: rounds });
    }
    Ok(())
}
