//! [`DesignFlaw`]: why a measuring design cannot be judged.

use std::fmt;

use super::series::Series;

/// The fewest sizes that can be judged.
pub(crate) const MIN_SIZES: usize = 5;
/// The most sizes that can be judged, because a hinge is tried at and between all of them.
pub(crate) const MAX_SIZES: usize = 500;
/// The smallest ratio of the largest to the smallest N that can be judged.
pub(crate) const MIN_RATIO: f64 = 8.0;
/// The fewest repetitions that can be judged, unless the metric is exact.
pub(crate) const MIN_REPETITIONS: usize = 3;
/// Why a measuring design cannot be judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DesignFlaw {
    /// The series has fewer than five values of N.
    TooFewSizes {
        /// The number of values of N.
        found: usize,
    },
    /// The series has more values of N than can be judged.
    TooManySizes {
        /// The number of values of N.
        found: usize,
    },
    /// The largest N is less than eight times the smallest.
    RangeTooNarrow {
        /// The largest N divided by the smallest.
        ratio: f64,
    },
    /// The series has fewer than three repetitions. An exact metric may have exactly one.
    TooFewRepetitions {
        /// The repetitions per size.
        found: usize,
    },
    /// A pair needs the same N on both sides; costs are never interpolated.
    SizesDiffer,
    /// A pair needs the same kind of metric on both sides.
    KindsDiffer,
    /// Costs differ by a factor of more than 10^130 (of one curve, 10^260), which overflows the arithmetic.
    CostsTooFarApart,
}

impl fmt::Display for DesignFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DesignFlaw::TooFewSizes { found } => {
                write!(f, "{} too few, at least {MIN_SIZES} are needed", are(*found, "size"))
            }
            DesignFlaw::TooManySizes { found } => {
                write!(f, "{} too many, at most {MAX_SIZES} are judged", are(*found, "size"))
            }
            DesignFlaw::RangeTooNarrow { ratio } => {
                write!(f, "N spans a factor of {ratio:.1} only, at least {MIN_RATIO} is needed")
            }
            DesignFlaw::TooFewRepetitions { found } => write!(
                f,
                "{} too few, at least {MIN_REPETITIONS} are needed (1 if the metric is exact)",
                are(*found, "repetition")
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
    let repetitions = series.repetitions();
    if repetitions < MIN_REPETITIONS && !(series.is_exact() && repetitions == 1) {
        return Err(DesignFlaw::TooFewRepetitions { found: repetitions });
    }
    Ok(())
}

/// Formats a count as a subject with its verb: `1 size is`, `2 sizes are`.
fn are(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun} is") } else { format!("{count} {noun}s are") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_size_is_singular() {
        let said = |found| DesignFlaw::TooFewSizes { found }.to_string();
        assert_eq!(said(1), "1 size is too few, at least 5 are needed");
        assert_eq!(said(2), "2 sizes are too few, at least 5 are needed");
        let said = |found| DesignFlaw::TooFewRepetitions { found }.to_string();
        assert!(said(1).starts_with("1 repetition is too few, at least 3 are needed"));
        assert!(said(0).starts_with("0 repetitions are too few"));
    }
}
