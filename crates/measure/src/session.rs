//! One session: its sizes, its runs, and the further runs while series are undecided.

pub mod affordable_sizes;
pub mod baseline_sizes;
pub mod bench;
pub mod escalation;
pub mod limit_check;
pub mod limits;
pub mod measurement;
pub mod places;
pub mod progress;
pub mod proof;
pub mod resume;
pub mod shard;
