//! The pair rule: does a series grow faster than its baseline, whatever the baseline's shape?

use super::curve::SHARE_OF_INTEREST;
use super::doubt::{Doubt, Suspicion};
use crate::input::design::DesignFlaw;
use crate::input::series::Series;
use crate::input::summary::Summary;
use crate::input::tau::Tau;
use crate::model::pair_model::{Comparison, Growth, GrowthName, Model};
use crate::numeric::estimate::{Estimate, Interval};
use crate::numeric::minimise::least_over_factors;
use crate::numeric::student::{quantile_above, upper_tail};

/// Growth below this share of the new cost is never called worse, however certain it is.
pub const MIN_GROWTH: f64 = 0.05;
/// The largest p of the series alone that still shows growth.
pub const PAIR_LEVEL: f64 = 0.003;
/// The largest p, adjusted for the number of series judged together, that still shows growth.
pub const SUITE_LEVEL: f64 = 0.01;
/// The largest p at which a top above the model of the smaller sizes is suspect.
const SUSPECT_LEVEL: f64 = 0.05;
/// The excess of the largest size that is growth by itself, even if the excess does not rise from one size to
/// the next.
const GROSS_EXCESS: f64 = 0.40;
/// Readings of coarse clocks hit the limits of shares exactly, so comparisons allow for rounding.
const ROUNDING: f64 = 1e-9;

/// The options of the pair rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairOptions {
    /// How often the same question is asked at most while data is added. Every p is multiplied by this
    /// number. 0 counts as 1.
    pub looks: u32,
    /// The structural floor of both sides; `None` means the kind's default.
    pub tau: Option<Tau>,
}

impl Default for PairOptions {
    fn default() -> Self {
        PairOptions { looks: 1, tau: None }
    }
}

/// The verdict of the pair rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PairVerdict {
    /// The new series grows faster than the baseline.
    Worse,
    /// Growth of 20 % beyond the baseline's is excluded.
    Ok,
    /// Growth is neither shown nor excluded.
    Inconclusive(Doubt),
}

/// A verdict of the pair rule with its evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct PairJudgement {
    /// The verdict on this pair alone. For one pair among several, ask [`PairEvidence::verdict`].
    pub verdict: PairVerdict,
    /// The figures behind the verdict. `None` if the design allows no fit, or if both sides are exactly the
    /// same count.
    pub evidence: Option<PairEvidence>,
}

/// The figures behind a verdict of the pair rule. Costs are compared as new = β + α·old, plus γ·old·x^q to
/// look for growth. Every figure is for the best α.
#[derive(Debug, Clone, PartialEq)]
pub struct PairEvidence {
    /// The condensed new curve.
    pub new: Summary,
    /// The condensed curve of the baseline.
    pub old: Summary,
    /// E: the share of the new cost at the largest N that the baseline's growth does not explain. E is
    /// negative if growth became less.
    pub growth: Estimate,
    /// The upper bound of the growth, exceeded with a probability of only 5 %.
    pub upper_bound: f64,
    /// q: 1, or 3 if old·x³ fits the growth clearly better than old·x.
    pub power: u8,
    /// E over its standard error.
    pub t: f64,
    /// The one-sided p, multiplied by the number of looks.
    pub p: f64,
    /// φ: the squared misfit in units of the expected one, at least 1. Above 4 the two curves do not have the
    /// same shape.
    pub phi: f64,
    /// ν: the degrees of freedom of t.
    pub nu: f64,
    /// r₀: the weighted RSS without growth.
    pub rss_without_growth: f64,
    /// r₁: the weighted RSS with growth.
    pub rss: f64,
    /// The factor by which the baseline's costs rose (above 1) or fell at every N, assuming that growth did
    /// not change. The verdict does not depend on it.
    pub constant_factor: Estimate,
    /// How far the largest sizes exceed the model of the smaller ones.
    pub tops: Vec<TopTest>,
    /// Whether the largest N, or the step to it, costs more than before: by 15 % and by more than twice its
    /// error. Only then can the verdict be worse.
    pub is_more_expensive: bool,
    /// E without the largest size, as a share of the new cost at the second largest size.
    pub growth_without_top: f64,
    /// How often this question may be asked, at least 1.
    pub looks: u32,
}

