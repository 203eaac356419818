//! Growth that does not show yet: a small part of the cost, extrapolated to the N that matters.

use super::curve::SHARE_OF_INTEREST;
use crate::model::fit::CurveFit;

/// What a superlinear part of a cost comes to at a larger N. Extrapolated, and to be shown as such.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HiddenGrowth {
    /// The N that was asked for.
    pub horizon: u64,
    /// Predicted cost of the superlinear terms of the part there, in the metric's unit.
    pub superlinear_cost: f64,
    /// Predicted cost of everything there, in the metric's unit.
    pub total_cost: f64,
    /// The first as a share of the second, 0 to 1.
    pub share: f64,
    /// The smallest N up to the horizon at which that share reaches 20 %: "hidden until N ≈ …".
    pub visible_from: Option<u64>,
}

impl HiddenGrowth {
    /// Whether the share at the horizon is at least 20 %.
    #[must_use]
    pub fn matters(&self) -> bool {
        self.share >= SHARE_OF_INTEREST
    }
}

/// Extrapolates `part` (one symbol, one count) and `total` to `horizon`.
///
/// Meant for a part whose own curve was found [superlinear](crate::CurveVerdict::Superlinear), in
/// the total's unit. Only its superlinear terms count as growth: a part that is large and linear
/// hides nothing. The same terms of the total count only where `total_is_superlinear` by its own
/// curve: a little of N³ that noise put into its fit would outgrow everything at the horizon. Else
/// the total grows by what the part does. It is taken to be at least the part in any case, since a
/// fit of the total may have missed what the fit of the part shows.
#[must_use]
pub fn hidden_growth(
    part: &CurveFit,
    total: &CurveFit,
    total_is_superlinear: bool,
    horizon: u64,
) -> HiddenGrowth {
    let at = |size: u64| {
        let parts = part.parts_at(size);
        let of_total = total.parts_at(size);
        let allowed = (of_total.fixed + of_total.sublinear + of_total.per_item).max(0.0);
        let shown = if total_is_superlinear { of_total.superlinear } else { 0.0 };
        let whole = (allowed + shown.max(parts.superlinear)).max(parts.total());
        let share = if whole > 0.0 && whole.is_finite() { parts.superlinear / whole } else { 0.0 };
        HiddenGrowth {
            horizon: size,
            superlinear_cost: parts.superlinear,
            total_cost: whole,
            share: share.clamp(0.0, 1.0),
            visible_from: None,
        }
    };
    let growth = at(horizon);
    let visible_from = growth.matters().then(|| {
        let (mut hidden, mut visible) = (0, horizon);
        while visible - hidden > 1 {
            let middle = hidden + (visible - hidden) / 2;
            if at(middle).matters() {
                visible = middle;
            } else {
                hidden = middle;
            }
        }
        visible
    });
    HiddenGrowth { visible_from, ..growth }
}
