//! Growth that does not show yet: a small part of the cost, extrapolated to a larger N.

use super::curve::SHARE_OF_INTEREST;
use crate::model::fit::CurveFit;

/// The superlinear part of a cost, extrapolated to a larger N. It must be shown as extrapolated.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HiddenGrowth {
    /// The N that the cost is extrapolated to.
    pub extrapolate_to: u64,
    /// The predicted cost of the part's superlinear terms at that N, in the metric's unit.
    pub superlinear_cost: f64,
    /// The predicted total cost at that N, in the metric's unit.
    pub total_cost: f64,
    /// The superlinear cost as a share of the total cost, 0 to 1.
    pub share: f64,
    /// The smallest N up to the limit at which the share reaches 20 %: "hidden until N ≈ …".
    pub visible_from: Option<u64>,
}

impl HiddenGrowth {
    /// Whether the share at the limit is at least 20 %.
    #[must_use]
    pub fn matters(&self) -> bool {
        self.share >= SHARE_OF_INTEREST
    }
}

/// Extrapolates `part` (one function, one count) and `total` to `extrapolate_to`.
///
/// `part` should be [superlinear](crate::CurveVerdict::Superlinear) by its own curve, in the total's unit.
/// Only its superlinear terms count as growth, because a large linear part hides nothing. The superlinear
/// terms of the total count only if `total_is_superlinear` by its own curve. Otherwise a little N³ from noise
/// would outgrow everything at the limit, so the total grows only by the part's growth. The total is at
/// least the part in any case, because the fit of the total may miss what the fit of the part shows.
#[must_use]
pub fn hidden_growth(
    part: &CurveFit,
    total: &CurveFit,
    total_is_superlinear: bool,
    extrapolate_to: u64,
) -> HiddenGrowth {
    let at = |size: u64| {
        let parts = part.parts_at(size);
        let of_total = total.parts_at(size);
        let allowed = (of_total.fixed + of_total.sublinear + of_total.per_item).max(0.0);
        let shown = if total_is_superlinear { of_total.superlinear } else { 0.0 };
        let whole = (allowed + shown.max(parts.superlinear)).max(parts.total());
        let share = if whole > 0.0 && whole.is_finite() { parts.superlinear / whole } else { 0.0 };
        HiddenGrowth {
            extrapolate_to: size,
            superlinear_cost: parts.superlinear,
            total_cost: whole,
            share: share.clamp(0.0, 1.0),
            visible_from: None,
        }
    };
    let growth = at(extrapolate_to);
    let visible_from = growth.matters().then(|| {
        let (mut hidden, mut visible) = (0, extrapolate_to);
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
