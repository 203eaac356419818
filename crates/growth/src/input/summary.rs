//! Condenses one measured curve into a few numbers per size: a robust mean of the logarithm, and its
//! uncertainty. Knows nothing of shapes.

use super::design::{DesignFlaw, check_design};
use super::readings::{Readings, resolution_of};
use super::series::Series;
use super::tau::Tau;

/// The largest range of the logarithms of one curve's costs. Beyond it, squares of relative costs would
/// overflow.
pub(crate) const MAX_LOG_SPAN: f64 = 600.0;
/// The largest range of the logarithms of the costs of both sides of a pair.
const MAX_PAIR_LOG_SPAN: f64 = 300.0;
/// One measured curve, condensed: every fit starts from it. All vectors have one entry per size.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// N as the fits use it.
    pub sizes: Vec<f64>,
    /// m: trimmed mean of ln(cost), natural logarithm of the metric's unit. A size below the
    /// resolution has ln of half the smallest reading; a series of nothing but 0 has 0 throughout.
    pub log_cost: Vec<f64>,
    /// s: standard deviation of one reading as a share of the cost, shrunk towards [`noise`](Self::noise).
    pub spread: Vec<f64>,
    /// The spread pooled over all sizes: the noise of one reading. 0 for an exact metric.
    pub noise: f64,
    /// u: uncertainty of [`log_cost`](Self::log_cost) (one standard deviation), never below τ.
    pub uncertainty: Vec<f64>,
    /// ν₀: degrees of freedom behind the uncertainties.
    pub freedom: f64,
    /// z: cost relative to the cost at the largest N, which is 1.
    pub relative: Vec<f64>,
    /// w: weight 1/(z·u); residuals times weight are in standard deviations.
    pub weight: Vec<f64>,
    /// q: the smallest difference that the readings can show, in the metric's unit; 0 if they show no such
    /// limit.
    pub resolution: f64,
    /// Whether every reading is 0, so that the cost is 0 and not e^[`log_cost`](Self::log_cost).
    pub is_zero: bool,
    /// τ²: the part of u² that comes from the structural floor.
    pub(crate) tau: f64,
}

impl Summary {
    /// Condenses one series, with the structural floor `tau`.
    ///
    /// # Errors
    ///
    /// Returns an error that says why the measuring design cannot be judged.
    pub fn of(series: &Series, tau: Tau) -> Result<Summary, DesignFlaw> {
        check_design(series)?;
        let low = series.smallest_positive();
        Ok(Self::with(series, tau, low, resolution_of(series, low)))
    }

