//! [`Means`]: how a metric is collected.

use serde::{Deserialize, Serialize};

/// What watches a run. What disturbs the clock is counted in runs of its own.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Means {
    /// Counters that cost next to nothing beside what is measured; times are taken.
    #[default]
    Clock,
    /// Every operation is counted, whatever that costs; no time is taken.
    Count,
    /// valgrind's callgrind counts every instruction; no time is taken.
    Callgrind,
}

impl Means {
    /// All of them, from the quickest on.
    pub const ALL: [Means; 3] = [Means::Clock, Means::Count, Means::Callgrind];

    /// Whether times are taken.
    pub fn is_clock(&self) -> bool {
        *self == Means::Clock
    }
}
