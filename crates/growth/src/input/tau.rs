//! [`Tau`]: the jitter of a cost that more rounds do not remove.

use std::fmt;

/// The structural floor τ of a kind of metric: the relative deviation (1 standard deviation, as a
/// share of the cost) that more rounds do not remove, because layout, alignment or rounding differ
/// from size to size. See [`calibrate`](crate::calibrate).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Tau(f64);

impl Tau {
    /// 0.3 %, for counts.
    pub const COUNT: Tau = Tau(0.003);
    /// 1 %, for time.
    pub const TIME: Tau = Tau(0.010);

    /// A floor of `share`, at least one part in a million (less would claim that the shapes of the
    /// fit are exact) and at most 1. Anything outside, or not a number, is `None`.
    #[must_use]
    pub fn new(share: f64) -> Option<Tau> {
        (1e-6..=1.0).contains(&share).then_some(Tau(share))
    }

    /// The floor as a share of the cost.
    #[must_use]
    pub fn share(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Tau {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.0 * 100.0)
    }
}