    /// Condenses both sides of a pair. Both use the same smallest reading and the same resolution.
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
        check_design(new)?;
        check_design(old)?;
        let smallest = [new, old].map(Series::smallest_positive).into_iter().filter(|y| *y > 0.0);
        let low = smallest.reduce(f64::min).unwrap_or(0.0);
        let resolution = resolution_of(new, low).max(resolution_of(old, low));
        let new = Self::with(new, tau, low, resolution);
        let old = Self::with(old, tau, low, resolution);
        let costs = new.log_cost.iter().chain(&old.log_cost);
        if span(costs) > MAX_PAIR_LOG_SPAN {
            return Err(DesignFlaw::CostsTooFarApart);
        }
        Ok((new, old))
    }

    /// Condenses one series. Readings of 0 are replaced as [`Readings`] says; `low` is the smallest positive
    /// reading of the curve or the pair.
    fn with(series: &Series, tau: Tau, low: f64, resolution: f64) -> Summary {
        let readings = Readings::of(series, low);
        let tau = tau.share().powi(2);
        let uncertainty = readings
            .spread_to_error
            .iter()
            .zip(&readings.spread)
            .zip(&readings.log_cost)
            .map(|((to_error, spread), log_cost)| {
                let step = if resolution > 0.0 { resolution / log_cost.exp() } else { 0.0 };
                ((to_error * spread).powi(2) + tau + step * step / 12.0).sqrt()
            })
            .collect();
        let sizes = series.sizes().iter().map(|&size| size as f64).collect();
        let Readings { log_cost, spread, noise, freedom, .. } = readings;
        let (relative, weight) = (Vec::new(), Vec::new());
        let is_zero = low == 0.0;
        Summary {
            sizes,
            log_cost,
            spread,
            noise,
            uncertainty,
            freedom,
            relative,
            weight,
            resolution,
            is_zero,
            tau,
        }
        .weighted()
    }

    /// Computes z and w from m and u.
    fn weighted(mut self) -> Summary {
        self.relative = relative_to_last(&self.log_cost);
        self.weight = weights(&self.relative, &self.uncertainty);
        self
    }

    /// Returns the same curve with other uncertainties. `change` gets u² and the index of the size.
    fn with_variances(&self, change: impl Fn(f64, usize) -> f64) -> Summary {
        let variances = self.uncertainty.iter().enumerate();
        let uncertainty = variances.map(|(place, u)| change(u * u, place).sqrt()).collect();
        Summary { uncertainty, ..self.clone() }.weighted()
    }

    /// Returns the curve as fits of a single curve use it. Lower-order terms and rounding in a program's cost
    /// are of the order 1/N, so at N = 1 or 2 no model is sharp.
    pub(crate) fn for_curve(&self) -> Summary {
        const GRAIN: f64 = 0.1;
        self.with_variances(|variance, place| variance + (GRAIN / self.sizes[place]).powi(2))
    }

    /// Returns the curve of an exact count, known to one part in 100,000 and to a quantum. The structural
    /// floor does not apply: it stands for differences between sizes that are not growth.
    pub(crate) fn exactly(&self, quantum: f64) -> Summary {
        const FLOOR: f64 = 1e-10;
        self.with_variances(|variance, place| {
            let step = quantum / self.log_cost[place].exp();
            (variance - self.tau).max(0.0) + FLOOR + step * step / 12.0
        })
    }

    /// The largest N.
    pub(crate) fn top_size(&self) -> f64 {
        self.sizes[self.sizes.len() - 1]
    }

    /// The cost at the largest N, in the metric's unit.
    pub(crate) fn top_cost(&self) -> f64 {
        if self.is_zero { 0.0 } else { self.top_log_cost().exp() }
    }

    /// ln(cost) at the largest N.
    pub(crate) fn top_log_cost(&self) -> f64 {
        self.log_cost[self.log_cost.len() - 1]
    }

    /// The uncertainty of ln(cost) at the largest N.
    pub(crate) fn top_uncertainty(&self) -> f64 {
        self.uncertainty[self.uncertainty.len() - 1]
    }

    /// The range of ln(cost) over all sizes.
    pub(crate) fn log_span(&self) -> f64 {
        span(self.log_cost.iter())
    }

    /// The index of the largest size that is at most 1/`ratio` of the size at `place`.
    pub(crate) fn place_below(&self, place: usize, ratio: f64) -> Option<usize> {
        let limit = self.sizes[place] / ratio * (1.0 + 1e-9);
        self.sizes[..place].iter().rposition(|size| *size <= limit)
    }

    /// Returns the same curve as if its largest size had never been measured.
    pub(crate) fn without_top(&self) -> Summary {
        let n_sizes = self.sizes.len();
        let kept = n_sizes - 1;
        Summary {
            sizes: self.sizes[..kept].to_vec(),
            log_cost: self.log_cost[..kept].to_vec(),
            spread: self.spread[..kept].to_vec(),
            uncertainty: self.uncertainty[..kept].to_vec(),
            freedom: (self.freedom * kept as f64 / n_sizes as f64).max(2.0),
            ..self.clone()
        }
        .weighted()
    }
}

/// Returns e^(m − last m), limited so that its square is never 0.
fn relative_to_last(log_cost: &[f64]) -> Vec<f64> {
    let last = log_cost[log_cost.len() - 1];
    log_cost.iter().map(|m| (m - last).clamp(-MAX_LOG_SPAN, MAX_LOG_SPAN).exp()).collect()
}

