//! Condenses the repetitions of one series into a few numbers per size, before any floor is added.

use std::slice;

use super::series::{Kind, Series};
use crate::numeric::distance::distance_quantiles;
use crate::numeric::median::median;

/// The degrees of freedom of an exact metric that is measured once.
const EXACT_FREEDOM: f64 = 30.0;
/// Two readings whose difference is below this share of the smaller are the same clock tick. Ticks are
/// differences of clock readings, so equal ticks are only nearly equal.
const SAME_TICK: f64 = 1e-6;

/// The condensed repetitions of one series, before any floor is added.
pub(super) struct Readings {
    pub(super) log_cost: Vec<f64>,
    pub(super) spread: Vec<f64>,
    pub(super) noise: f64,
    /// The factor from the spread of one reading to the error of `log_cost`.
    pub(super) spread_to_error: Vec<f64>,
    pub(super) freedom: f64,
}

impl Readings {
    pub(super) fn of(series: &Series, low: f64) -> Readings {
        let repetitions = series.repetitions();
        let n_sizes = series.sizes().len();
        let mut logs: Vec<Vec<f64>> =
            series.costs().iter().map(|row| logarithms(row, low)).collect();
        if repetitions == 1 {
            return Readings {
                log_cost: logs.iter().map(|row| row[0]).collect(),
                spread: vec![0.0; n_sizes],
                noise: 0.0,
                spread_to_error: vec![0.0; n_sizes],
                freedom: EXACT_FREEDOM,
            };
        }
        if series.is_interleaved() {
            remove_round_effects(&mut logs);
        }
        for row in &mut logs {
            row.retain(|log| !log.is_nan());
            row.sort_by(f64::total_cmp);
        }
        let (spread, noise) = spreads(&logs);
        let to_error = |row: &Vec<f64>| {
            // A trimmed mean is a little less certain than a mean, and the median of three even less.
            let inflation = if row.len() == 3 { 1.16 } else { 1.10 };
            inflation / (row.len() as f64).sqrt()
        };
        Readings {
            log_cost: logs.iter().map(|row| trimmed_mean(row)).collect(),
            spread,
            noise,
            spread_to_error: logs.iter().map(to_error).collect(),
            freedom: (0.6 * n_sizes as f64 * (repetitions - 1) as f64).max(2.0),
        }
    }
}

/// Returns the logarithms of one size's readings. If at least half of the readings are 0, the size lies below
/// the resolution, and each reading becomes half of `low`. Otherwise a 0 is a failed reading and becomes NaN.
fn logarithms(row: &[f64], low: f64) -> Vec<f64> {
    let floor = if low > 0.0 { low.ln() - std::f64::consts::LN_2 } else { 0.0 };
    if is_below_resolution(row) {
        return vec![floor; row.len()];
    }
    row.iter().map(|cost| if *cost > 0.0 { cost.ln() } else { f64::NAN }).collect()
}

fn is_below_resolution(row: &[f64]) -> bool {
    2 * row.iter().filter(|cost| **cost <= 0.0).count() >= row.len()
}

/// Returns q: a cost below q looks like 0 to the instrument. q is in the unit of the cost, and 0 if neither
/// the caller nor the readings show such a limit.
///
/// There are two signs: a size at which at least half of the readings are 0, and a clock on whose ticks many
/// readings agree. The clock counts if at least half of the neighbouring readings at the smallest N fall on
/// the same tick. `low` is the smallest positive reading of the curve or of the pair.
pub(super) fn resolution_of(series: &Series, low: f64) -> f64 {
    let mut resolution = series.stated_resolution();
    if series.costs().iter().any(|row| is_below_resolution(row)) {
        resolution = resolution.max(low);
    }
    if series.kind() == Kind::Time && series.repetitions() >= 3 {
        let steps = series.costs().iter().map(|row| {
            let mut row = row.clone();
            row.sort_by(f64::total_cmp);
            let step = |pair: &[f64]| {
                let distance = pair[1] - pair[0];
                if distance < SAME_TICK * pair[0] { 0.0 } else { distance }
            };
            row.windows(2).map(step).collect::<Vec<f64>>()
        });
        let steps: Vec<Vec<f64>> = steps.collect();
        let n_equal = steps[0].iter().filter(|step| **step == 0.0).count();
        let unequal = steps.iter().flatten().copied().filter(|step| *step > 0.0);
        if 2 * n_equal >= steps[0].len() {
            resolution = resolution.max(unequal.reduce(f64::min).unwrap_or(0.0));
        }
    }
    resolution
}

/// Removes from every size the amount by which a whole repetition was slower or faster than the others.
/// Interleaved repetitions share such disturbances. The median keeps one disturbed size from shifting its
/// repetition. Failed readings (NaN) are left out; a repetition with only failed readings shifts nothing.
fn remove_round_effects(logs: &mut [Vec<f64>]) {
    let repetitions = logs[0].len();
    if repetitions < 3 || logs.len() < 4 {
        return;
    }
    let median_of = |values: &mut dyn Iterator<Item = f64>| {
        median(&mut values.filter(|value| !value.is_nan()).collect::<Vec<f64>>())
    };
    let centres: Vec<f64> = logs.iter().map(|row| median_of(&mut row.iter().copied())).collect();
    let mut effects: Vec<f64> = (0..repetitions)
        .map(|j| median_of(&mut logs.iter().zip(&centres).map(|(row, m)| row[j] - m)))
        .collect();
    let centre = median(&mut effects.clone());
    effects.iter_mut().for_each(|effect| *effect -= centre);
    for row in logs {
        for (log, effect) in row.iter_mut().zip(&effects) {
            *log -= effect;
        }
    }
}

/// Returns the mean of the middle half of a sorted row (for three values the median, for two the mean).
fn trimmed_mean(sorted: &[f64]) -> f64 {
    let cut =
        if sorted.len() > 2 { (0.25 * sorted.len() as f64 + 0.5).floor() as usize } else { 0 };
    let kept = &sorted[cut..sorted.len() - cut];
    kept.iter().sum::<f64>() / kept.len() as f64
}

/// Returns the spread of each sorted row, and of all rows together, from the median distance of two readings.
/// That distance is 0.9539 standard deviations of a normal distribution. Over all rows the upper quartile,
/// 1.6268 standard deviations, counts as well. With two states of a clock the median is 0 if two thirds of
/// the readings agree. Each row's own spread is shrunk towards the common spread, which counts as six
/// readings.
fn spreads(logs: &[Vec<f64>]) -> (Vec<f64>, f64) {
    const MEDIAN_DISTANCE: f64 = 0.9539;
    const UPPER_QUARTILE: f64 = 1.6268;
    const PRIOR: f64 = 6.0;
    let own = logs.iter().map(|row| {
        let [median] = distance_quantiles(slice::from_ref(row), [0.5]);
        median / MEDIAN_DISTANCE
    });
    let [median, upper_quartile] = distance_quantiles(logs, [0.5, 0.75]);
    let pooled = (median / MEDIAN_DISTANCE).max(upper_quartile / UPPER_QUARTILE);
    let shrunk = own
        .zip(logs)
        .map(|(q, row)| {
            let freedom = (row.len() - 1) as f64;
            ((PRIOR * pooled * pooled + freedom * q * q) / (PRIOR + freedom)).sqrt()
        })
        .collect();
    (shrunk, pooled)
}
