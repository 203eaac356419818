//! Least squares on a few columns: plain by Householder QR, and with coefficients that must not be negative.
//! Knows only numbers.
//!
//! Normal equations are never used. The fitted shapes are nearly collinear, and squaring their condition
//! number would leave no digits. There are at most fifteen columns and some tens of rows, so every solve
//! factors the matrix again.

/// The coefficients that minimise the residuals, and those residuals.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Solution {
    /// The coefficients, in the order of the columns.
    pub coefficients: Vec<f64>,
    /// The residuals target − columns·coefficients, one per row.
    pub residuals: Vec<f64>,
}

impl Solution {
    /// Returns the sum of squared residuals.
    pub fn rss(&self) -> f64 {
        dot(&self.residuals, &self.residuals)
    }
}

/// Minimises |target − Σ coefficient·column| over coefficients ≥ 0: Lawson & Hanson, "Solving Least
/// Squares Problems" (1974), chapter 23, algorithm NNLS.
///
/// Columns should have [unit length](UnitColumn). The next column to enter has the largest product with the
/// residuals; of equal products the first wins. The search ends when no product exceeds 1e−12 of the target's
/// length. A column that would enter with a coefficient ≤ 0 is barred for that step. If there are more
/// columns than the data can distinguish, this order decides which of several equal solutions is returned. So
/// the order is part of the rule and not a matter of taste.
pub(crate) fn nonnegative(columns: &[&UnitColumn], target: &[f64]) -> Solution {
    let mut state = ActiveSet::new(columns, target);
    let tolerance = 1e-12 * dot(target, target).sqrt();
    // Every pass adds a column that lowers the residuals. The bound only guards against rounding.
    for _ in 0..10 * columns.len() {
        if !state.admit_one(tolerance) {
            break;
        }
    }
    let mut solution = state.into_solution();
    for (coefficient, column) in solution.coefficients.iter_mut().zip(columns) {
        *coefficient /= column.length;
    }
    solution
}

/// A column scaled to length 1, and its original length. A column of only 0 is not scaled.
#[derive(Debug, Clone)]
pub(crate) struct UnitColumn {
    entries: Vec<f64>,
    length: f64,
}

impl UnitColumn {
    pub fn new(mut entries: Vec<f64>) -> UnitColumn {
        // The entries are scaled by the largest one first, because their squares may overflow even if the
        // length does not.
        let largest = entries.iter().fold(0.0_f64, |largest, entry| largest.max(entry.abs()));
        let largest = if largest > 0.0 && largest.is_finite() { largest } else { 1.0 };
        let length = entries.iter().map(|e| (e / largest).powi(2)).sum::<f64>().sqrt() * largest;
        let length = if length > 0.0 && length.is_finite() { length } else { 1.0 };
        entries.iter_mut().for_each(|entry| *entry /= length);
        UnitColumn { entries, length }
    }

    /// Returns the original column times `factor`, added to the original `other`.
    pub fn sum(&self, other: &UnitColumn, factor: f64) -> UnitColumn {
        let scaled = self.entries.iter().zip(&other.entries);
        let entry = |(own, its): (&f64, &f64)| own * self.length + factor * its * other.length;
        UnitColumn::new(scaled.map(entry).collect())
    }
}

struct ActiveSet<'a> {
    columns: &'a [&'a UnitColumn],
    target: &'a [f64],
    coefficients: Vec<f64>,
    residuals: Vec<f64>,
    /// The product of each column with the residuals; −∞ for a column that must not enter in this step.
    products: Vec<f64>,
    /// The columns with a positive coefficient, in the order of entering.
    active: Vec<usize>,
    /// The solution of the unconstrained problem on `active`.
    trial: Vec<f64>,
    workspace: Factorisation,
}