fn span<'a>(values: impl Iterator<Item = &'a f64>) -> f64 {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
        (value.min(low), value.max(high))
    });
    high - low
}

/// Returns 1/(z·u).
pub(crate) fn weights(relative: &[f64], uncertainty: &[f64]) -> Vec<f64> {
    relative.iter().zip(uncertainty).map(|(z, u)| 1.0 / (z * u)).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::input::series::Kind;

    const SIZES: [u64; 5] = [16, 32, 64, 128, 256];

    fn series(row: &[f64]) -> Series {
        Series::new(Kind::Time, SIZES.to_vec(), vec![row.to_vec(); 5]).unwrap()
    }

    #[test]
    fn figures_of_one_row_by_hand() {
        // The logarithms are 0, 0.1, 0.2, 0.3 and 1.0 (an outlier), and the middle half is 0.1, 0.2, 0.3. Of
        // the ten distances, the fifth and sixth are 0.2 and 0.3. The upper quartile of all fifty is 0.8.
        let row: Vec<f64> = [0.1, 0.0, 1.0, 0.3, 0.2_f64].iter().map(|l| l.exp()).collect();
        let summary = Summary::of(&series(&row), Tau::TIME).unwrap();
        assert!((summary.log_cost[0] - 0.2).abs() < 1e-12);
        assert!((summary.noise - 0.8 / 1.6268).abs() < 1e-12);
        let own = 0.25_f64 / 0.9539;
        let spread = ((6.0 * summary.noise.powi(2) + 4.0 * own * own) / 10.0).sqrt();
        assert!((summary.spread[0] - spread).abs() < 1e-12);
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

    fn rows(rows: [&[f64]; 5]) -> Summary {
        let costs = rows.iter().map(|row| row.to_vec()).collect();
        let series = Series::new(Kind::Time, SIZES.to_vec(), costs).unwrap();
        Summary::of(&series, Tau::TIME).unwrap()
    }

    #[test]
    fn a_size_of_zeros_lies_below_the_resolution() {
        let row = [1.0; 4];
        let summary = rows([&[0.0, 0.0, 0.02, 0.03], &row, &row, &row, &row]);
        assert!((summary.log_cost[0] - 0.01_f64.ln()).abs() < 1e-12);
        assert_eq!(summary.resolution, 0.02);
        assert!(summary.uncertainty[0] > 0.5, "half of the smallest reading is a guess");
        // One 0 among four readings is a failed reading, and says nothing about the resolution.
        let summary = rows([&[0.0, 0.5, 0.5, 0.51], &row, &row, &row, &row]);
        assert!((summary.log_cost[0] - 0.5_f64.ln()).abs() < 0.01);
        assert_eq!(summary.resolution, 0.0);
        let summary = rows([&[0.0; 4]; 5]);
        assert!(summary.is_zero && summary.top_cost() == 0.0);
    }

    #[test]
    fn ticks_of_a_coarse_clock_are_its_resolution() {
        // Three readings at the smallest N fall on one tick, though not to the last digit.
        let (first, other) = ([0.01, 0.01 + 1e-12, 0.01, 0.02], [0.05, 0.07, 0.09, 0.11]);
        let summary = rows([&first, &other, &other, &other, &other]);
        assert!((summary.resolution - 0.01).abs() < 1e-9, "{}", summary.resolution);
        let fine = [0.0101, 0.0102, 0.0103, 0.02];
        assert_eq!(rows([&fine, &other, &other, &other, &other]).resolution, 0.0);
    }

    #[test]
    fn two_states_of_a_clock_are_noise() {
        // Two thirds of the distances are small, so the median alone would see no spread.
        let row = [1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.3, 1.3, 1.3];
        assert!(summary_of(&row).noise > 0.1);
    }

    fn summary_of(row: &[f64]) -> Summary {
        Summary::of(&series(row), Tau::TIME).unwrap()
    }
}
