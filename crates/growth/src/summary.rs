//! One measured curve in a few numbers per size: a robust mean of the logarithm and how far it can
//! be trusted. Knows nothing of shapes.

use std::fmt;

use crate::{Series, doubt::DesignFlaw};

/// The structural floor τ of a kind of metric: the relative deviation (1 standard deviation, as a
/// share of the cost) that more rounds do not remove, because layout, alignment or rounding differ
/// from size to size. See [`calibrate`](crate::calibrate::calibrate).
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Tau(f64);

impl Tau {
    /// 0.3 %, for counts.
    pub const COUNT: Tau = Tau(0.003);
    /// 1 %, for time.
    pub const TIME: Tau = Tau(0.010);

    /// A floor of `share`, at least one part in a million (less would claim that the shapes of the
    /// fit are exact) and at most 1. Anything outside, or not a number, is `None`.
    #[must_use]
    pub fn new(share: f64) -> Option<Tau> {
        (1e-6..=1.0).contains(&share).then_some(Tau(share))
    }

    /// The floor as a share of the cost.
    #[must_use]
    pub fn share(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Tau {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} %", self.0 * 100.0)
    }
}

/// Fewest sizes that can be judged.
pub(crate) const MIN_SIZES: usize = 5;
/// Smallest largest-to-smallest N that can be judged.
pub(crate) const MIN_RATIO: f64 = 8.0;
/// Fewest rounds that can be judged, unless the metric is exact.
pub(crate) const MIN_ROUNDS: usize = 3;
/// Logarithms of costs may differ by this much; beyond it squares of relative costs would overflow.
const MAX_LOG_SPAN: f64 = 300.0;
/// Degrees of freedom granted to an exact metric measured once.
const EXACT_FREEDOM: f64 = 30.0;

/// One measured curve, condensed: what every fit starts from. All vectors have one entry per size.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// N as the fits use it.
    pub sizes: Vec<f64>,
    /// m: trimmed mean of ln(cost), natural logarithm of the metric's unit.
    pub log_cost: Vec<f64>,
    /// s: standard deviation of one reading as a share of the cost, shrunk towards [`noise`](Self::noise).
    pub spread: Vec<f64>,
    /// q: the same, pooled over all sizes: the noise of one reading. 0 for an exact metric.
    pub noise: f64,
    /// u: uncertainty of [`log_cost`](Self::log_cost) (one standard deviation), never below τ.
    pub uncertainty: Vec<f64>,
    /// ν₀: degrees of freedom behind the uncertainties.
    pub freedom: f64,
    /// z: cost relative to the cost at the largest N, which is 1.
    pub relative: Vec<f64>,
    /// w: weight 1/(z·u); residuals times weight are in standard deviations.
    pub weight: Vec<f64>,
    /// What was added to every cost before the logarithm: 1 where a cost was 0, else 0.
    pub shift: f64,
}

impl Summary {
    /// Condenses one series; `tau` is the structural floor to use.
    ///
    /// # Errors
    ///
    /// Says what the measuring design lacks for any judgement.
    pub fn of(series: &Series, tau: Tau) -> Result<Summary, DesignFlaw> {
        Self::with_shift(series, tau, shift_of(series.has_zero()))
    }

    /// Condenses both sides of a pair: a zero on one side shifts both.
    pub(crate) fn of_pair(
        new: &Series,
        old: &Series,
        tau: Tau,
    ) -> Result<(Summary, Summary), DesignFlaw> {
        if new.kind() != old.kind() {
            return Err(DesignFlaw::KindsDiffer);
        }
        if new.sizes() != old.sizes() {
            return Err(DesignFlaw::SizesDiffer);
        }
        let shift = shift_of(new.has_zero() || old.has_zero());
        Ok((Self::with_shift(new, tau, shift)?, Self::with_shift(old, tau, shift)?))
    }

    fn with_shift(series: &Series, tau: Tau, shift: f64) -> Result<Summary, DesignFlaw> {
        check_design(series)?;
        let Readings { log_cost, spread, noise, spread_to_error, freedom } =
            Readings::of(series, shift);
        if span(&log_cost) > MAX_LOG_SPAN {
            return Err(DesignFlaw::CostsTooFarApart);
        }
        let uncertainty: Vec<f64> =
            spread.iter().map(|s| (spread_to_error * s).hypot(tau.share())).collect();
        let relative = relative_to_last(&log_cost);
        Ok(Summary {
            sizes: series.sizes().iter().map(|&size| size as f64).collect(),
            weight: weights(&relative, &uncertainty),
            relative,
            log_cost,
            spread,
            noise,
            uncertainty,
            freedom,
            shift,
        })
    }

