//! The measured data: one metric over a rising N, one reading per repetition, and nothing derived from it.

use super::tau::Tau;

/// The kind of a cost. It decides which noise is assumed and which shapes are natural.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Counted things: instructions, faults, bytes, allocations, operations.
    Count,
    /// Task clock or wall time. Caches and neighbours on the machine bend the curve.
    Time,
}

impl Kind {
    /// Returns the structural floor of this kind, before any calibration.
    #[must_use]
    pub fn default_tau(self) -> Tau {
        match self {
            Kind::Count => Tau::COUNT,
            Kind::Time => Tau::TIME,
        }
    }
}

/// Observations of one metric over a rising N.
///
/// [`Series::new`] checks the data once: N rises strictly from at least 1, every size has at least one
/// reading, and every cost is finite and not negative. It does not check whether the data is *enough* to
/// judge. A series of two sizes is valid, and its verdict is inconclusive. Sizes may differ in their number
/// of readings, as long as the readings are not [interleaved](Self::interleaved).
///
/// ```
/// use loadline_growth::{Kind, Series};
///
/// let series = Series::new(Kind::Count, vec![1, 2], vec![vec![10.0], vec![19.0]])?.exact(true);
/// assert_eq!(series.top_size(), 2);
/// # Ok::<(), loadline_growth::SeriesError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    kind: Kind,
    sizes: Vec<u64>,
    costs: Vec<Vec<f64>>,
    is_interleaved: bool,
    is_exact: bool,
    quantum: f64,
    resolution: f64,
}

impl Series {
    /// Creates a series from `sizes` (the values of N) and `costs[i][j]`, the cost of *all* `sizes[i]` items
    /// in repetition `j`, in one unit throughout. The series is neither interleaved nor exact until
    /// [`interleaved`](Self::interleaved) or [`exact`](Self::exact) says so.
    ///
    /// # Errors
    ///
    /// Returns an error that names the first size whose order, readings or cost is invalid.
    pub fn new(kind: Kind, sizes: Vec<u64>, costs: Vec<Vec<f64>>) -> Result<Self, SeriesError> {
        check_sizes(&sizes)?;
        check_costs(&sizes, &costs)?;
        Ok(Series {
            kind,
            sizes,
            costs,
            is_interleaved: false,
            is_exact: false,
            quantum: 1.0,
            resolution: 0.0,
        })
    }

    /// Returns the series restricted to the sizes for which `keep` is true, with all its other properties.
    ///
    /// # Errors
    ///
    /// Returns an error if no size is left.
    pub fn at_sizes(&self, keep: impl Fn(u64) -> bool) -> Result<Self, SeriesError> {
        let rows = self.sizes.iter().zip(&self.costs).filter(|(size, _)| keep(**size));
        let (sizes, costs) = rows.map(|(size, costs)| (*size, costs.clone())).unzip();
        let Series { sizes, costs, .. } = Series::new(self.kind, sizes, costs)?;
        Ok(Series { sizes, costs, ..self.clone() })
    }

    /// States whether repetition `j` visited every size once before repetition `j + 1` began. Only then does
    /// a slow repetition show a disturbance of the machine, which the rules remove from every size.
    #[must_use]
    pub fn interleaved(mut self, is_interleaved: bool) -> Self {
        self.is_interleaved = is_interleaved;
        self
    }

    /// States whether the metric is exact: two runs at one N agreed to one part in a million in this very
    /// session. An exact series may be measured once per N.
    #[must_use]
    pub fn exact(mut self, is_exact: bool) -> Self {
        self.is_exact = is_exact;
        self
    }

    /// States the steps in which an exact count rises, in the unit of the cost. The default is 1, for counts
    /// of single things; for bytes of whole pages it is the page size. The pair rule compares exact counts to
    /// within these steps, so a count in another unit needs a quantum in that unit. A quantum that is
    /// negative or not finite leaves 1.
    #[must_use]
    pub fn quantum(mut self, quantum: f64) -> Self {
        if quantum >= 0.0 && quantum.is_finite() {
            self.quantum = quantum;
        }
        self
    }

    /// States the smallest difference that the instrument can see, in the unit of the cost: 10 ms for a clock
    /// that ticks every 10 ms. The judgement finds the steps of a coarse clock by itself if the readings show
    /// them. This method states what the readings cannot show. A resolution that is negative or not finite
    /// leaves 0, "as fine as the readings".
    #[must_use]
    pub fn resolution(mut self, resolution: f64) -> Self {
        if resolution >= 0.0 && resolution.is_finite() {
            self.resolution = resolution;
        }
        self
    }

