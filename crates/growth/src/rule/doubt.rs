//! Why a run could not decide, and what to measure next: as data, with one sentence each.

use std::fmt;

use crate::input::design::{DesignFlaw, MAX_SIZES, MIN_RATIO, MIN_SIZES};
use crate::input::series::Series;

/// Why a verdict is inconclusive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Doubt {
    /// The measuring design cannot carry any judgement.
    Design(DesignFlaw),
    /// The data is too imprecise: growth of 20 % is neither shown nor excluded.
    Imprecise,
    /// The fit finds growth, but something other than growth would look the same.
    Suspect(Suspicion),
    /// For threads: with them the control is not even 1.25 times as fast, so nothing could be lost.
    ControlGainsNothing,
    /// For threads: a loss of 20 % of the control's gain is neither shown nor excluded.
    ScalingImprecise,
}

/// What else could explain the growth that a fit finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspicion {
    /// The cost per item does not accelerate at the top as growth would; the cause may be a step.
    NotAccelerating,
    /// Without the largest N there is hardly any growth.
    RestsOnLargestSize,
    /// One step in cost per item explains the curve as well.
    OneStep,
    /// A large part of the cost grows at the top, but unlike any of the tried shapes.
    LikeNoShape,
    /// For pairs: steeper than the baseline, but no more expensive at the largest N.
    NoMoreExpensive,
    /// For pairs: the largest size exceeds the model that fits the smaller sizes.
    TopAboveLaw,
    /// Worse than the baseline at first, but no longer after a larger N was added.
    NotConfirmed,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubt::Design(flaw) => flaw.fmt(f),
            Doubt::Imprecise => {
                f.write_str("growth of 20 % at the largest N is neither shown nor excluded")
            }
            Doubt::Suspect(suspicion) => suspicion.fmt(f),
            Doubt::ControlGainsNothing => f.write_str(
                "the control gains nothing from threads either: too few CPUs here, or busy CPUs",
            ),
            Doubt::ScalingImprecise => {
                f.write_str("a loss of 20 % of what threads gain is neither shown nor excluded")
            }
        }
    }
}

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Suspicion::NotAccelerating => {
                "superlinear by the fit, but not accelerating at the largest sizes: perhaps a step"
            }
            Suspicion::RestsOnLargestSize => "superlinear, but only the largest N shows it",
            Suspicion::OneStep => "superlinear, or one step in cost per item",
            Suspicion::LikeNoShape => {
                "a large part of the cost at the largest N is growth, but no model fits it"
            }
            Suspicion::NoMoreExpensive => "steeper than before, but no more expensive than before",
            Suspicion::TopAboveLaw => "the largest N costs more than the growth up to it explains",
            Suspicion::NotConfirmed => {
                "grew faster, but a larger N that was added does not confirm it"
            }
        })
    }
}

/// What to measure next to resolve a doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Measure every size in this many repetitions.
    Repetitions {
        /// The repetitions per size, in all.
        repetitions: usize,
    },
    /// Add this size, which is twice the largest so far.
    LargerSize {
        /// The N to add.
        size: u64,
    },
    /// Measure at least this many sizes.
    Sizes {
        /// The number of sizes, in all.
        sizes: usize,
    },
    /// Measure at most this many sizes, spread evenly over log N.
    FewerSizes {
        /// The number of sizes, in all.
        sizes: usize,
    },
    /// Widen the sizes to at least this largest N.
    WiderRange {
        /// The largest N that is needed.
        size: u64,
    },
    /// Measure on a machine with as many idle CPUs as there are threads.
    IdleProcessors,
    /// Measure again. For a pair, measure both sides at the same sizes and with the same metric.
    MeasureAgain,
}

/// The number of repetitions beyond which more of them are not worth their time.
const REPETITIONS_CAP: usize = 20;