    /// The largest N.
    pub(crate) fn top_size(&self) -> f64 {
        self.sizes[self.sizes.len() - 1]
    }

    /// ln(cost) at the largest N.
    pub(crate) fn top_log_cost(&self) -> f64 {
        self.log_cost[self.log_cost.len() - 1]
    }

    /// The uncertainty of that.
    pub(crate) fn top_uncertainty(&self) -> f64 {
        self.uncertainty[self.uncertainty.len() - 1]
    }

    /// How far ln(cost) ranges over all sizes.
    pub(crate) fn log_span(&self) -> f64 {
        span(&self.log_cost)
    }

    /// The same curve as if its largest size had never been measured.
    pub(crate) fn without_top(&self) -> Summary {
        let n_sizes = self.sizes.len();
        let kept = n_sizes - 1;
        let relative = relative_to_last(&self.log_cost[..kept]);
        let uncertainty = self.uncertainty[..kept].to_vec();
        Summary {
            sizes: self.sizes[..kept].to_vec(),
            log_cost: self.log_cost[..kept].to_vec(),
            spread: self.spread[..kept].to_vec(),
            noise: self.noise,
            weight: weights(&relative, &uncertainty),
            uncertainty,
            freedom: self.freedom * kept as f64 / n_sizes as f64,
            relative,
            shift: self.shift,
        }
    }
}

/// What the rounds of one series say, before any floor.
struct Readings {
    log_cost: Vec<f64>,
    spread: Vec<f64>,
    noise: f64,
    /// From the spread of one reading to the error of `log_cost`.
    spread_to_error: f64,
    freedom: f64,
}

impl Readings {
    fn of(series: &Series, shift: f64) -> Readings {
        let rounds = series.rounds();
        let n_sizes = series.sizes().len();
        let mut logs: Vec<Vec<f64>> = series
            .costs()
            .iter()
            .map(|row| row.iter().map(|cost| (cost + shift).ln()).collect())
            .collect();
        if rounds == 1 {
            return Readings {
                log_cost: logs.iter().map(|row| row[0]).collect(),
                spread: vec![0.0; n_sizes],
                noise: 0.0,
                spread_to_error: 0.0,
                freedom: EXACT_FREEDOM,
            };
        }
        if series.is_interleaved() {
            remove_round_effects(&mut logs);
        }
        for row in &mut logs {
            row.sort_by(f64::total_cmp);
        }
        let (spread, noise) = spreads(&logs);
        // A trimmed mean is a little less certain than a mean, the median of three more so.
        let inflation = if rounds == 3 { 1.16 } else { 1.10 };
        Readings {
            log_cost: logs.iter().map(|row| trimmed_mean(row)).collect(),
            spread,
            noise,
            spread_to_error: inflation / (rounds as f64).sqrt(),
            freedom: (0.6 * n_sizes as f64 * (rounds - 1) as f64).max(2.0),
        }
    }
}

/// e^(m − last m).
fn relative_to_last(log_cost: &[f64]) -> Vec<f64> {
    let last = log_cost[log_cost.len() - 1];
    log_cost.iter().map(|m| (m - last).exp()).collect()
}

fn span(values: &[f64]) -> f64 {
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    high - low
}

/// 1/(z·u).
pub(crate) fn weights(relative: &[f64], uncertainty: &[f64]) -> Vec<f64> {
    relative.iter().zip(uncertainty).map(|(z, u)| 1.0 / (z * u)).collect()
}

fn shift_of(has_zero: bool) -> f64 {
    if has_zero { 1.0 } else { 0.0 }
}

fn check_design(series: &Series) -> Result<(), DesignFlaw> {
    let sizes = series.sizes();
    if sizes.len() < MIN_SIZES {
        return Err(DesignFlaw::TooFewSizes { found: sizes.len() });
    }
    let ratio = series.top_size() as f64 / sizes[0] as f64;
    if ratio < MIN_RATIO {
        return Err(DesignFlaw::RangeTooNarrow { ratio });
    }
    let rounds = series.rounds();
    if rounds < MIN_ROUNDS && !(series.is_exact() && rounds == 1) {
        return Err(DesignFlaw::TooFewRounds { found: rounds });
    }
    Ok(())
}