/// How far the two largest sizes exceed the model that fits the first `n_sizes` sizes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TopTest {
    /// m: the number of smallest sizes that the model is fitted to.
    pub n_sizes: usize,
    /// The excess of the largest size.
    pub top: Excess,
    /// The excess of the second largest size, if the model was not fitted to it.
    pub before: Option<Excess>,
}

/// By how much a cost exceeds a model.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Excess {
    /// X: the part of the cost that the model does not explain; negative below the model.
    pub share: f64,
    /// The one-sided p of such an excess if the model is right, for the α that explains most.
    pub p: f64,
}

impl Excess {
    fn is(&self, share: f64, level: f64, looks: f64) -> bool {
        self.share >= share - ROUNDING && self.p * looks <= level
    }
}

impl TopTest {
    /// Whether both sizes exceed the model by so much that this is growth, whatever its shape.
    fn is_gross(&self, looks: f64) -> bool {
        let Some(before) = self.before else { return false };
        let rises = self.top.share > before.share + MIN_GROWTH;
        let needed = if rises { SHARE_OF_INTEREST } else { GROSS_EXCESS };
        self.top.is(needed, PAIR_LEVEL, looks)
            && before.is(MIN_GROWTH, PAIR_LEVEL, looks)
            && self.top.share >= before.share - MIN_GROWTH
    }
}

impl PairEvidence {
    /// Returns the verdict if this pair is one of several. `adjusted_p` is its p after [`holm`](crate::holm)
    /// over all of them, or its own p if it is alone.
    #[must_use]
    pub fn verdict(&self, adjusted_p: f64) -> PairVerdict {
        let suspect = |suspicion| PairVerdict::Inconclusive(Doubt::Suspect(suspicion));
        let is_sure = adjusted_p <= SUITE_LEVEL && self.p <= PAIR_LEVEL;
        let is_grown = is_sure && self.growth.value >= MIN_GROWTH;
        let is_gross = self.gross_excess().is_some();
        if is_grown || is_gross {
            return if !self.is_more_expensive {
                suspect(Suspicion::NoMoreExpensive)
            } else if !is_gross && self.growth_without_top < self.growth.value / 10.0 {
                suspect(Suspicion::RestsOnLargestSize)
            } else {
                PairVerdict::Worse
            };
        }
        let looks = f64::from(self.looks);
        if self.tops.iter().any(|test| test.top.is(SHARE_OF_INTEREST, SUSPECT_LEVEL, looks)) {
            return suspect(Suspicion::TopAboveLaw);
        }
        let error = self.new.top_uncertainty().max(self.old.top_uncertainty());
        if self.upper_bound < SHARE_OF_INTEREST && error < SHARE_OF_INTEREST {
            PairVerdict::Ok
        } else {
            PairVerdict::Inconclusive(Doubt::Imprecise)
        }
    }

    /// Returns the largest part of the cost at the largest N that the model of the smaller sizes does not
    /// explain. Returns it only if the excess at both of the largest sizes is so large that it alone is
    /// growth. The cost is then more than 1/(1 − X) times the model's, and E understates the growth.
    #[must_use]
    pub fn gross_excess(&self) -> Option<f64> {
        let looks = f64::from(self.looks);
        let gross = self.tops.iter().filter(|test| test.is_gross(looks));
        gross.map(|test| test.top.share).reduce(f64::max)
    }

    /// Names the growth that fits best.
    #[must_use]
    pub fn growth_name(&self) -> GrowthName {
        Comparison::new(&self.new, &self.old).name_growth(self.power)
    }

