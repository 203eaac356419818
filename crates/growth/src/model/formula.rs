//! Describes a count as a formula: a fixed cost, a cost per item, and a cost per pair of items.

use std::fmt;

use crate::input::series::Series;
use crate::numeric::least_squares::unconstrained;
use crate::numeric::median::median;

/// fixed + per_item·N + per_pair·N², in the metric's unit. It is for readers; no verdict uses it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Formula {
    /// The fixed cost.
    pub fixed: f64,
    /// The cost of each item, for any number of items.
    pub per_item: f64,
    /// The additional cost of each item for every other item.
    pub per_pair: f64,
    /// The typical relative error of the formula at a measured size.
    pub misfit: f64,
    /// The largest measured N, at which the parts are compared.
    pub top_size: u64,
}

impl Formula {
    /// Fits the medians of `series`, with errors relative to each cost. A coefficient may be negative,
    /// because the formula describes and does not judge.
    ///
    /// Returns `None` if there are fewer than three sizes.
    #[must_use]
    pub fn of(series: &Series) -> Option<Formula> {
        let sizes: Vec<f64> = series.sizes().iter().map(|size| *size as f64).collect();
        let top = *sizes.last()?;
        let mut costs = series.costs().to_vec();
        let costs: Vec<f64> = costs.iter_mut().map(|repetitions| median(repetitions)).collect();
        // A cost of 0 gets the same error as the smallest positive cost.
        let least = series.smallest_positive();
        let least = if least > 0.0 { least } else { 1.0 };
        let weights: Vec<f64> = costs.iter().map(|cost| 1.0 / cost.abs().max(least)).collect();
        let column = |power: i32| -> Vec<f64> {
            sizes.iter().zip(&weights).map(|(n, w)| w * (n / top).powi(power)).collect()
        };
        let columns = [column(0), column(1), column(2)];
        let target: Vec<f64> = costs.iter().zip(&weights).map(|(cost, w)| cost * w).collect();
        let columns: Vec<&[f64]> = columns.iter().map(Vec::as_slice).collect();
        if sizes.len() < columns.len() {
            return None;
        }
        let [fixed, linear, square] = *unconstrained(&columns, &target)?.coefficients.as_slice()
        else {
            return None;
        };
        let formula = Formula {
            fixed,
            per_item: linear / top,
            per_pair: square / top / top,
            misfit: 0.0,
            top_size: series.top_size(),
        };
        let mut misfits: Vec<f64> = sizes
            .iter()
            .zip(costs.iter().zip(&weights))
            .map(|(n, (cost, w))| (formula.at(*n) - cost).abs() * w)
            .collect();
        Some(Formula { misfit: median(&mut misfits), ..formula })
    }

    /// Returns the cost of `n` items.
    #[must_use]
    pub fn at(&self, n: f64) -> f64 {
        self.fixed + self.per_item * n + self.per_pair * n * n
    }

    /// Returns the cost of one more item at `n` items: the slope of the formula.
    #[must_use]
    pub fn next_at(&self, n: f64) -> f64 {
        self.per_item + 2.0 * self.per_pair * n
    }
}

/// Formats the formula as `4.00·N² + 33.0·N + 120`, with three significant digits. Leaves out parts below a
/// thousandth of the cost at the largest measured N.
impl fmt::Display for Formula {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.top_size as f64;
        let parts = [
            (self.per_pair, self.per_pair * n * n, "·N²"),
            (self.per_item, self.per_item * n, "·N"),
            (self.fixed, self.fixed, ""),
        ];
        let whole: f64 = parts.iter().map(|(_, cost, _)| cost.abs()).sum();
        let mut is_first = true;
        for (coefficient, cost, suffix) in parts {
            if whole == 0.0 || cost.abs() < whole / 1000.0 {
                continue;
            }
            let sign = match (is_first, coefficient < 0.0) {
                (true, true) => "−",
                (true, false) => "",
                (false, true) => " − ",
                (false, false) => " + ",
            };
            write!(f, "{sign}{}{suffix}", significant(coefficient.abs()))?;
            is_first = false;
        }
        if is_first { f.write_str("0") } else { Ok(()) }
    }
}

/// Formats a number from 0 up with three significant digits. Whole numbers keep all digits.
fn significant(number: f64) -> String {
    let scientific = format!("{number:.2e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let magnitude: i32 = exponent.parse().unwrap_or(0);
    if magnitude < -4 {
        let superscript = |sign: char| match sign.to_digit(10) {
            Some(digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(digit as usize).unwrap_or(' '),
            None => '⁻',
        };
        return format!("{mantissa}·10{}", exponent.chars().map(superscript).collect::<String>());
    }
    let decimals = (2 - magnitude).max(0) as usize;
    format!("{number:.decimals$}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::input::series::Kind;

    fn formula(cost: fn(f64) -> f64) -> Formula {
        let sizes: Vec<u64> = (3..10).map(|k| 1 << k).collect();
        let costs = sizes.iter().map(|&n| vec![cost(n as f64)]).collect();
        Formula::of(&Series::new(Kind::Count, sizes, costs).unwrap().exact(true)).unwrap()
    }

    #[test]
    fn what_is_a_formula_is_found() {
        let found = formula(|n| 4.0 * n * n + 33.0 * n + 120.0);
        assert_eq!(found.to_string(), "4.00·N² + 33.0·N");
        assert!((found.per_pair - 4.0).abs() < 1e-9 && (found.fixed - 120.0).abs() < 1e-6);
        assert!(found.misfit < 1e-9);
        assert!((found.next_at(100.0) - 833.0).abs() < 1e-6);
        assert_eq!(formula(|n| 1e6 - 50.0 * n).to_string(), "−50.0·N + 1000000");
        assert_eq!(formula(|_| 0.0).to_string(), "0");
    }

    #[test]
    fn a_small_term_that_matters_at_the_top_is_shown() {
        let up_to = |top: u32, cost: fn(f64) -> f64| {
            let sizes: Vec<u64> = (10..=top).map(|k| 1 << k).collect();
            let costs = sizes.iter().map(|&n| vec![cost(n as f64)]).collect();
            let series = Series::new(Kind::Count, sizes, costs).unwrap().exact(true);
            Formula::of(&series).unwrap().to_string()
        };
        assert_eq!(up_to(20, |n| n + 1e-6 * n * n), "1.00·10⁻⁶·N² + 1.00·N");
        assert_eq!(up_to(14, |n| n + 0.004 * n * n), "0.00400·N² + 1.00·N");
        assert_eq!(up_to(14, |n| 0.05 * n + 123_456.0), "0.0500·N + 123456");
    }

    #[test]
    fn two_sizes_are_too_few() {
        let series = Series::new(Kind::Count, vec![8, 16], vec![vec![1.0], vec![2.0]]).unwrap();
        assert_eq!(Formula::of(&series), None);
    }
}
