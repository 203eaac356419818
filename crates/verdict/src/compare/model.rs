//! A fitted cost as a function of N, also beyond the N that were measured.

use loadline_growth::{
    CurveFit, CurveOptions, CurveVerdict, Estimate, Formula, Series, judge_curve,
};

use serde::Serialize;

/// How far a formula may miss an exact count, as a share of it, to stand for it.
const FORMULA_FITS: f64 = 0.01;

/// A cost as a function of N.
pub struct Law {
    formula: Option<Formula>,
    fit: CurveFit,
    /// Whether the part that grows beyond linear is shown.
    pub is_sure: bool,
    /// The tail exponent; `None` for a flat curve.
    pub exponent: Option<Span>,
    /// The largest N it was fitted at.
    pub top: u64,
}

impl Law {
    /// Fits `series`; `None` where its sizes or rounds are too few.
    pub fn of(series: &Series) -> Option<Law> {
        let curve = judge_curve(series, &CurveOptions::default());
        let is_sure = curve.verdict == CurveVerdict::Superlinear;
        let evidence = curve.evidence?;
        // Where no growth is shown, a square in a formula would be a guess.
        let formula = Formula::of(series)
            .filter(|formula| is_sure && series.is_exact() && formula.misfit <= FORMULA_FITS);
        let exponent = evidence.tail_exponent.as_ref().map(Span::of);
        Some(Law { formula, fit: evidence.fit, is_sure, exponent, top: series.top_size() })
    }

    /// Fixed, per module, superlinear; the last of all modules together.
    pub fn parts(&self) -> [f64; 3] {
        let top = self.top as f64;
        let (fixed, per_module, superlinear) = match self.formula {
            Some(formula) => (formula.fixed, formula.per_item, formula.per_pair * top * top),
            None => {
                let parts = self.fit.parts_at(self.top);
                (parts.fixed + parts.sublinear, parts.per_item / top, parts.superlinear)
            }
        };
        // What is nothing but rounding is nothing.
        let whole = self.at(self.top).abs();
        let clean = |cost: f64, share: f64| {
            if (cost * share).abs() < (1e-4 * whole).max(1e-3) { 0.0 } else { cost }
        };
        [clean(fixed, 1.0), clean(per_module, top), clean(superlinear, 1.0)]
    }

    /// The cost of `n` modules. What is not shown to grow is taken to be linear.
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

    /// What the last of `n` modules costs.
    pub fn next_module(&self, n: u64) -> f64 {
        self.at(n) - self.at(n.saturating_sub(1))
    }

    /// What `n` modules come to, beyond those that were measured.
    pub fn foretell(&self, n: u64) -> Foretold {
        let (last, before) = (self.at(n) - self.at(n / 2), self.at(n / 2) - self.at(n / 4));
        let is_rising = last > 0.0 && before > 0.0;
        Foretold {
            n,
            cost: self.at(n),
            next_module: self.next_module(n),
            exponent: is_rising.then(|| (last / before).log2()),
        }
    }
}

/// An exact count, extrapolated.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Foretold {
    /// N.
    pub n: u64,
    /// All modules together.
    pub cost: f64,
    /// The last of them.
    pub next_module: f64,
    /// The growth of the last doubling.
    pub exponent: Option<f64>,
}

/// An estimate with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Span {
    /// The best guess.
    pub value: f64,
    /// The interval's lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

impl Span {
    /// As the growth crate has it.
    pub fn of(estimate: &Estimate) -> Span {
        let Estimate { value, interval } = estimate;
        Span { value: *value, low: interval.low, high: interval.high }
    }
}
