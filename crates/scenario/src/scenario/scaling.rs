//! Whether work is to be done faster by several threads than by one: [`Scaling`].

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use serde::Deserialize;

use crate::metric::series_name::SeriesName;

/// A scenario is measured on several threads as well, and so is its control; what threads gain is
/// judged beside what they gain there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Scaling {
    /// How many threads share the work, beside the one of the file.
    pub threads: NonZeroUsize,
    /// The time that they should save.
    pub series: SeriesName,
    /// Where it is known that they do not.
    #[serde(default)]
    pub known: Vec<KnownContention>,
}

/// Threads that are known to wait for each other, why, and until when it is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownContention {
    /// The unwinders it shows under, as of [`KnownGrowth`].
    pub unwinders: Vec<String>,
    /// The fields, with their values, it depends on.
    #[serde(default)]
    pub when: BTreeMap<String, String>,
    /// What they wait for, as one sentence.
    pub reason: String,
    /// Where it is reported or described.
    pub link: String,
    /// Until when it is accepted, as [`Expiry`](crate::Expiry) reads it.
    pub until: String,
}
