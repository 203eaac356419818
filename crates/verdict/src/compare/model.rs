//! A fitted cost as a function of N, also for N beyond the measured sizes.

use loadline_growth::{
    CurveFit, CurveOptions, CurveVerdict, Estimate, Formula, Series, judge_curve,
};

use serde::Serialize;

/// The largest relative error at which a formula may represent an exact count.
const FORMULA_FITS: f64 = 0.01;

/// A model of a cost as a function of N.
pub struct Model {
    formula: Option<Formula>,
    fit: CurveFit,
    /// Whether the curve rule found superlinear growth.
    pub is_sure: bool,
    /// The scaling exponent; `None` for a flat curve.
    pub exponent: Option<Span>,
    /// The largest N that was fitted.
    pub top: u64,
}

impl Model {
    /// Fits `series`; returns `None` if it has too few sizes or repetitions.
    pub fn of(series: &Series) -> Option<Model> {
        let curve = judge_curve(series, &CurveOptions::default());
        let is_sure = curve.verdict == CurveVerdict::Superlinear;
        let evidence = curve.evidence?;
        // Without shown growth, a square term in a formula would be a guess.
        let formula = Formula::of(series)
            .filter(|formula| is_sure && series.is_exact() && formula.misfit <= FORMULA_FITS);
        let exponent = evidence.tail_exponent.as_ref().map(Span::of);
        Some(Model { formula, fit: evidence.fit, is_sure, exponent, top: series.top_size() })
    }

    /// Returns three costs at the largest N: fixed, per module, and superlinear. The last cost is for all
    /// modules together.
    pub fn parts(&self) -> [f64; 3] {
        let top = self.top as f64;
        let (fixed, per_module, superlinear) = match self.formula {
            Some(formula) => (formula.fixed, formula.per_item, formula.per_pair * top * top),
            None => {
                let parts = self.fit.parts_at(self.top);
                (parts.fixed + parts.sublinear, parts.per_item / top, parts.superlinear)
            }
        };
        // A part that is only rounding is set to 0.
        let whole = self.at(self.top).abs();
        let clean = |cost: f64, share: f64| {
            if (cost * share).abs() < (1e-4 * whole).max(1e-3) { 0.0 } else { cost }
        };
        [clean(fixed, 1.0), clean(per_module, top), clean(superlinear, 1.0)]
    }

    /// Returns the cost of `n` modules. A part without shown growth is extrapolated as linear.
    fn at(&self, n: u64) -> f64 {
        if let Some(formula) = self.formula {
            return formula.at(n as f64);
        }
        let parts = self.fit.parts_at(n);
        if self.is_sure {
            return parts.total();
        }
        let at_top = self.fit.parts_at(self.top).superlinear;
        parts.total() - parts.superlinear + at_top * n as f64 / self.top as f64
    }

    /// Returns the cost of the last of `n` modules.
    pub fn next_module(&self, n: u64) -> f64 {
        self.at(n) - self.at(n.saturating_sub(1))
    }

    /// Extrapolates the cost to `n` modules, beyond the measured sizes.
    pub fn extrapolate(&self, n: u64) -> Extrapolated {
        let (last, before) = (self.at(n) - self.at(n / 2), self.at(n / 2) - self.at(n / 4));
        let is_rising = last > 0.0 && before > 0.0;
        Extrapolated {
            n,
            cost: self.at(n),
            next_module: self.next_module(n),
            exponent: is_rising.then(|| (last / before).log2()),
        }
    }
}

/// An exact count, extrapolated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Extrapolated {
    /// N.
    pub n: u64,
    /// The cost of all modules together.
    pub cost: f64,
    /// The cost of the last module.
    pub next_module: f64,
    /// The scaling exponent of the last doubling; `None` if the cost does not rise.
    pub exponent: Option<f64>,
}

/// An estimate with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Span {
    /// The estimate.
    pub value: f64,
    /// The lower end of the interval.
    pub low: f64,
    /// The upper end of the interval.
    pub high: f64,
}

impl Span {
    /// Converts an estimate of the growth crate.
    pub fn of(estimate: &Estimate) -> Span {
        let Estimate { value, interval } = estimate;
        Span { value: *value, low: interval.low, high: interval.high }
    }
}
