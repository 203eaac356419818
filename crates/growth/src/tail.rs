//! The tail exponent: how the last doubling of N grew, free of setup cost.

use crate::{
    Estimate, Interval, fit::Problem, least_squares::nonnegative, student::quantile_above,
    summary::median,
};

/// The exponents that the interval is looked for in; N³ log N has the largest, 3 and a little.
const RANGE: Interval = Interval { low: 0.0, high: 3.2 };

/// e = log₂ [(f(M) − f(M/2)) / (f(M/2) − f(M/4))] at M = Nmax, where f is the fit of all shapes
/// without a hinge; with its 95 % profile interval. `None` for a flat curve: what does not rise has
/// no exponent.
pub(crate) fn tail_exponent(problem: &Problem) -> Option<Estimate> {
    let fit = problem.best(problem.columns.len(), &[]);
    let quality = problem.quality(&fit);
    let (upper, lower) = last_doublings(problem);
    let sum =
        |values: &[f64]| -> f64 { values.iter().zip(&fit.coefficients).map(|(v, c)| v * c).sum() };
    let (last, before) = (sum(&upper), sum(&lower));
    let top: f64 = fit.coefficients.iter().sum();
    let typical = median(&mut problem.summary.uncertainty.clone());
    let flat = (3.0 * typical * quality.phi.sqrt()).max(0.05);
    // Negated so that figures which are not numbers are flat, too.
    if !(last + before >= flat * top && before > 0.0 && last > 0.0) {
        return None;
    }
    let exponent = (last / before).log2();
    let limit = quantile_above(0.025, quality.nu);
    let mut profile = Profile::new(problem, &upper, &lower);
    let mut fits = |exponent: f64| {
        let excess = (profile.rss_at(exponent) - fit.rss).max(0.0);
        (excess / quality.phi).sqrt() <= limit
    };
    Some(Estimate {
        value: exponent,
        interval: Interval {
            low: bound(exponent, RANGE.low, &mut fits),
            high: bound(exponent, RANGE.high, &mut fits),
        },
    })
}

/// What each shape adds over the last doubling of N and over the one before.
fn last_doublings(problem: &Problem) -> (Vec<f64>, Vec<f64>) {
    let top = problem.summary.top_size();
    let differences = |from: f64, to: f64| -> Vec<f64> {
        let shapes = problem.shapes.all().iter();
        shapes.map(|shape| shape.at(to, top) - shape.at(from, top)).collect()
    };
    (differences(top / 2.0, top), differences(top / 4.0, top / 2.0))
}

/// The farthest exponent from `inside` towards `end` that still fits: `end` itself, or the middle of
/// the bracket after twelve bisections.
fn bound(inside: f64, end: f64, fits: &mut impl FnMut(f64) -> bool) -> f64 {
    if fits(end) {
        return end;
    }
    let (mut inside, mut outside) = (inside, end);
    for _ in 0..12 {
        let middle = 0.5 * (inside + outside);
        if fits(middle) {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    0.5 * (inside + outside)
}

/// The fit of all shapes under the condition that the tail exponent has a given value.
struct Profile<'a> {
    upper: &'a [f64],
    lower: &'a [f64],
    /// Weighted columns, each with one more row for the condition.
    columns: Vec<Vec<f64>>,
    target: Vec<f64>,
}

impl<'a> Profile<'a> {
    fn new(problem: &Problem, upper: &'a [f64], lower: &'a [f64]) -> Self {
        let extended = |values: &Vec<f64>| {
            let mut values = values.clone();
            values.push(0.0);
            values
        };
        Profile {
            upper,
            lower,
            columns: problem.columns.iter().map(extended).collect(),
            target: extended(&problem.target),
        }
    }

    /// RSS over the measured rows; the row of the condition is not counted.
    fn rss_at(&mut self, exponent: f64) -> f64 {
        const WEIGHT: f64 = 1e5;
        let ratio = exponent.exp2();
        let rows = self.target.len() - 1;
        for (place, column) in self.columns.iter_mut().enumerate() {
            let condition = (self.upper[place] - ratio * self.lower[place]) / (1.0 + ratio);
            column[rows] = WEIGHT * condition;
        }
        let columns: Vec<&[f64]> = self.columns.iter().map(Vec::as_slice).collect();
        nonnegative(&columns, &self.target).rss(rows)
    }
}
