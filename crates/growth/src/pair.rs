//! The pair rule: does a series grow faster than its baseline, whatever the baseline's own shape?

use std::fmt;

use crate::{
    DesignFlaw, Doubt, Estimate, Interval, SHARE_OF_INTEREST, Series, Summary, Tau,
    least_squares::{Unconstrained, unconstrained},
    student::{quantile_above, upper_tail},
    summary::median,
};

/// Growth below this share of the new cost is never called worse, however sure.
pub const MIN_GROWTH: f64 = 0.05;
/// Largest p of the series alone that still shows growth.
pub const PAIR_LEVEL: f64 = 0.001;
/// Largest p, adjusted for the number of series judged together, that still shows growth.
pub const SUITE_LEVEL: f64 = 0.01;

/// How a pair is judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairOptions {
    /// How often the same question is asked while data are added, at most: every p is multiplied by
    /// this. 0 counts as 1.
    pub looks: u32,
    /// The structural floor of both sides; the kind's default if `None`.
    pub tau: Option<Tau>,
}

impl Default for PairOptions {
    fn default() -> Self {
        PairOptions { looks: 1, tau: None }
    }
}

/// What the pair rule found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PairVerdict {
    /// The new series grows faster than the baseline.
    Worse,
    /// Growth of 20 % beyond the baseline's is excluded.
    Ok,
    /// Neither.
    Inconclusive(Doubt),
}

/// A verdict of the pair rule with its evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct PairJudgement {
    /// The verdict on this pair alone; among others, ask [`PairEvidence::verdict`].
    pub verdict: PairVerdict,
    /// The figures behind it; `None` only where the design allows no fit.
    pub evidence: Option<PairEvidence>,
}

/// The figures behind a verdict of the pair rule.
#[derive(Debug, Clone, PartialEq)]
pub struct PairEvidence {
    /// The new curve in a few numbers per size.
    pub new: Summary,
    /// The baseline likewise.
    pub old: Summary,
    /// E: share of the new cost at the largest N that the baseline's growth does not explain;
    /// negative where growth became less.
    pub growth: Estimate,
    /// Standard error of E, misfit included.
    pub standard_error: f64,
    /// E over its standard error.
    pub t: f64,
    /// One-sided p, multiplied by the number of looks.
    pub p: f64,
    /// φ: squared misfit in units of the expected one, at least 1; above 4 the two curves are not of
    /// one shape.
    pub phi: f64,
    /// ν: degrees of freedom of t.
    pub nu: f64,
    /// Weighted RSS.
    pub rss: f64,
    /// Whether the baseline hardly rises, so that a constant and itself cannot be told apart.
    pub is_flat: bool,
    /// By what factor the baseline's law became dearer (above 1) or cheaper at every N, growth apart.
    pub constant_factor: Estimate,
    /// The same if growth is taken to have stayed as it was: tighter, and meaningful only where the
    /// verdict is ok.
    pub factor_without_growth: Estimate,
    /// Setup added (share of the new cost at the largest N); `None` for a flat baseline.
    pub added_setup: Option<Estimate>,
    /// What the growth looks like.
    pub growth_name: GrowthName,
    /// How often this question may be asked, at least 1.
    pub looks: u32,
}

impl PairEvidence {
    /// The verdict if this pair is one of several: `adjusted_p` is its p after [`holm`](crate::holm)
    /// over all of them (its own p if it is alone).
    #[must_use]
    pub fn verdict(&self, adjusted_p: f64) -> PairVerdict {
        let is_sure = adjusted_p <= SUITE_LEVEL && self.p <= PAIR_LEVEL;
        if is_sure && self.growth.value >= MIN_GROWTH {
            PairVerdict::Worse
        } else if self.upper_bound() < SHARE_OF_INTEREST {
            PairVerdict::Ok
        } else {
            PairVerdict::Inconclusive(Doubt::Imprecise)
        }
    }

    /// The growth that is exceeded with 5 % probability only.
    #[must_use]
    pub fn upper_bound(&self) -> f64 {
        self.growth.value + quantile_above(0.05, self.nu) * self.standard_error
    }

