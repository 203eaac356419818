//! Metrics, phases, and the readings of counters.

pub(crate) mod collector;
pub(crate) mod name;
pub(crate) mod phase;
pub(crate) mod reading;
pub(crate) mod series_name;
pub(crate) mod unknown_name;