/// Takes out of every size what a whole round was slower or faster than the others: interleaved
/// rounds see the same weather. The median keeps one disturbed size from moving its round.
fn remove_round_effects(logs: &mut [Vec<f64>]) {
    let rounds = logs[0].len();
    if rounds < 3 || logs.len() < 4 {
        return;
    }
    let centres: Vec<f64> = logs.iter().map(|row| median(&mut row.clone())).collect();
    let mut effects: Vec<f64> = (0..rounds)
        .map(|j| {
            let mut deviations: Vec<f64> =
                logs.iter().zip(&centres).map(|(row, m)| row[j] - m).collect();
            median(&mut deviations)
        })
        .collect();
    let centre = median(&mut effects.clone());
    effects.iter_mut().for_each(|effect| *effect -= centre);
    for row in logs {
        for (log, effect) in row.iter_mut().zip(&effects) {
            *log -= effect;
        }
    }
}

/// Mean of the middle half of a sorted row (the median, for three).
fn trimmed_mean(sorted: &[f64]) -> f64 {
    let cut = (0.25 * sorted.len() as f64 + 0.5).floor() as usize;
    let kept = &sorted[cut..sorted.len() - cut];
    kept.iter().sum::<f64>() / kept.len() as f64
}

/// The spread of each sorted row and of all together: the median distance of two readings, which is
/// 0.9539 standard deviations of a normal distribution. Each row's own is shrunk towards the common
/// one, which counts as six readings.
fn spreads(logs: &[Vec<f64>]) -> (Vec<f64>, f64) {
    const MEDIAN_DISTANCE: f64 = 0.9539;
    const PRIOR: f64 = 6.0;
    let mut all = Vec::new();
    let mut own = Vec::with_capacity(logs.len());
    for row in logs {
        let start = all.len();
        for (j, low) in row.iter().enumerate() {
            all.extend(row[j + 1..].iter().map(|high| high - low));
        }
        own.push(median(&mut all[start..]) / MEDIAN_DISTANCE);
    }
    let pooled = median(&mut all) / MEDIAN_DISTANCE;
    let freedom = (logs[0].len() - 1) as f64;
    let shrunk = own
        .iter()
        .map(|q| ((PRIOR * pooled * pooled + freedom * q * q) / (PRIOR + freedom)).sqrt())
        .collect();
    (shrunk, pooled)
}

/// The median; mean of the middle two for an even number. Reorders `values`. 0 for none.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    if values.is_empty() {
        return 0.0;
    }
    let middle = values.len() / 2;
    let is_odd = values.len() % 2 == 1;
    let (below, upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let upper = *upper;
    if is_odd {
        return upper;
    }
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    (lower + upper) / 2.0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::Kind;

    const SIZES: [u64; 5] = [16, 32, 64, 128, 256];

    fn series(row: &[f64]) -> Series {
        Series::new(Kind::Time, SIZES.to_vec(), vec![row.to_vec(); 5]).unwrap()
    }

    #[test]
    fn figures_of_one_row_by_hand() {
        // ln: 0, 0.1, 0.2, 0.3, 1.0 (an outlier). Middle half: 0.1, 0.2, 0.3. Ten distances, the
        // fifth and sixth of which are 0.2 and 0.3.
        let row: Vec<f64> = [0.1, 0.0, 1.0, 0.3, 0.2_f64].iter().map(|l| l.exp()).collect();
        let summary = Summary::of(&series(&row), Tau::TIME).unwrap();
        assert!((summary.log_cost[0] - 0.2).abs() < 1e-12);
        assert!((summary.spread[0] - 0.25 / 0.9539).abs() < 1e-12);
        let expected = (1.1_f64.powi(2) * summary.spread[0].powi(2) / 5.0 + 1e-4).sqrt();
        assert!((summary.uncertainty[0] - expected).abs() < 1e-12);
        assert_eq!(summary.freedom, 0.6 * 5.0 * 4.0);
        assert_eq!(summary.relative, [1.0; 5]);
    }

    #[test]
    fn a_slow_round_of_all_sizes_is_taken_out() {
        let costs = SIZES.iter().map(|&n| vec![n as f64, 1.5 * n as f64, n as f64]).collect();
        let series = Series::new(Kind::Time, SIZES.to_vec(), costs).unwrap();
        let noise = |series: &Series| Summary::of(series, Tau::TIME).unwrap().noise;
        assert!(noise(&series) > 0.4);
        assert!(noise(&series.interleaved(true)) < 1e-12);
    }

    #[test]
    fn a_zero_shifts_the_whole_series() {
        let summary = Summary::of(&series(&[0.0, 0.0, 0.0]), Tau::TIME).unwrap();
        assert_eq!((summary.shift, summary.log_cost[0]), (1.0, 0.0));
    }

    #[test]
    fn the_median_of_an_even_number_is_between() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0, 10.0]), 2.5);
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut []), 0.0);
    }
}