    /// Returns the standard error of E, including misfit and the unknown factor. It is roughly a quarter of
    /// the 95 % interval.
    fn standard_error(&self) -> f64 {
        let Interval { low, high } = self.growth.interval;
        0.5 * (high - low) / quantile_above(0.025, self.nu)
    }

    /// Returns the smallest E that this run would have called worse in half of all cases, among `n_series`
    /// judged together. It is the larger of 5 % and t·se at the level of the strictest step of
    /// [`holm`](crate::holm). It is infinite if no growth would have been found.
    #[must_use]
    pub fn smallest_detectable(&self, n_series: usize) -> f64 {
        let level = PAIR_LEVEL.min(SUITE_LEVEL / n_series.max(1) as f64) / f64::from(self.looks);
        MIN_GROWTH.max(quantile_above(level, self.nu) * self.standard_error())
    }

    /// Converts E into a factor on the cost at the largest N, "×1.25 beyond the baseline's growth": 1/(1 −
    /// E), with E limited to 0.99.
    #[must_use]
    pub fn growth_factor(&self) -> Estimate {
        let factor = |share: f64| 1.0 / (1.0 - share.min(0.99));
        Estimate {
            value: factor(self.growth.value),
            interval: Interval {
                low: factor(self.growth.interval.low),
                high: factor(self.growth.interval.high),
            },
        }
    }
}

/// Judges one series against its baseline, as if it were the only one. Deterministic; takes below 0.1 ms
/// (`cargo bench -p loadline-growth`).
#[must_use]
pub fn judge_pair(new: &Series, old: &Series, options: &PairOptions) -> PairJudgement {
    let tau = options.tau.unwrap_or(new.kind().default_tau());
    let looks = options.looks.max(1);
    let (new_summary, old_summary) = match Summary::of_pair(new, old, tau) {
        Ok(sides) => sides,
        Err(flaw) => return PairJudgement::impossible(flaw),
    };
    let is_exact = new.repeats_exactly() && old.repeats_exactly();
    let is_same =
        is_exact && new.costs().iter().zip(old.costs()).all(|(new, old)| new[0] == old[0]);
    if is_same || (new_summary.is_zero && old_summary.is_zero) {
        return PairJudgement { verdict: PairVerdict::Ok, evidence: None };
    }
    let evidence = is_exact
        .then(|| {
            let exactly = |summary: &Summary, series: &Series| summary.exactly(series.step());
            compare(exactly(&new_summary, new), exactly(&old_summary, old), looks)
        })
        // With a larger misfit the two curves are not exactly related, and the usual errors apply.
        .filter(|evidence| evidence.phi <= super::curve::POOR_FIT)
        .unwrap_or_else(|| compare(new_summary, old_summary, looks));
    PairJudgement { verdict: evidence.verdict(evidence.p), evidence: Some(evidence) }
}

impl PairJudgement {
    fn impossible(flaw: DesignFlaw) -> PairJudgement {
        PairJudgement { verdict: PairVerdict::Inconclusive(Doubt::Design(flaw)), evidence: None }
    }
}

/// Computes every figure over all constant factors α at once.
fn compare(new: Summary, old: Summary, looks: u32) -> PairEvidence {
    let comparison = Comparison::new(&new, &old);
    let n_sizes = new.sizes.len();
    let least_freedom = new.freedom.min(old.freedom);
    let growth = best_growth(&comparison);
    let without = comparison.least(|factor| comparison.model(factor, n_sizes).rss);
    let left = (n_sizes - 3) as f64;
    let phi = (growth.rss / left).max(1.0);
    let nu = freedom_of(1.5 * least_freedom, phi, left);
    let t = ((without.value - growth.rss).max(0.0) / phi).sqrt().copysign(growth.share);
    let bounds = Bounds { comparison: &comparison, growth: &growth, phi, nu };
    let factor_freedom = freedom_of(1.5 * least_freedom, 1.0, left + 1.0);
    PairEvidence {
        growth: Estimate {
            value: growth.share,
            interval: Interval { low: bounds.end(0.025, -1.0), high: bounds.end(0.025, 1.0) },
        },
        upper_bound: bounds.end(0.05, 1.0),
        power: growth.power,
        t,
        p: (upper_tail(t, nu) * f64::from(looks)).min(1.0),
        phi,
        nu,
        rss_without_growth: without.value,
        rss: growth.rss,
        constant_factor: comparison.factor_interval(without, quantile_above(0.025, factor_freedom)),
        tops: top_tests(&comparison, least_freedom),
        is_more_expensive: comparison.is_more_expensive(&new, &old),
        growth_without_top: comparison.without_top().best(growth.power).share,
        looks,
        new,
        old,
    }
}