    /// The smallest E that this run would have called worse in half of all cases, among `n_series`
    /// judged together: the larger of 5 % and t·se at the level that the strictest step of
    /// [`holm`](crate::holm) asks for. Infinite where nothing would have been found.
    #[must_use]
    pub fn smallest_detectable(&self, n_series: usize) -> f64 {
        let level = PAIR_LEVEL.min(SUITE_LEVEL / n_series.max(1) as f64) / f64::from(self.looks);
        MIN_GROWTH.max(quantile_above(level, self.nu) * self.standard_error)
    }

    /// E as a factor on the cost at the largest N, "×1.25 beyond the baseline's growth": 1/(1 − E),
    /// where E is clipped to 0.99.
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

/// What the new cost over the old one grows like, by the best of three fits. For display only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum GrowthName {
    /// Like log N.
    Log,
    /// Like √N.
    Root,
    /// Like N.
    Linear,
}

impl fmt::Display for GrowthName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GrowthName::Log => "a factor log N",
            GrowthName::Root => "√N",
            GrowthName::Linear => "N",
        })
    }
}

/// Judges one series against its baseline, as if it were the only one. Deterministic; below 0.2 ms.
#[must_use]
pub fn judge_pair(new: &Series, old: &Series, options: &PairOptions) -> PairJudgement {
    let tau = options.tau.unwrap_or(new.kind().default_tau());
    let evidence = Summary::of_pair(new, old, tau)
        .and_then(|(new, old)| compare(new, old, options.looks.max(1)));
    match evidence {
        Ok(evidence) => {
            PairJudgement { verdict: evidence.verdict(evidence.p), evidence: Some(evidence) }
        }
        Err(flaw) => PairJudgement {
            verdict: PairVerdict::Inconclusive(Doubt::Design(flaw)),
            evidence: None,
        },
    }
}

/// Fits new = β + α·old + γ·old·x, costs relative to those at the largest N, so that γ is a share.
fn compare(new: Summary, old: Summary, looks: u32) -> Result<PairEvidence, DesignFlaw> {
    let is_flat = is_flat(&old);
    let columns = Columns::new(&new, &old, is_flat);
    let fit = columns.fit(Some(GrowthName::Linear)).ok_or(DesignFlaw::ShapeUndetermined)?;
    let left = (new.sizes.len() - fit.coefficients.len()) as f64;
    let phi = (fit.rss / left).max(1.0);
    let nu = 1.5 * new.freedom.min(old.freedom) + left;
    let estimate = |place: usize, scale: f64| {
        let error = (fit.variances[place] * phi).sqrt();
        estimate(fit.coefficients[place] * scale, error * scale, nu)
    };
    let last = fit.coefficients.len() - 1;
    let scale = (new.top_log_cost() - old.top_log_cost()).exp();
    let standard_error = (fit.variances[last] * phi).sqrt();
    let t = fit.coefficients[last] / standard_error;
    if !(t.is_finite() && standard_error > 0.0) {
        return Err(DesignFlaw::ShapeUndetermined);
    }
    Ok(PairEvidence {
        growth: estimate(last, 1.0),
        standard_error,
        t,
        p: (upper_tail(t, nu) * f64::from(looks)).min(1.0),
        phi,
        nu,
        rss: fit.rss,
        is_flat,
        constant_factor: estimate(last - 1, scale),
        factor_without_growth: columns.factor_without_growth(nu, scale),
        added_setup: (!is_flat).then(|| estimate(0, 1.0)),
        growth_name: columns.name_growth(),
        looks,
        new,
        old,
    })
}

/// The value with its 95 % interval.
pub(crate) fn estimate(value: f64, error: f64, nu: f64) -> Estimate {
    let margin = quantile_above(0.025, nu) * error;
    Estimate { value, interval: Interval { low: value - margin, high: value + margin } }
}

/// Where old hardly rises, a column of ones beside it would only share its coefficient.
fn is_flat(old: &Summary) -> bool {
    old.log_span() < (8.0 * median(&mut old.uncertainty.clone())).max(0.25)
}