impl Remedy {
    /// Returns the remedy for `doubt` about a series. Repetitions are doubled up to 20 if precision is
    /// missing. After that, and against every suspicion, only a larger N helps.
    #[must_use]
    pub fn of(doubt: Doubt, series: &Series) -> Remedy {
        let repetitions = series.repetitions();
        let larger = Remedy::LargerSize { size: series.top_size().saturating_mul(2) };
        match doubt {
            Doubt::Imprecise
                if repetitions < REPETITIONS_CAP && !(series.is_exact() && repetitions == 1) =>
            {
                Remedy::Repetitions { repetitions: (repetitions * 2).min(REPETITIONS_CAP) }
            }
            Doubt::ScalingImprecise if repetitions < REPETITIONS_CAP => {
                Remedy::Repetitions { repetitions: (repetitions * 2).min(REPETITIONS_CAP) }
            }
            Doubt::ScalingImprecise | Doubt::ControlGainsNothing => Remedy::IdleProcessors,
            Doubt::Imprecise | Doubt::Suspect(_) => larger,
            Doubt::Design(flaw) => match flaw {
                DesignFlaw::TooFewSizes { .. } => Remedy::Sizes { sizes: MIN_SIZES },
                DesignFlaw::TooManySizes { .. } => Remedy::FewerSizes { sizes: MAX_SIZES },
                DesignFlaw::RangeTooNarrow { .. } => {
                    Remedy::WiderRange { size: series.sizes()[0].saturating_mul(MIN_RATIO as u64) }
                }
                DesignFlaw::TooFewRepetitions { .. } => Remedy::Repetitions { repetitions: 5 },
                DesignFlaw::SizesDiffer
                | DesignFlaw::KindsDiffer
                | DesignFlaw::CostsTooFarApart => Remedy::MeasureAgain,
            },
        }
    }
}

impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Remedy::Repetitions { repetitions } => {
                write!(f, "measure every size with {repetitions} repetitions")
            }
            Remedy::LargerSize { size } => write!(f, "add N = {size}"),
            Remedy::Sizes { sizes } => write!(f, "measure at least {sizes} sizes"),
            Remedy::FewerSizes { sizes } => {
                write!(
                    f,
                    "keep at most {sizes} sizes, spread evenly from the smallest to the largest"
                )
            }
            Remedy::WiderRange { size } => write!(f, "extend the sizes to N = {size} at least"),
            Remedy::IdleProcessors => {
                f.write_str("measure where as many CPUs are idle as there are threads")
            }
            Remedy::MeasureAgain => {
                f.write_str("measure again, both sides at the same sizes and with the same metric")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::input::series::Kind;

    #[test]
    fn repetitions_double_up_to_twenty_then_the_range_does() {
        let remedy = |doubt: Doubt, repetitions: usize| {
            let series =
                Series::new(Kind::Count, vec![3, 40], vec![vec![1.0; repetitions]; 2]).unwrap();
            Remedy::of(doubt, &series.exact(repetitions == 1)).to_string()
        };
        let cases = [
            (Doubt::Imprecise, 5, "measure every size with 10 repetitions"),
            (Doubt::Imprecise, 15, "measure every size with 20 repetitions"),
            (Doubt::Imprecise, 20, "add N = 80"),
            // More repetitions of an exact metric add nothing.
            (Doubt::Imprecise, 1, "add N = 80"),
            (Doubt::Suspect(Suspicion::OneStep), 5, "add N = 80"),
            (Doubt::Design(DesignFlaw::TooFewSizes { found: 2 }), 5, "measure at least 5 sizes"),
            (
                Doubt::Design(DesignFlaw::RangeTooNarrow { ratio: 2.0 }),
                5,
                "extend the sizes to N = 24 at least",
            ),
        ];
        for (doubt, repetitions, expected) in cases {
            assert_eq!(
                remedy(doubt, repetitions),
                expected,
                "{doubt} in {repetitions} repetitions"
            );
        }
    }
}
