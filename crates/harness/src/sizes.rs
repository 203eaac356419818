//! The sizes that a range of N is measured at.

use std::ops::RangeInclusive;

/// Sizes from which the growth rules can judge.
const FEWEST: usize = 5;
/// Sizes of a range too narrow for five that double.
const NARROW: usize = 7;

/// The sizes for `range`, rising: the largest, half of it, and so on down to the smallest that is in
/// the range. All sizes then stand at the same place between two doublings of a `Vec` or a hash
/// table, so a reallocation does not look like growth. A range with fewer than five such sizes gets seven
/// at equal ratios.
///
/// # Errors
/// When the range begins at 0 or its largest size is less than eight times the smallest.
pub(crate) fn sizes(range: &RangeInclusive<usize>) -> Result<Vec<usize>, String> {
    let (from, to) = (*range.start(), *range.end());
    if from == 0 {
        return Err(format!("sizes {from}..={to}: the smallest size is at least 1"));
    }
    if to / 8 < from {
        let least = from.saturating_mul(8);
        return Err(format!(
            "sizes {from}..={to}: the largest size has to be at least eight times the smallest ({least})"
        ));
    }
    let halves = std::iter::successors(Some(to), |n| Some(n / 2)).take_while(|n| *n >= from);
    let mut sizes: Vec<usize> = halves.collect();
    if sizes.len() < FEWEST {
        let ratio = to as f64 / from as f64;
        let place = |i: usize| ratio.powf(i as f64 / (NARROW - 1) as f64) * from as f64;
        let narrow = (0..NARROW).rev().map(|i| (place(i).round() as usize).min(to));
        sizes = narrow.collect();
        sizes.dedup();
    }
    sizes.reverse();
    Ok(sizes)
}

/// `4,096`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_halve_from_the_largest() {
        assert_eq!(sizes(&(64..=4096)), Ok(vec![64, 128, 256, 512, 1024, 2048, 4096]));
        assert_eq!(sizes(&(100..=5000)), Ok(vec![156, 312, 625, 1250, 2500, 5000]));
    }

    #[test]
    fn narrow_ranges_get_sizes_in_between() {
        assert_eq!(sizes(&(64..=512)), Ok(vec![64, 91, 128, 181, 256, 362, 512]));
        assert_eq!(sizes(&(1..=8)), Ok(vec![1, 2, 3, 4, 6, 8]));
        let top = usize::MAX / 2;
        assert_eq!(sizes(&(top / 8..=top)).expect("wide enough").last(), Some(&top));
    }

    #[test]
    fn ranges_that_cannot_be_judged_are_refused() {
        let error = |range| sizes(&range).expect_err("refused");
        assert!(error(0..=64).contains("at least 1"));
        assert!(error(64..=511).contains("eight times the smallest (512)"));
        assert!(error(usize::MAX..=usize::MAX).contains("eight times"));
    }

    #[test]
    fn numbers_are_grouped() {
        let numbers = [0, 999, 1000, 4096, 1_234_567].map(grouped);
        assert_eq!(numbers, ["0", "999", "1,000", "4,096", "1,234,567"]);
    }
}
