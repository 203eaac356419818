//! [`Tau`]: the jitter of a cost that more repetitions do not remove.

use std::fmt;

/// The structural floor τ of a kind of metric: the relative deviation (1 standard deviation, as a share of
/// the cost) that more repetitions do not remove. It exists because layout, alignment or rounding differ from
/// size to size. See [`calibrate`](crate::calibrate).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Tau(f64);

impl Tau {
    /// The default floor for counts, 0.3 %.
    pub const COUNT: Tau = Tau(0.003);
    /// The default floor for time, 1 %.
    pub const TIME: Tau = Tau(0.010);

    /// Creates a floor of `share`, from one part in a million to 1. A smaller floor would claim that the
    /// shapes of the fit are exact. Returns `None` for any other value, or for NaN.
    #[must_use]
    pub fn new(share: f64) -> Option<Tau> {
        (1e-6..=1.0).contains(&share).then_some(Tau(share))
    }

    /// Returns the floor as a share of the cost.
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
