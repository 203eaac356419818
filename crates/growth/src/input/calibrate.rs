//! Estimates how much a cost jitters from size to size for reasons that more repetitions do not average away.

use super::series::{Kind, Series};
use super::summary::Summary;
use super::tau::Tau;
use crate::numeric::median::median;

/// Computes the structural floor τ from two sessions of unchanged code, pooled over a suite.
///
/// `sessions` holds the same series measured twice, one pair per benchmark of this `kind`. Each pair yields a
/// variance: the variance of the difference of its two curves (robust, offset removed), less the variance
/// that their repetitions explain. τ² is the mean over all pairs, never below the kind's default. Pairs of
/// another kind, at different sizes, or too small to be judged are left out.
///
/// Uncalibrated jitter of 3 % raises the pair rule's false alarms from 0.03 % to 0.89 %.
#[must_use]
pub fn calibrate<'a>(
    kind: Kind,
    sessions: impl IntoIterator<Item = (&'a Series, &'a Series)>,
) -> Tau {
    let floor = kind.default_tau();
    let excesses: Vec<f64> = sessions
        .into_iter()
        .filter(|(first, second)| first.kind() == kind && second.kind() == kind)
        .filter_map(|(first, second)| excess_variance(first, second, floor))
        .collect();
    if excesses.is_empty() {
        return floor;
    }
    let mean = excesses.iter().sum::<f64>() / excesses.len() as f64;
    let share = mean.max(floor.share().powi(2)).sqrt();
    Tau::new(share.min(1.0)).unwrap_or(floor)
}

/// Returns V: half the variance of m₁ − m₂ that the repetitions of neither side explain. V may be negative.
fn excess_variance(first: &Series, second: &Series, floor: Tau) -> Option<f64> {
    /// Median distance from the median of a normal distribution with standard deviation 1.
    const MEDIAN_DEVIATION: f64 = 0.6745;
    let (first, second) = Summary::of_pair(first, second, floor).ok()?;
    let mut differences: Vec<f64> =
        first.log_cost.iter().zip(&second.log_cost).map(|(a, b)| a - b).collect();
    let n_sizes = differences.len() as f64;
    let offset = median(&mut differences);
    differences.iter_mut().for_each(|d| *d = (*d - offset).abs());
    let deviation = median(&mut differences) / MEDIAN_DEVIATION;
    let variance = deviation * deviation * n_sizes / (n_sizes - 1.0);
    let explained: f64 = first
        .uncertainty
        .iter()
        .zip(&second.uncertainty)
        .map(|(a, b)| a * a + b * b - 2.0 * floor.share().powi(2))
        .sum::<f64>()
        / n_sizes;
    Some((variance - explained) / 2.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn one_pair_by_hand() {
        // The differences are 0.3 + (-0.2, -0.1, 0, 0.1, 0.2). Their median distance from their median is
        // 0.1, and one exact column explains none of it.
        let series = |offsets: [f64; 5]| {
            let costs = offsets.iter().map(|offset| vec![offset.exp()]).collect();
            let sizes = vec![16, 32, 64, 128, 256];
            Series::new(Kind::Count, sizes, costs).unwrap().exact(true)
        };
        let (first, second) = (series([0.1, 0.2, 0.3, 0.4, 0.5]), series([0.0; 5]));
        let expected = (0.1_f64 / 0.6745) * (5.0_f64 / 4.0 / 2.0).sqrt();
        let tau = calibrate(Kind::Count, [(&first, &second)]);
        assert!((tau.share() - expected).abs() < 1e-9, "{tau} instead of {expected}");
        // τ² is the mean of both variances, and the variance of the second pair is 0.
        let tau = calibrate(Kind::Count, [(&first, &second), (&second, &second)]);
        assert!((tau.share() - expected / 2.0_f64.sqrt()).abs() < 1e-9, "{tau}");
    }
}
