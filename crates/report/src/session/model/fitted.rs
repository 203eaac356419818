//! A fitted curve as many points, so that a chart can draw it smoothly between the sizes.

use loadline_growth::CurveEvidence;

/// The number of points that a fitted curve is drawn with.
const N_POINTS: i32 = 64;

/// The points of a fitted curve from the smallest size to the largest; empty if nothing was fitted.
#[derive(Debug, Clone, Default)]
pub struct Fitted {
    /// N, and the cost of all N items.
    pub costs: Vec<(f64, f64)>,
    /// N, and the cost of one more item there.
    pub next: Vec<(f64, f64)>,
}

impl Fitted {
    /// Computes the points of the curve behind `evidence`.
    pub fn of(evidence: Option<&CurveEvidence>) -> Fitted {
        let Some(CurveEvidence { fit, summary, .. }) = evidence else { return Fitted::default() };
        let Some((first, last)) = summary.sizes.first().zip(summary.sizes.last()) else {
            return Fitted::default();
        };
        Fitted::over(*first, *last, |n| fit.cost_at(n))
    }

    /// Computes the points of `cost` from `first` to `last`, closer together where N is small.
    pub fn over(first: f64, last: f64, cost: impl Fn(u64) -> f64) -> Fitted {
        let place = |i| first * (last / first).powf(f64::from(i) / f64::from(N_POINTS - 1));
        let mut sizes: Vec<u64> = (0..N_POINTS).map(|i| place(i).round() as u64).collect();
        sizes.dedup();
        let costs: Vec<(f64, f64)> = sizes.iter().map(|n| (*n as f64, cost(*n))).collect();
        let slope = |pair: &[(f64, f64)]| {
            let [(n, cost), (more, higher)] = *pair else { return None };
            Some(((n + more) / 2.0, (higher - cost) / (more - n)))
        };
        let next = costs.windows(2).filter_map(slope).collect();
        Fitted { costs, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_has_many_points_of_the_model_and_their_slopes() {
        let square = Fitted::over(64.0, 4096.0, |n| (n * n) as f64);
        assert_eq!(square.costs.len(), 64);
        assert!(square.costs.iter().all(|(n, cost)| (cost - n * n).abs() < 1e-6));
        // The slope of N² is 2·N.
        assert!(square.next.iter().all(|(n, slope)| (slope - 2.0 * n).abs() < 1e-6));
        let few = Fitted::over(1.0, 4.0, |n| n as f64);
        assert_eq!(few.costs, [(1.0, 1.0), (2.0, 2.0), (3.0, 3.0), (4.0, 4.0)]);
    }
}
