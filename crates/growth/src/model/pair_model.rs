//! Models two curves together, in units of the new cost at the largest N: new = β + α·old, with or without a
//! growing term. For a given α, the rest is weighted least squares in closed form.

use std::fmt;

use crate::input::summary::Summary;
use crate::numeric::estimate::{Estimate, Interval};
use crate::numeric::minimise::{Minimum, least_over_factors};

/// The best-fitting growth of the new cost over the old cost, out of three fits. For display only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GrowthName {
    /// Like log N.
    Log,
    /// Like √N.
    Root,
    /// Like N.
    Linear,
    /// Like N³.
    Cubic,
}

impl fmt::Display for GrowthName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GrowthName::Log => "a factor log N",
            GrowthName::Root => "√N",
            GrowthName::Linear => "N",
            GrowthName::Cubic => "N³",
        })
    }
}

/// The largest constant factor that is not growth, unless the cost at the smallest size forces a larger one.
const MAX_FACTOR: f64 = 3.0;
const MARGIN: f64 = 1.1;

/// Both sides at the same sizes.
pub(crate) struct Comparison {
    /// N/Nmax.
    x: Vec<f64>,
    old: Vec<f64>,
    new: Vec<f64>,
    /// The squared errors of the old costs.
    old_variance: Vec<f64>,
    new_variance: Vec<f64>,
    largest_factor: f64,
}

/// The model new = β + α·old, fitted to the first sizes.
pub(crate) struct Model {
    pub setup: f64,
    pub rss: f64,
    pub total_weight: f64,
}

/// The model new = β + α·old + γ·old·x^q/old_k.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Growth {
    /// α.
    pub factor: f64,
    /// q.
    pub power: u8,
    /// γ: a share of the new cost at the largest N.
    pub share: f64,
    /// Standard error of γ for this α.
    pub error: f64,
    pub rss: f64,
}

impl Comparison {
    pub fn new(new: &Summary, old: &Summary) -> Comparison {
        let relative = |summary: &Summary| -> Vec<f64> {
            summary.log_cost.iter().map(|m| (m - new.top_log_cost()).exp()).collect()
        };
        let variances = |costs: &[f64], summary: &Summary| -> Vec<f64> {
            costs.iter().zip(&summary.uncertainty).map(|(cost, u)| (cost * u).powi(2)).collect()
        };
        let (old_costs, new_costs) = (relative(old), relative(new));
        Comparison {
            x: new.sizes.iter().map(|size| size / new.top_size()).collect(),
            largest_factor: MARGIN * (new_costs[0] / old_costs[0]).max(MAX_FACTOR),
            old_variance: variances(&old_costs, old),
            new_variance: variances(&new_costs, new),
            old: old_costs,
            new: new_costs,
        }
    }

    pub fn n_sizes(&self) -> usize {
        self.x.len()
    }

    pub fn largest_factor(&self) -> f64 {
        self.largest_factor
    }

    pub fn new_cost(&self, place: usize) -> f64 {
        self.new[place]
    }

    /// Minimises `function` over all factors.
    pub fn least(&self, function: impl Fn(f64) -> f64) -> Minimum {
        least_over_factors(self.largest_factor, None, function)
    }

    /// Minimises `function` over all factors. `known` is a factor that is not too unlikely.
    pub fn least_from(&self, known: f64, function: impl Fn(f64) -> f64) -> Minimum {
        least_over_factors(self.largest_factor, Some(known), function)
    }

    /// The squared error of new − α·old at one size.
    pub fn variance(&self, place: usize, factor: f64) -> f64 {
        self.new_variance[place] + factor * factor * self.old_variance[place]
    }

    fn weight(&self, place: usize, factor: f64) -> f64 {
        1.0 / self.variance(place, factor)
    }

    fn rest(&self, place: usize, factor: f64) -> f64 {
        self.new[place] - factor * self.old[place]
    }

    /// Returns how far the new cost at one size exceeds a model.
    pub fn above(&self, place: usize, model: &Model, factor: f64) -> f64 {
        self.rest(place, factor) - model.setup
    }

    /// Fits the model for one factor to the first `n_model` sizes.
    pub fn model(&self, factor: f64, n_model: usize) -> Model {
        let (mut total_weight, mut sum) = (0.0, 0.0);
        for place in 0..n_model {
            let weight = self.weight(place, factor);
            total_weight += weight;
            sum += weight * self.rest(place, factor);
        }
        let setup = sum / total_weight;
        let squares = (0..n_model)
            .map(|place| self.weight(place, factor) * (self.rest(place, factor) - setup).powi(2));
        Model { setup, rss: squares.sum(), total_weight }
    }

    /// Returns the growing term, scaled to 1 at the largest N.
    fn column(&self, place: usize, power: u8) -> f64 {
        self.growing(place, self.x[place].powi(i32::from(power)))
    }

    fn growing(&self, place: usize, rate: f64) -> f64 {
        self.old[place] * rate / self.old[self.n_sizes() - 1]
    }

    /// Fits setup and growth for one factor to all sizes.
    pub fn grow(&self, factor: f64, power: u8) -> Growth {
        let (share, error, rss) = self.with_column(factor, |place| self.column(place, power));
        Growth { factor, power, share, error, rss }
    }