impl<'a> ActiveSet<'a> {
    fn new(columns: &'a [&'a UnitColumn], target: &'a [f64]) -> Self {
        ActiveSet {
            columns,
            target,
            coefficients: vec![0.0; columns.len()],
            residuals: target.to_vec(),
            products: Vec::with_capacity(columns.len()),
            active: Vec::with_capacity(columns.len()),
            trial: Vec::with_capacity(columns.len()),
            workspace: Factorisation::default(),
        }
    }

    /// Lets one column enter, and removes the columns that it makes negative. Returns false if none can
    /// enter.
    fn admit_one(&mut self, tolerance: f64) -> bool {
        self.products.clear();
        let products = self.columns.iter().map(|column| dot(&column.entries, &self.residuals));
        self.products.extend(products);
        for column in &self.active {
            self.products[*column] = f64::NEG_INFINITY;
        }
        loop {
            let mut entering = None;
            let mut largest = tolerance;
            for (column, &product) in self.products.iter().enumerate() {
                if product > largest {
                    largest = product;
                    entering = Some(column);
                }
            }
            let Some(column) = entering else {
                return false;
            };
            self.active.push(column);
            if self.solve_active() && self.trial.last().is_some_and(|&own| own > 0.0) {
                break;
            }
            self.active.pop();
            self.products[column] = f64::NEG_INFINITY;
        }
        self.leave_negative_behind();
        self.update_residuals();
        true
    }

    /// Moves towards the trial solution, and drops each column whose coefficient reaches 0 first.
    fn leave_negative_behind(&mut self) {
        while self.trial.iter().any(|&coefficient| coefficient <= 0.0) {
            let mut step = f64::INFINITY;
            let mut blocking = 0;
            for (place, &column) in self.active.iter().enumerate() {
                let (now, goal) = (self.coefficients[column], self.trial[place]);
                if goal <= 0.0 && now / (now - goal) < step {
                    step = now / (now - goal);
                    blocking = place;
                }
            }
            if !step.is_finite() {
                step = 0.0;
            }
            for (place, &column) in self.active.iter().enumerate() {
                self.coefficients[column] += step * (self.trial[place] - self.coefficients[column]);
            }
            self.coefficients[self.active[blocking]] = 0.0;
            let coefficients = &mut self.coefficients;
            self.active.retain(|&column| {
                let stays = coefficients[column] > 0.0;
                if !stays {
                    coefficients[column] = 0.0;
                }
                stays
            });
            if !self.solve_active() {
                return;
            }
        }
        for (place, &column) in self.active.iter().enumerate() {
            self.coefficients[column] = self.trial[place];
        }
    }

    /// Solves for `active` into `trial`. Returns false if those columns are dependent.
    fn solve_active(&mut self) -> bool {
        let active = self.active.iter().map(|&column| self.columns[column].entries.as_slice());
        self.workspace.factor(active, self.target)
            && self.workspace.coefficients_into(&mut self.trial)
    }

    fn update_residuals(&mut self) {
        self.residuals.copy_from_slice(self.target);
        for &column in &self.active {
            let coefficient = self.coefficients[column];
            for (residual, entry) in self.residuals.iter_mut().zip(&self.columns[column].entries) {
                *residual -= coefficient * entry;
            }
        }
    }

    fn into_solution(self) -> Solution {
        Solution { coefficients: self.coefficients, residuals: self.residuals }
    }
}

/// An unconstrained solution, with the numbers that its covariance needs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Unconstrained {
    pub coefficients: Vec<f64>,
    /// The diagonal of (AᵀA)⁻¹: the variances of the coefficients if the residuals have variance 1.
    pub variances: Vec<f64>,
    /// The sum of squared residuals.
    pub rss: f64,
}

/// Minimises |target − Σ coefficient·column|. Returns `None` if the columns are dependent.
pub(crate) fn unconstrained(columns: &[&[f64]], target: &[f64]) -> Option<Unconstrained> {
    let mut factors = Factorisation::default();
    let mut coefficients = Vec::new();
    if !factors.factor(columns.iter().copied(), target)
        || !factors.coefficients_into(&mut coefficients)
    {
        return None;
    }
    let mut residuals = target.to_vec();
    for (column, coefficient) in columns.iter().zip(&coefficients) {
        for (residual, entry) in residuals.iter_mut().zip(*column) {
            *residual -= coefficient * entry;
        }
    }
    Some(Unconstrained {
        variances: factors.inverse_diagonal(),
        rss: dot(&residuals, &residuals),
        coefficients,
    })
}

