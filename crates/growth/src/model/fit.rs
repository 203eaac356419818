//! Fits shapes to one condensed curve, with and without a hinge, and extrapolates the fit to other N.

use super::shape::{Shape, Shapes, hinge};
use crate::input::series::Kind;
use crate::input::summary::Summary;
use crate::numeric::least_squares::{UnitColumn, nonnegative};
use crate::numeric::student::upper_tail;

/// A fitted curve: f(N) = cost at Nmax · Σ share·shape. Costs at other N follow from it.
///
/// Costs beyond the largest measured size are extrapolated, and must be shown as such.
#[derive(Debug, Clone, PartialEq)]
pub struct CurveFit {
    top_size: f64,
    top_cost: f64,
    terms: Vec<Term>,
    hinge: Option<Hinge>,
    beyond: Option<OffsetPower>,
}

/// One term of a [`CurveFit`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// The shape of the term.
    pub shape: Shape,
    /// The term's part of the cost measured at the largest N, as a share; 0 or more.
    pub share: f64,
    /// Whether the rule counts the term as superlinear.
    pub is_superlinear: bool,
}

/// A step in the cost per item: where it begins, and what it adds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hinge {
    /// The N from which the cost rises faster.
    pub start: f64,
    /// The hinge's part of the cost measured at the largest N, as a share; above 0.
    pub share: f64,
}

/// A predicted cost in four parts, in the metric's unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CostParts {
    /// The setup cost, the same at every N.
    pub fixed: f64,
    /// The costs that grow like log N and √N.
    pub sublinear: f64,
    /// The costs linear in N, N log N if it is allowed, and the cost that a hinge adds.
    pub per_item: f64,
    /// The costs that grow faster than allowed.
    pub superlinear: f64,
}

impl CostParts {
    /// The sum of all four parts.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.fixed + self.sublinear + self.per_item + self.superlinear
    }
}

impl CurveFit {
    /// The largest N of the fit.
    #[must_use]
    pub fn top_size(&self) -> f64 {
        self.top_size
    }

    /// The terms with a share above 0, slowest growth first.
    #[must_use]
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// The step in cost per item, if the fit has one.
    #[must_use]
    pub fn hinge(&self) -> Option<Hinge> {
        self.hinge
    }

    /// Predicts the cost of all `size` items, in the metric's unit; never negative.
    #[must_use]
    pub fn cost_at(&self, size: u64) -> f64 {
        self.parts_at(size).total().max(0.0)
    }

    /// Predicts the cost by parts. A single part can be slightly negative at the smallest N.
    ///
    /// A steep curve is extrapolated by a + b·N^p, which fits its top, because no sum of the shapes does. For
    /// any other curve, terms faster than N³ are extrapolated like N³. They are so small that they may be
    /// noise, and N^17 would outgrow everything else.
    #[must_use]
    pub fn parts_at(&self, size: u64) -> CostParts {
        let size = size.max(1) as f64;
        let mut parts = CostParts { fixed: 0.0, sublinear: 0.0, per_item: 0.0, superlinear: 0.0 };
        if let Some(OffsetPower { offset, factor, power }) = self.beyond
            && size > self.top_size
        {
            parts.fixed = self.top_cost * offset;
            parts.superlinear = self.top_cost * factor * (size / self.top_size).powf(power);
            return parts;
        }
        for term in &self.terms {
            let shape = if size > self.top_size { term.shape.at_most_cubic() } else { term.shape };
            let cost = self.top_cost * term.share * shape.at(size, self.top_size);
            match term.shape {
                _ if term.is_superlinear => parts.superlinear += cost,
                Shape::Constant => parts.fixed += cost,
                Shape::Log | Shape::Root => parts.sublinear += cost,
                _ => parts.per_item += cost,
            }
        }
        if let Some(bend) = self.hinge {
            parts.per_item += self.top_cost * bend.share * hinge(size, self.top_size, bend.start);
        }
        parts
    }
}

