//! Adjusts p-values of several series that are judged together: more questions make an accident more likely.

/// Adjusts p-values by Holm's step-down method (Scandinavian Journal of Statistics 6, 1979, p. 65–70), in the
/// order given. Reject where the result is at most the level wanted for *any* false alarm among all series.
/// This is valid whatever the dependence between the series. NaN counts as 1.
///
/// ```
/// let adjusted = loadline_growth::holm(&[0.01, 0.04, 0.03]);
/// assert_eq!(adjusted, [0.03, 0.06, 0.06]);
/// ```
#[must_use]
pub fn holm(p: &[f64]) -> Vec<f64> {
    let known = |i: &usize| if p[*i].is_nan() { 1.0 } else { p[*i] };
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|a, b| known(a).total_cmp(&known(b)));
    let mut adjusted = vec![1.0; p.len()];
    let mut largest = 0.0_f64;
    for (rank, place) in order.into_iter().enumerate() {
        largest = largest.max(known(&place) * (p.len() - rank) as f64).min(1.0);
        adjusted[place] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::holm;

    fn check(p: &[f64], expected: &[f64]) {
        for (found, expected) in holm(p).into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
        }
    }

    #[test]
    fn steps_down_from_the_smallest() {
        // Sorted, the products are 0.005·4 = 0.020, 0.01·3 = 0.030, 0.03·2 = 0.060 and 0.04·1 = 0.040, which
        // becomes 0.060.
        check(&[0.01, 0.04, 0.03, 0.005], &[0.030, 0.060, 0.060, 0.020]);
    }

    #[test]
    fn never_exceeds_one_nor_falls() {
        check(&[0.6, 0.7], &[1.0, 1.0]);
        check(&[0.001, 0.0001, 0.001], &[0.002, 0.0003, 0.002]);
    }

    #[test]
    fn what_is_not_a_number_shows_nothing() {
        check(&[f64::NAN, 0.01], &[1.0, 0.02]);
        check(&[], &[]);
    }
}