/// Fits growth by old·x, or by old·x³ if that fits clearly better.
fn best_growth(comparison: &Comparison) -> Growth {
    const CLEARLY: f64 = 4.0;
    let left = (comparison.n_sizes() - 3) as f64;
    let (linear, cubic) = (comparison.best(1), comparison.best(3));
    let gain = linear.rss - cubic.rss;
    if gain > CLEARLY * (cubic.rss / left).max(1.0) { cubic } else { linear }
}

/// Satterthwaite: the variance is partly known beforehand and partly estimated from the misfit.
pub(crate) fn freedom_of(known: f64, phi: f64, left: f64) -> f64 {
    if left <= 0.0 {
        return known;
    }
    phi * phi / (1.0 / (known + left) + (phi - 1.0).powi(2) / left)
}

/// The bounds of the growth, over all factors that are not too unlikely.
struct Bounds<'a> {
    comparison: &'a Comparison,
    growth: &'a Growth,
    phi: f64,
    nu: f64,
}

impl Bounds<'_> {
    /// Returns the bound of the growth that is exceeded with probability `p`: the upper (`side` 1) or the
    /// lower (−1).
    fn end(&self, p: f64, side: f64) -> f64 {
        /// A value beyond every share, so that a factor that is too unlikely is never the best.
        const UNLIKELY: f64 = 1e6;
        let limit = self.phi * quantile_above(p, self.nu).powi(2);
        let value = |factor: f64| {
            let fit = self.comparison.grow(factor, self.growth.power);
            let excess = fit.rss - self.growth.rss;
            if excess > limit {
                return UNLIKELY + excess;
            }
            -side * fit.share - fit.error * (limit - excess).max(0.0).sqrt()
        };
        -side * self.comparison.least_from(self.growth.factor, value).value
    }
}

/// Tests, for every model of fewer sizes, how far the two largest sizes exceed it.
fn top_tests(comparison: &Comparison, freedom: f64) -> Vec<TopTest> {
    let n_sizes = comparison.n_sizes();
    let smallest = n_sizes.div_ceil(2).max(3);
    let test = |n_model: usize| {
        let model = comparison.least(|factor| comparison.model(factor, n_model).rss);
        let phi = (model.value / (n_model - 2) as f64).max(1.0);
        let excess = |place: usize| {
            let fit = comparison.model(model.at, n_model);
            let beyond = |fit: &Model, factor: f64| comparison.above(place, fit, factor);
            let misfit =
                least_over_factors(comparison.largest_factor(), Some(model.at), |factor| {
                    let fit = comparison.model(factor, n_model);
                    let variance = comparison.variance(place, factor) + phi / fit.total_weight;
                    (fit.rss - model.value) / phi + beyond(&fit, factor).max(0.0).powi(2) / variance
                });
            Excess {
                share: beyond(&fit, model.at) / comparison.new_cost(place),
                p: upper_tail(misfit.value.max(0.0).sqrt(), freedom),
            }
        };
        TopTest {
            n_sizes: n_model,
            top: excess(n_sizes - 1),
            before: (n_model < n_sizes - 1).then(|| excess(n_sizes - 2)),
        }
    };
    (smallest..n_sizes).rev().map(test).collect()
}
