//! The scaling exponent of the tail: how fast the cost grew over the largest sizes, without setup cost.

use super::fit::OffsetPower;
use crate::input::summary::Summary;
use crate::numeric::estimate::{Estimate, Interval};
use crate::numeric::student::quantile_above;

/// The range of exponents that are tried.
const RANGE: Interval = Interval { low: 0.05, high: 20.0 };
/// The number of exponents tried before the search narrows down, evenly spaced in their logarithm.
const N_TRIED: usize = 121;
/// More sizes are included as long as each size beyond the third adds at most this much to the RSS.
const FITS: f64 = 0.3;

/// Fits p of a + b·N^p to at least three of the largest sizes, and to as many as it fits. The estimate has a
/// 95 % interval. Returns `None` for a flat curve, because a cost that does not rise has no exponent.
pub(crate) fn tail_exponent(summary: &Summary) -> Option<(Estimate, OffsetPower)> {
    let n_sizes = summary.sizes.len();
    let quarter = summary.place_below(n_sizes - 1, 4.0)?;
    let error = summary.top_uncertainty().hypot(summary.uncertainty[quarter]);
    if 1.0 - summary.relative[quarter] < (3.0 * error).max(0.05) {
        return None;
    }
    let tried = Tried::new(summary);
    let mut kept: Vec<Fit> = Vec::new();
    for n_largest in (n_sizes - quarter).max(3)..=n_sizes {
        let fit = tried.best(n_largest);
        if !kept.is_empty() && fit.rss > FITS * (n_largest - 3) as f64 {
            break;
        }
        kept.push(fit);
    }
    let limit = quantile_above(0.025, summary.freedom).powi(2);
    // Each added size may bend the model a little, so the interval covers those of the last two fits.
    let intervals = kept.iter().rev().take(2).map(|fit| fit.interval(limit));
    let hull = |hull: Interval, next: Interval| Interval {
        low: hull.low.min(next.low),
        high: hull.high.max(next.high),
    };
    let interval = intervals.reduce(hull)?;
    let last = kept.last()?;
    Some((Estimate { value: last.power, interval }, last.tail.model(last.power)))
}

/// The largest sizes of a curve with their weights and logarithms.
struct Tail {
    /// ln(N/Nmax).
    log_x: Vec<f64>,
    cost: Vec<f64>,
    /// The cost minus its weighted mean.
    centred: Vec<f64>,
    /// w², and its sum.
    weight: Vec<f64>,
    total_weight: f64,
}

impl Tail {
    fn new(summary: &Summary, n_largest: usize) -> Tail {
        let first = summary.sizes.len() - n_largest;
        let top = summary.top_size();
        let cost = summary.relative[first..].to_vec();
        let weight: Vec<f64> = summary.weight[first..].iter().map(|w| w * w).collect();
        let total_weight = weight.iter().sum();
        let mean = mean(&weight, &cost, total_weight);
        Tail {
            log_x: summary.sizes[first..].iter().map(|size| (size / top).ln()).collect(),
            centred: cost.iter().map(|z| z - mean).collect(),
            cost,
            weight,
            total_weight,
        }
    }

    /// Returns the least RSS of a + b·x^p over any a and b ≥ 0, given x^p.
    fn rss_of(&self, column: &[f64]) -> f64 {
        let (factor, mean) = self.factor_of(column);
        self.weight
            .iter()
            .zip(&self.centred)
            .zip(column)
            .map(|((w, z), g)| w * (z - factor * (g - mean)).powi(2))
            .sum()
    }

    /// Returns b, and the weighted mean of x^p.
    fn factor_of(&self, column: &[f64]) -> (f64, f64) {
        let mean = mean(&self.weight, column, self.total_weight);
        let (mut product, mut square) = (0.0, 0.0);
        for ((w, z), g) in self.weight.iter().zip(&self.centred).zip(column) {
            product += w * (g - mean) * z;
            square += w * (g - mean) * (g - mean);
        }
        (if square > 0.0 { (product / square).max(0.0) } else { 0.0 }, mean)
    }

