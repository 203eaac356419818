//! [`Scaling`]: the demand that several threads do the work faster than one.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use serde::Deserialize;

use crate::metric::series_name::SeriesName;

/// The demand that several threads save time. The scenario and its control are also measured on several
/// threads. What threads gain in the scenario is compared with what they gain in the control.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Scaling {
    /// The number of threads of the second measurement.
    pub threads: NonZeroUsize,
    /// The time that threads should save.
    pub series: SeriesName,
    /// The known issues: where threads are known to save no time.
    #[serde(default)]
    pub known: Vec<KnownContention>,
}

/// A known issue: threads wait for each other, for this reason, accepted until it expires.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownContention {
    /// The unwinder families that show it, as in [`crate::KnownGrowth`].
    pub unwinders: Vec<String>,
    /// The fields and values on which it depends.
    #[serde(default)]
    pub when: BTreeMap<String, String>,
    /// What the threads wait for, as one sentence.
    pub reason: String,
    /// The address where it is reported or described.
    pub link: String,
    /// The text of the expiry, in the form that [`Expiry`](crate::Expiry) reads.
    pub expires: String,
}