/// offset + factor·x^power, in shares of the cost at the largest N.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct OffsetPower {
    pub offset: f64,
    pub factor: f64,
    pub power: f64,
}

/// The coefficients of the best fit over a set of hinges.
#[derive(Debug, Clone)]
pub(crate) struct Hinged {
    /// One coefficient per shape, then the hinge's if there is one.
    pub coefficients: Vec<f64>,
    pub rss: f64,
    pub hinge: Option<f64>,
}

/// One curve and its shapes, weighted and ready for a fit.
pub(crate) struct Problem<'a> {
    pub summary: &'a Summary,
    pub shapes: &'a Shapes,
    /// w·shape, one column per shape of `shapes.all()`.
    pub columns: Vec<UnitColumn>,
    /// w·z.
    pub target: Vec<f64>,
}

/// A place for a hinge: its N, and its weighted column.
pub(crate) type HingeColumn = (f64, UnitColumn);

impl<'a> Problem<'a> {
    pub fn new(summary: &'a Summary, shapes: &'a Shapes) -> Self {
        let top = summary.top_size();
        Problem {
            columns: shapes
                .all()
                .iter()
                .map(|shape| weighted(summary, |size| shape.at(size, top)))
                .collect(),
            target: summary.relative.iter().zip(&summary.weight).map(|(z, w)| z * w).collect(),
            summary,
            shapes,
        }
    }

    pub fn n_sizes(&self) -> usize {
        self.target.len()
    }

    /// The places where one step in cost per item is tried: the sizes N₂…N₍ₖ₋₃₎, and the geometric middles of
    /// the first k − 3 gaps. At least three sizes lie beyond each place.
    pub fn hinge_columns(&self) -> Vec<HingeColumn> {
        let sizes = &self.summary.sizes;
        let inner = sizes.len() - 3;
        let at_sizes = sizes[1..inner].iter().copied();
        let between = (0..inner).map(|i| (sizes[i] * sizes[i + 1]).sqrt());
        let top = self.summary.top_size();
        at_sizes
            .chain(between)
            .map(|start| (start, weighted(self.summary, |size| hinge(size, top, start))))
            .collect()
    }

    /// Returns the best fit of the first `n_shapes` shapes, with at most one of `hinges`.
    pub fn best(&self, n_shapes: usize, hinges: &[HingeColumn]) -> Hinged {
        best_hinged(&self.columns[..n_shapes], &self.target, hinges)
    }

    /// Returns the smallest RSS of the allowed shapes plus one injected shape that grows too fast. The
    /// injected shape has exactly `share` of the fitted cost at Nmax. The fit has at most one of `hinges`.
    ///
    /// A sum whose injected coefficient is share·Σ equals a sum of columns c + share/(1−share)·injected.
    pub fn rss_with_injected(&self, share: f64, hinges: &[HingeColumn]) -> f64 {
        let Some(place) = self.shapes.all().iter().position(|s| *s == self.shapes.injected) else {
            return f64::INFINITY;
        };
        let injected = &self.columns[place];
        let factor = share / (1.0 - share);
        let allowed = &self.columns[..self.shapes.n_allowed()];
        let base: Vec<UnitColumn> =
            allowed.iter().map(|column| column.sum(injected, factor)).collect();
        let hinges: Vec<HingeColumn> =
            hinges.iter().map(|(start, column)| (*start, column.sum(injected, factor))).collect();
        best_hinged(&base, &self.target, &hinges).rss
    }

    /// Tests for shapes beyond the allowed ones, with at most one of `hinges` on either side.
    pub fn contrast(&self, hinges: &[HingeColumn]) -> Contrast {
        let null = self.best(self.shapes.n_allowed(), hinges);
        let full = self.best(self.columns.len(), hinges);
        let sum: f64 = full.coefficients.iter().sum();
        let beyond: f64 =
            full.coefficients[self.shapes.n_allowed()..self.columns.len()].iter().sum();
        let share = if sum > 0.0 { beyond / sum } else { 0.0 };
        let quality = self.quality(&full);
        let t = ((null.rss - full.rss).max(0.0) / quality.phi).sqrt();
        let p = if share > 1e-9 { upper_tail(t, quality.nu) } else { 1.0 };
        Contrast { null, full, share, quality, t, p }
    }

