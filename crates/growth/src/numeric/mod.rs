//! Statistics and least squares that know nothing of curves.

pub(crate) mod distance;
pub(crate) mod estimate;
pub(crate) mod holm;
pub(crate) mod least_squares;
pub(crate) mod median;
pub(crate) mod minimise;
pub(crate) mod student;