    /// The kind of the cost: counts or time.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The values of N, rising.
    #[must_use]
    pub fn sizes(&self) -> &[u64] {
        &self.sizes
    }

    /// `costs()[i][j]`: the cost at `sizes()[i]` in repetition `j`.
    #[must_use]
    pub fn costs(&self) -> &[Vec<f64>] {
        &self.costs
    }

    /// The number of readings that every size has: the repetitions of an interleaved series, at least 1.
    #[must_use]
    pub fn repetitions(&self) -> usize {
        self.costs.iter().map(Vec::len).min().unwrap_or(0)
    }

    /// The largest N.
    #[must_use]
    pub fn top_size(&self) -> u64 {
        self.sizes.last().copied().unwrap_or(1)
    }

    /// Whether the repetitions were [interleaved](Self::interleaved). Sizes with different numbers of
    /// readings were not, whatever was stated.
    #[must_use]
    pub fn is_interleaved(&self) -> bool {
        self.is_interleaved && self.costs.iter().all(|row| row.len() == self.repetitions())
    }

    /// Whether the metric was stated to be [exact](Self::exact).
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.is_exact
    }

    /// The steps in which an exact count rises, as [stated](Self::quantum).
    pub(crate) fn step(&self) -> f64 {
        self.quantum
    }

    /// The smallest visible difference, as [stated](Self::resolution).
    pub(crate) fn stated_resolution(&self) -> f64 {
        self.resolution
    }

    /// The smallest reading above 0, or 0 if there is none.
    pub(crate) fn smallest_positive(&self) -> f64 {
        let positive = self.costs.iter().flatten().copied().filter(|cost| *cost > 0.0);
        let smallest = positive.fold(f64::INFINITY, f64::min);
        if smallest.is_finite() { smallest } else { 0.0 }
    }

    /// Whether this is a count whose readings at each N all agree.
    pub(crate) fn repeats_exactly(&self) -> bool {
        self.kind == Kind::Count
            && self.costs.iter().all(|row| row.iter().all(|cost| *cost == row[0]))
    }
}

fn check_sizes(sizes: &[u64]) -> Result<(), SeriesError> {
    let first = *sizes.first().ok_or(SeriesError::NoSizes)?;
    if first == 0 {
        return Err(SeriesError::SizeZero);
    }
    for pair in sizes.windows(2) {
        // Sizes are compared as the fits see them: beyond 2^53, neighbouring integers are the same float.
        if pair[1] as f64 <= pair[0] as f64 {
            return Err(SeriesError::SizesDoNotRise { previous: pair[0], size: pair[1] });
        }
    }
    Ok(())
}

fn check_costs(sizes: &[u64], costs: &[Vec<f64>]) -> Result<(), SeriesError> {
    if sizes.len() != costs.len() {
        return Err(SeriesError::RowsDoNotMatch { sizes: sizes.len(), rows: costs.len() });
    }
    for (&size, row) in sizes.iter().zip(costs) {
        if row.is_empty() {
            return Err(SeriesError::NoReadings { size });
        }
        for (repetition, &cost) in (1..).zip(row) {
            if !cost.is_finite() || cost < 0.0 {
                return Err(SeriesError::BadCost { size, repetition, cost });
            }
        }
    }
    Ok(())
}

/// Why observations cannot form a [`Series`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SeriesError {
    /// The series has no N at all.
    #[error("a series needs at least one size")]
    NoSizes,
    /// The series has a size N = 0, which has no cost per item.
    #[error("sizes start at 1, found 0")]
    SizeZero,
    /// The sizes do not rise strictly as 64-bit floats, which matters beyond 2^53.
    #[error("sizes must rise, found {size} after {previous}")]
    SizesDoNotRise {
        /// The size before it.
        previous: u64,
        /// The size that is not larger.
        size: u64,
    },
    /// The number of rows of costs differs from the number of sizes.
    #[error("each size needs one row of costs; sizes: {sizes}, rows: {rows}")]
    RowsDoNotMatch {
        /// The number of sizes.
        sizes: usize,
        /// The number of rows of costs.
        rows: usize,
    },
    /// A size has no reading.
    #[error("there is no reading at N = {size}")]
    NoReadings {
        /// The N without a reading.
        size: u64,
    },
    /// A cost is negative, infinite or not a number.
    #[error(
        "cost {cost} in repetition {repetition} at N = {size} is not a finite number from 0 up"
    )]
    BadCost {
        /// The N of the cost.
        size: u64,
        /// The repetition, counted from 1.
        repetition: usize,
        /// The invalid cost.
        cost: f64,
    },
}