    /// Computes how well `fit` describes the curve, and its remaining degrees of freedom.
    pub fn quality(&self, fit: &Hinged) -> Quality {
        let used = fit.coefficients.iter().filter(|c| **c > 1e-9).count();
        let bent = fit.hinge.is_some() && fit.coefficients.last().is_some_and(|c| *c > 1e-9);
        // A hinge uses two degrees of freedom: its size and its place.
        let used = used + usize::from(bent);
        let nu0 = self.summary.freedom;
        if used >= self.n_sizes() {
            return Quality { phi: 1.0, nu: nu0 };
        }
        let left = (self.n_sizes() - used) as f64;
        let phi = (fit.rss / left).max(1.0);
        // Satterthwaite: the variance is partly known beforehand and partly estimated from the misfit.
        let nu = phi * phi / (1.0 / (nu0 + left) + (phi - 1.0).powi(2) / left);
        Quality { phi, nu }
    }

    /// Converts `fit` (over all shapes) into a curve in the metric's unit. `beyond` extrapolates it.
    pub fn curve(&self, fit: &Hinged, beyond: Option<OffsetPower>) -> CurveFit {
        let shapes = self.shapes.all();
        let terms = shapes.iter().zip(&fit.coefficients).enumerate();
        CurveFit {
            top_size: self.summary.top_size(),
            top_cost: self.summary.top_cost(),
            beyond,
            terms: terms
                .filter(|(_, (_, share))| **share > 0.0)
                .map(|(place, (&shape, &share))| Term {
                    shape,
                    share,
                    is_superlinear: place >= self.shapes.n_allowed(),
                })
                .collect(),
            hinge: fit.hinge.and_then(|start| {
                let share = fit.coefficients[shapes.len()];
                (share > 0.0).then_some(Hinge { start, share })
            }),
        }
    }
}

/// Fits with at most one hinge. A hinge replaces the best fit so far only if it is better by more than
/// rounding, because an unused hinge ties with no hinge.
fn best_hinged(base: &[UnitColumn], target: &[f64], hinges: &[HingeColumn]) -> Hinged {
    let solve = |columns: &[&UnitColumn], hinge: Option<f64>| {
        let solution = nonnegative(columns, target);
        Hinged { rss: solution.rss(), coefficients: solution.coefficients, hinge }
    };
    let mut columns: Vec<&UnitColumn> = base.iter().collect();
    let mut best = solve(&columns, None);
    for (start, column) in hinges {
        columns.push(column);
        let candidate = solve(&columns, Some(*start));
        columns.pop();
        if candidate.rss < best.rss - 1e-9 * (1.0 + best.rss) {
            best = candidate;
        }
    }
    best
}

/// Returns w·value, one row per size.
fn weighted(summary: &Summary, value: impl Fn(f64) -> f64) -> UnitColumn {
    let sizes = summary.sizes.iter().zip(&summary.weight);
    UnitColumn::new(sizes.map(|(&size, w)| w * value(size)).collect())
}

/// Misfit φ and degrees of freedom ν of one fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quality {
    pub phi: f64,
    pub nu: f64,
}

/// The allowed shapes against all shapes.
#[derive(Debug, Clone)]
pub(crate) struct Contrast {
    pub null: Hinged,
    pub full: Hinged,
    pub share: f64,
    pub quality: Quality,
    pub t: f64,
    pub p: f64,
}

/// Whether a step in cost per item is normal for this kind of metric. Caches cause such steps in times.
pub(crate) fn may_bend(kind: Kind) -> bool {
    kind == Kind::Time
}