/// The weighted columns of a comparison; weights hold the uncertainty of both sides.
struct Columns {
    sizes: Vec<f64>,
    ones: Option<Vec<f64>>,
    old: Vec<f64>,
    target: Vec<f64>,
}

impl Columns {
    fn new(new: &Summary, old: &Summary, is_flat: bool) -> Columns {
        let uncertainty = old.uncertainty.iter().zip(&new.uncertainty);
        let weights: Vec<f64> = uncertainty
            .zip(&new.relative)
            .map(|((old, new), z)| 1.0 / (z * old.hypot(*new)))
            .collect();
        let weighted = |values: &[f64]| -> Vec<f64> {
            weights.iter().zip(values).map(|(w, value)| w * value).collect()
        };
        Columns {
            ones: (!is_flat).then(|| weights.clone()),
            old: weighted(&old.relative),
            target: weighted(&new.relative),
            sizes: new.sizes.clone(),
        }
    }

    /// Plain weighted least squares; coefficients may be negative. Growth is the last column.
    fn fit(&self, growth: Option<GrowthName>) -> Option<Unconstrained> {
        let growth: Option<Vec<f64>> = growth.map(|name| {
            let top = self.sizes[self.sizes.len() - 1];
            let factor = |size: f64| match name {
                GrowthName::Log => size.max(2.0).ln() / top.ln(),
                GrowthName::Root => (size / top).sqrt(),
                GrowthName::Linear => size / top,
            };
            let rows = self.old.iter().zip(&self.sizes);
            rows.map(|(old, &size)| old * factor(size)).collect()
        });
        let columns: Vec<&[f64]> = [self.ones.as_deref(), Some(&self.old), growth.as_deref()]
            .into_iter()
            .flatten()
            .collect();
        unconstrained(&columns, &self.target)
    }

    fn name_growth(&self) -> GrowthName {
        let rss = |name| self.fit(Some(name)).map_or(f64::INFINITY, |fit| fit.rss);
        let names = [GrowthName::Linear, GrowthName::Root, GrowthName::Log];
        names.into_iter().min_by(|a, b| rss(*a).total_cmp(&rss(*b))).unwrap_or(GrowthName::Linear)
    }

    fn factor_without_growth(&self, nu: f64, scale: f64) -> Estimate {
        let Some(fit) = self.fit(None) else {
            return estimate(f64::NAN, f64::NAN, nu);
        };
        let place = fit.coefficients.len() - 1;
        let left = (self.sizes.len() - fit.coefficients.len()) as f64;
        let phi = (fit.rss / left).max(1.0);
        let error = (fit.variances[place] * phi).sqrt();
        estimate(fit.coefficients[place] * scale, error * scale, nu)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::Kind;

    #[test]
    fn the_smallest_detectable_growth_is_just_significant() {
        let series = |wave: f64| {
            let sizes: Vec<u64> = (0..7).map(|i| 64 << i).collect();
            let rounds = [1.0, 1.0 + wave, 1.0 - wave, 1.0 + 2.0 * wave, 1.0 - 2.0 * wave];
            let costs =
                sizes.iter().map(|&n| rounds.iter().map(|y| y * n as f64).collect()).collect();
            Series::new(Kind::Time, sizes, costs).unwrap()
        };
        let judge = |looks| {
            let options = PairOptions { looks, tau: None };
            judge_pair(&series(0.1), &series(0.2), &options).evidence.unwrap()
        };
        let p_at_limit = |looks: u32, n_series: usize| {
            let evidence = judge(looks);
            let t = evidence.smallest_detectable(n_series) / evidence.standard_error;
            upper_tail(t, evidence.nu) * f64::from(looks)
        };
        for (looks, n_series, level) in [(1, 1, 1e-3), (5, 1, 1e-3), (1, 100, 1e-4), (5, 20, 5e-4)]
        {
            assert!((p_at_limit(looks, n_series) / level - 1.0).abs() < 1e-6, "{looks} {n_series}");
        }
    }
}
