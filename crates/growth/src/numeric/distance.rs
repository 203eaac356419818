//! Computes quantiles of the distances between readings. Long rows need no list of all pairs.

/// The number of pairs up to which a list of all distances is faster than counting.
const MAX_LISTED: usize = 1 << 14;

/// Computes quantiles (each `p` from 0 to 1) of the distances between two readings of one row, over all
/// `rows` together. Interpolates linearly between order statistics. Each row must be sorted. Returns 0 if
/// there is no pair.
pub(crate) fn distance_quantiles<const N: usize>(rows: &[Vec<f64>], p: [f64; N]) -> [f64; N] {
    let n_pairs: usize = rows.iter().map(|row| row.len() * (row.len() - 1) / 2).sum();
    if n_pairs == 0 {
        return [0.0; N];
    }
    let mut list = if n_pairs <= MAX_LISTED { distances(rows) } else { Vec::new() };
    p.map(|p| {
        let place = p * (n_pairs - 1) as f64;
        let (below, above) = (place.floor() as usize, place.ceil() as usize);
        let (low, high) = match list.as_mut_slice() {
            [] => counted(rows, below, above),
            list => listed(list, below, above),
        };
        low + (high - low) * place.fract()
    })
}

fn distances(rows: &[Vec<f64>]) -> Vec<f64> {
    let mut all = Vec::new();
    for row in rows {
        for (j, low) in row.iter().enumerate() {
            all.extend(row[j + 1..].iter().map(|high| high - low));
        }
    }
    all
}

/// Returns the order statistics `below` and `above` from a list. They are at most one apart.
fn listed(all: &mut [f64], below: usize, above: usize) -> (f64, f64) {
    let (_, low, rest) = all.select_nth_unstable_by(below, f64::total_cmp);
    let low = *low;
    let high = rest.iter().copied().fold(f64::INFINITY, f64::min);
    (low, if above > below { high } else { low })
}

/// Returns the same order statistics by bisection over all floats. One pass over the sorted rows counts how
/// many distances are not larger than a candidate.
fn counted(rows: &[Vec<f64>], below: usize, above: usize) -> (f64, f64) {
    let widest = rows.iter().map(|row| row[row.len() - 1] - row[0]).fold(0.0, f64::max);
    let order_statistic = |place: usize| {
        // Floats from 0 up have the same order as their bits.
        let (mut low, mut high) = (0, widest.to_bits());
        while low < high {
            let middle = low + (high - low) / 2;
            if n_within(rows, f64::from_bits(middle)) > place {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        f64::from_bits(low)
    };
    let low = order_statistic(below);
    (low, if above > below { order_statistic(above) } else { low })
}

/// Counts the pairs that are at most `limit` apart.
fn n_within(rows: &[Vec<f64>], limit: f64) -> usize {
    let within = |row: &Vec<f64>| {
        let mut first = 0;
        let mut n_pairs = 0;
        for (place, high) in row.iter().enumerate() {
            while high - row[first] > limit {
                first += 1;
            }
            n_pairs += place - first;
        }
        n_pairs
    };
    rows.iter().map(within).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quantiles_are_interpolated() {
        // The distances are 1, 2, 3, 5, 7 and 8, so the median lies between 3 and 5.
        assert_eq!(distance_quantiles(&[vec![0.0, 1.0, 3.0, 8.0]], [0.5]), [4.0]);
        assert_eq!(distance_quantiles(&[vec![5.0]], [0.5]), [0.0]);
        let rows = [vec![0.0, 1.0], vec![2.0, 5.0]];
        assert_eq!(distance_quantiles(&rows, [0.5, 0.75]), [2.0, 2.5]);
    }

    proptest! {
        #[test]
        fn counting_finds_what_a_list_holds(
            rows in prop::collection::vec(prop::collection::vec(-5.0..5.0_f64, 1..12), 1..5),
            p in 0.0..1.0_f64,
        ) {
            let mut rows = rows;
            for row in &mut rows {
                row.sort_by(f64::total_cmp);
            }
            let n_pairs: usize = rows.iter().map(|row| row.len() * (row.len() - 1) / 2).sum();
            if n_pairs > 1 {
                let below = (p * (n_pairs - 1) as f64) as usize;
                let above = (below + 1).min(n_pairs - 1);
                prop_assert_eq!(listed(&mut distances(&rows), below, above), counted(&rows, below, above));
            }
        }
    }
}
