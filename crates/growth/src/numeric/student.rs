//! Student's t with fractional degrees of freedom.

use statrs::distribution::{ContinuousCDF, StudentsT};

/// Returns P(T > t). Returns 1 (nothing shown) if the numbers do not form a distribution.
pub(crate) fn upper_tail(t: f64, freedom: f64) -> f64 {
    match StudentsT::new(0.0, 1.0, freedom) {
        Ok(distribution) if !t.is_nan() => distribution.sf(t),
        _ => 1.0,
    }
}

/// Returns the t that is exceeded with probability `p`, 0 < p < 1. Returns infinity if the numbers do not
/// form a distribution.
pub(crate) fn quantile_above(p: f64, freedom: f64) -> f64 {
    match StudentsT::new(0.0, 1.0, freedom) {
        Ok(distribution) => {
            let quantile = distribution.inverse_cdf(1.0 - p);
            if quantile.is_finite() { quantile } else { f64::INFINITY }
        }
        Err(_) => f64::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_and_tails_are_inverse() {
        for freedom in [1.0, 1.2, 2.3559, 7.0, 34.835, 600.0] {
            for p in [0.05, 0.025, 0.01, 0.001, 1e-5] {
                let back = upper_tail(quantile_above(p, freedom), freedom);
                assert!((back / p - 1.0).abs() < 1e-6, "{back} instead of {p}, ν = {freedom}");
            }
        }
        // Published tables have t(0.975; 10) = 2.228139.
        assert!((quantile_above(0.025, 10.0) - 2.228_139).abs() < 1e-6);
    }

    #[test]
    fn nonsense_shows_nothing() {
        assert_eq!(upper_tail(f64::NAN, 5.0), 1.0);
        assert_eq!(upper_tail(3.0, f64::NAN), 1.0);
        assert_eq!(quantile_above(0.01, 0.0), f64::INFINITY);
    }
}