/// A = QR by Householder reflections, and Qᵀ·target. Solves reuse the buffers.
#[derive(Debug, Default)]
struct Factorisation {
    rows: usize,
    n_columns: usize,
    /// The columns one after the other: R above and on the diagonal, reflections below it.
    entries: Vec<f64>,
    /// Qᵀ·target.
    rotated: Vec<f64>,
    diagonal: Vec<f64>,
}

impl Factorisation {
    /// Factors the columns. Returns false if a column is, to rounding, a combination of those before it.
    fn factor<'a>(&mut self, columns: impl Iterator<Item = &'a [f64]>, target: &[f64]) -> bool {
        self.rows = target.len();
        self.entries.clear();
        self.diagonal.clear();
        self.rotated.clear();
        self.rotated.extend_from_slice(target);
        columns.for_each(|column| self.entries.extend_from_slice(column));
        self.n_columns = self.entries.len() / self.rows.max(1);
        self.n_columns <= self.rows && (0..self.n_columns).all(|column| self.reflect(column))
    }

    /// Zeroes `column` below its diagonal, and transforms all later columns and the target.
    fn reflect(&mut self, column: usize) -> bool {
        let rows = self.rows;
        let (before, later) = self.entries.split_at_mut((column + 1) * rows);
        let own = &mut before[column * rows..];
        let above = dot(&own[..column], &own[..column]);
        let below = dot(&own[column..], &own[column..]);
        let length = below.sqrt();
        // Lawson & Hanson's test: the remaining length must still matter next to the explained length.
        let is_independent = above.sqrt() + 0.01 * length > above.sqrt() && length.is_finite();
        if !is_independent {
            return false;
        }
        let diagonal = if own[column] > 0.0 { -length } else { length };
        let mirror = &mut own[column..];
        mirror[0] -= diagonal;
        let scale = -diagonal * mirror[0];
        for other in later.chunks_exact_mut(rows) {
            mirror_off(mirror, &mut other[column..], scale);
        }
        mirror_off(mirror, &mut self.rotated[column..], scale);
        self.diagonal.push(diagonal);
        true
    }

    /// Solves by back substitution. Returns false if a coefficient overflows.
    fn coefficients_into(&self, coefficients: &mut Vec<f64>) -> bool {
        coefficients.clear();
        coefficients.extend_from_slice(&self.rotated[..self.n_columns]);
        self.solve_upper(coefficients);
        coefficients.iter().all(|coefficient| coefficient.is_finite())
    }

    /// Solves R·x = `values` in place, for the leading rows and columns of R.
    fn solve_upper(&self, values: &mut [f64]) {
        for column in (0..values.len()).rev() {
            let (above, own) = values.split_at_mut(column);
            own[0] /= self.diagonal[column];
            let upper = &self.entries[column * self.rows..][..column];
            for (value, entry) in above.iter_mut().zip(upper) {
                *value -= own[0] * entry;
            }
        }
    }

    /// Returns the diagonal of (RᵀR)⁻¹: the squared row lengths of R⁻¹.
    fn inverse_diagonal(&self) -> Vec<f64> {
        let mut squares = vec![0.0; self.n_columns];
        for column in 0..self.n_columns {
            let mut inverse = vec![0.0; column + 1];
            inverse[column] = 1.0;
            self.solve_upper(&mut inverse);
            for (square, entry) in squares.iter_mut().zip(&inverse) {
                *square += entry * entry;
            }
        }
        squares
    }
}

/// Reflects `values` at the plane orthogonal to `mirror`, whose squared length is 2·`scale`.
fn mirror_off(mirror: &[f64], values: &mut [f64], scale: f64) {
    let factor = dot(mirror, values) / scale;
    for (value, entry) in values.iter_mut().zip(mirror) {
        *value -= factor * entry;
    }
}

