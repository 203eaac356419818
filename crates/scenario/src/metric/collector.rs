//! [`Collector`]: the collector of a metric.

use serde::{Deserialize, Serialize};

/// The collector that observes a run. Collectors that disturb the clock have runs of their own.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Collector {
    /// Times, and counters that cost next to nothing compared with the measured work.
    #[default]
    Clock,
    /// Counts of every operation, at any cost. Takes no times.
    Count,
    /// Counts of every instruction by valgrind's callgrind. Takes no times.
    Callgrind,
}

impl Collector {
    /// All collectors, the quickest first.
    pub const ALL: [Collector; 3] = [Collector::Clock, Collector::Count, Collector::Callgrind];

    /// Whether this collector takes times.
    pub fn is_clock(&self) -> bool {
        *self == Collector::Clock
    }
}