    fn column(&self, power: f64) -> Vec<f64> {
        self.log_x.iter().map(|log_x| (power * log_x).exp()).collect()
    }

    fn rss(&self, power: f64, column: &mut Vec<f64>) -> f64 {
        column.clear();
        column.extend(self.log_x.iter().map(|log_x| (power * log_x).exp()));
        self.rss_of(column)
    }

    fn model(&self, power: f64) -> OffsetPower {
        let (factor, mean_power) = self.factor_of(&self.column(power));
        let offset = mean(&self.weight, &self.cost, self.total_weight) - factor * mean_power;
        OffsetPower { offset, factor, power }
    }
}

fn mean(weight: &[f64], values: &[f64], total_weight: f64) -> f64 {
    weight.iter().zip(values).map(|(w, value)| w * value).sum::<f64>() / total_weight
}

/// x^p at all sizes, for all powers that are tried first.
struct Tried<'a> {
    summary: &'a Summary,
    powers: Vec<f64>,
    columns: Vec<Vec<f64>>,
}

impl<'a> Tried<'a> {
    fn new(summary: &'a Summary) -> Tried<'a> {
        let steps = (N_TRIED - 1) as f64;
        let ratio = (RANGE.high / RANGE.low).ln();
        let powers: Vec<f64> =
            (0..N_TRIED).map(|i| RANGE.low * (ratio * i as f64 / steps).exp()).collect();
        let whole = Tail::new(summary, summary.sizes.len());
        let columns = powers.iter().map(|power| whole.column(*power)).collect();
        Tried { summary, powers, columns }
    }

    fn best(&self, n_largest: usize) -> Fit {
        let tail = Tail::new(self.summary, n_largest);
        let first = self.summary.sizes.len() - n_largest;
        let rss: Vec<f64> =
            self.columns.iter().map(|column| tail.rss_of(&column[first..])).collect();
        let (mut low, mut high) = around(&self.powers, least(&rss));
        let (mut power, mut least_rss) = (low, f64::INFINITY);
        let mut column = Vec::with_capacity(n_largest);
        for _ in 0..6 {
            let powers: Vec<f64> =
                (0..9).map(|i| low + (high - low) * f64::from(i) / 8.0).collect();
            let rss: Vec<f64> = powers.iter().map(|power| tail.rss(*power, &mut column)).collect();
            let place = least(&rss);
            (power, least_rss) = (powers[place], rss[place]);
            (low, high) = around(&powers, place);
        }
        Fit { tail, power, rss: least_rss }
    }
}

/// Returns the index of the smallest value, the first of equals.
fn least(values: &[f64]) -> usize {
    let smaller = |best: usize, place| if values[place] < values[best] { place } else { best };
    (1..values.len()).fold(0, smaller)
}

/// Returns the neighbours of one index.
fn around(values: &[f64], place: usize) -> (f64, f64) {
    (values[place.saturating_sub(1)], values[(place + 1).min(values.len() - 1)])
}

/// The best power for one tail.
struct Fit {
    tail: Tail,
    power: f64,
    rss: f64,
}

impl Fit {
    /// Returns the range of powers whose RSS exceeds the least RSS by at most `limit` times the misfit.
    fn interval(&self, limit: f64) -> Interval {
        let left = self.tail.cost.len() - 3;
        let misfit = if left > 0 { (self.rss / left as f64).max(1.0) } else { 1.0 };
        let mut column = Vec::with_capacity(self.tail.cost.len());
        let mut fits = |power: f64| self.tail.rss(power, &mut column) - self.rss <= misfit * limit;
        let mut end = |end: f64| {
            if fits(end) {
                return end;
            }
            let (mut inside, mut outside) = (self.power, end);
            for _ in 0..20 {
                let middle = (inside * outside).sqrt();
                if fits(middle) {
                    inside = middle;
                } else {
                    outside = middle;
                }
            }
            inside
        };
        Interval { low: end(RANGE.low), high: end(RANGE.high) }
    }
}