fn dot(left: &[f64], right: &[f64]) -> f64 {
    left.iter().zip(right).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn nonnegative_of(columns: &[&[f64]], target: &[f64]) -> Solution {
        let columns: Vec<UnitColumn> =
            columns.iter().map(|column| UnitColumn::new(column.to_vec())).collect();
        nonnegative(&columns.iter().collect::<Vec<_>>(), target)
    }

    fn check(columns: &[&[f64]], target: &[f64], expected: &[f64]) {
        let found = nonnegative_of(columns, target).coefficients;
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
        }
    }

    #[test]
    fn what_would_be_negative_is_zero() {
        // Alone, the columns give 1 and -1. The product of the second with the residuals (0, -1) is -1, so
        // the second stays out.
        check(&[&[1.0, 0.0], &[0.0, 1.0]], &[1.0, -1.0], &[1.0, 0.0]);
        // Unconstrained: 4·(1,1,1) - 1·(1,2,3). Without the second column: 2, with residuals (1, 0, -1), and
        // the product of the second with them is 1 - 3 = -2.
        check(&[&[1.0, 1.0, 1.0], &[1.0, 2.0, 3.0]], &[3.0, 2.0, 1.0], &[2.0, 0.0]);
    }

    #[test]
    fn a_column_that_entered_leaves_again() {
        // The first column has the largest product, 7.5, and enters first. Once all three are in, they solve
        // the system exactly, with -2 for the first. Without the first column the residuals are (0, 0, -1).
        let columns: [&[f64]; 3] = [&[2.0, 2.0, 0.5], &[1.0, 0.0, 0.0], &[0.0, 1.0, 0.0]];
        check(&columns, &[1.0, 3.0, -1.0], &[0.0, 1.0, 3.0]);
    }

    #[test]
    fn huge_and_empty_columns_have_a_length() {
        check(&[&[3e200, 4e200], &[0.0, 0.0]], &[3.0, 4.0], &[1e-200, 0.0]);
    }

    #[test]
    fn dependent_columns_are_left_out() {
        check(&[&[1.0, 2.0], &[1.0, 2.0]], &[2.0, 4.0], &[2.0, 0.0]);
        assert_eq!(unconstrained(&[&[1.0, 2.0], &[2.0, 4.0]], &[1.0, 1.0]), None);
        assert_eq!(unconstrained(&[&[0.0, 0.0]], &[1.0, 1.0]), None);
    }

    #[test]
    fn variances_are_those_of_a_straight_line() {
        // y = 1 + 2x at x = 0, 1, 2, 3, plus 0.1·(1, -1, -1, 1), which no line explains.
        let x = [0.0, 1.0, 2.0, 3.0];
        let fit = unconstrained(&[&[1.0; 4], &x], &[1.1, 2.9, 4.9, 7.1]).unwrap();
        let expected = [(fit.coefficients[0], 1.0), (fit.coefficients[1], 2.0), (fit.rss, 0.04)];
        // AᵀA = [4 6; 6 14], determinant 20.
        let variances = [(fit.variances[0], 14.0 / 20.0), (fit.variances[1], 4.0 / 20.0)];
        for (found, expected) in expected.into_iter().chain(variances) {
            assert!((found - expected).abs() < 1e-12, "{found} instead of {expected}");
        }
    }

    proptest! {
        /// The Karush–Kuhn–Tucker conditions: no coefficient is negative, and no column has a positive
        /// product with the residuals. Columns in use have a product of 0.
        #[test]
        fn solutions_are_optimal(
            values in prop::collection::vec(prop::collection::vec(-1.0..1.0_f64, 8), 1..7),
            target in prop::collection::vec(-1.0..1.0_f64, 8),
        ) {
            let columns: Vec<&[f64]> = values.iter().map(Vec::as_slice).collect();
            let solution = nonnegative_of(&columns, &target);
            for (column, &coefficient) in columns.iter().zip(&solution.coefficients) {
                let product = dot(column, &solution.residuals);
                prop_assert!(coefficient >= 0.0);
                prop_assert!(product <= 1e-9);
                prop_assert!(coefficient == 0.0 || product >= -1e-9);
            }
        }
    }
}