    /// Returns γ, its standard error and the RSS for one factor and one growing column.
    fn with_column(&self, factor: f64, column: impl Fn(usize) -> f64) -> (f64, f64, f64) {
        /// A column this close to a constant differs from it only by rounding, and shows no growth.
        const ALIKE: f64 = 1e-20;
        let (mut total, mut column_sum, mut rest_sum, mut column_squares) = (0.0, 0.0, 0.0, 0.0);
        for place in 0..self.n_sizes() {
            let (weight, column) = (self.weight(place, factor), column(place));
            total += weight;
            column_sum += weight * column;
            column_squares += weight * column * column;
            rest_sum += weight * self.rest(place, factor);
        }
        let (column_mean, rest_mean) = (column_sum / total, rest_sum / total);
        let (mut square, mut product, mut rest_square) = (0.0, 0.0, 0.0);
        for place in 0..self.n_sizes() {
            let weight = self.weight(place, factor);
            let column = column(place) - column_mean;
            let rest = self.rest(place, factor) - rest_mean;
            square += weight * column * column;
            product += weight * column * rest;
            rest_square += weight * rest * rest;
        }
        if square <= ALIKE * column_squares {
            return (0.0, f64::INFINITY, rest_square);
        }
        let share = product / square;
        let rss = (0..self.n_sizes())
            .map(|place| {
                let rest = self.rest(place, factor) - rest_mean;
                let explained = share * (column(place) - column_mean);
                self.weight(place, factor) * (rest - explained).powi(2)
            })
            .sum();
        (share, 1.0 / square.sqrt(), rss)
    }

    /// Fits growth with the factor that fits best.
    pub fn best(&self, power: u8) -> Growth {
        let best = self.least(|factor| self.grow(factor, power).rss);
        self.grow(best.at, power)
    }

    /// Returns the same comparison without the largest size. Growth is then a share of the new cost at the
    /// second largest size.
    pub fn without_top(&self) -> Comparison {
        let kept = self.n_sizes() - 1;
        let top = self.new[kept - 1];
        let cut = |values: &[f64], unit: f64| -> Vec<f64> {
            values[..kept].iter().map(|value| value / unit).collect()
        };
        Comparison {
            x: cut(&self.x, self.x[kept - 1]),
            old: cut(&self.old, top),
            new: cut(&self.new, top),
            old_variance: cut(&self.old_variance, top * top),
            new_variance: cut(&self.new_variance, top * top),
            largest_factor: self.largest_factor,
        }
    }

    /// Whether the cost at the top, or the last step to it, rose by 15 % and by more than twice its error.
    pub fn is_more_expensive(&self, new: &Summary, old: &Summary) -> bool {
        const MORE: f64 = 1.15;
        let top = self.n_sizes() - 1;
        let rise = new.top_log_cost() - old.top_log_cost();
        let error = new.top_uncertainty().hypot(old.top_uncertainty());
        let step = |costs: &[f64]| costs[top] - costs[top - 1];
        let (new_step, old_step) = (step(&self.new), step(&self.old));
        let variances = [top - 1, top].map(|i| self.new_variance[i] + self.old_variance[i]);
        rise > MORE.ln().max(2.0 * error)
            || (new_step > MORE * old_step
                && new_step - old_step > 2.0 * variances.iter().sum::<f64>().sqrt())
    }

    /// Estimates α without growth. The interval has all factors whose model fits hardly worse: by at most
    /// `quantile` standard errors.
    pub fn factor_interval(&self, best: Minimum, quantile: f64) -> Estimate {
        let n_sizes = self.n_sizes();
        let phi = (best.value / (n_sizes - 2) as f64).max(1.0);
        let fits =
            |factor: f64| self.model(factor, n_sizes).rss - best.value <= phi * quantile * quantile;
        let end = |end: f64| {
            if fits(end) {
                return end;
            }
            let (mut inside, mut outside) = (best.at, end);
            for _ in 0..30 {
                let middle = 0.5 * (inside + outside);
                if fits(middle) {
                    inside = middle;
                } else {
                    outside = middle;
                }
            }
            inside
        };
        let interval = Interval { low: end(0.0), high: end(self.largest_factor) };
        Estimate { value: best.at, interval }
    }

    /// Names the growth that fits best. `power` is the result of the growth test.
    pub fn name_growth(&self, power: u8) -> GrowthName {
        if power > 1 {
            return GrowthName::Cubic;
        }
        let top = self.n_sizes() - 1;
        // The unit of N must not matter: log N is known up to a constant, which α·old absorbs.
        let rate = |place: usize, name: GrowthName| match name {
            GrowthName::Log => 1.0 + self.x[place].ln() / (1.0 - self.x[0].ln()),
            GrowthName::Root => self.x[place].sqrt(),
            _ => self.x[place],
        };
        let rss = |name: GrowthName| {
            let column = |place: usize| self.growing(place, rate(place, name) / rate(top, name));
            self.least(|factor| self.with_column(factor, column).2).value
        };
        let names = [GrowthName::Linear, GrowthName::Root, GrowthName::Log];
        let all = names.map(|name| (name, rss(name)));
        all.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).map_or(GrowthName::Linear, |best| best.0)
    }
}
