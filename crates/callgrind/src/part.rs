//! [`Part`]: one dump of callgrind.

use crate::profile::Profile;

/// One dump: the counts since the dump before, and the reason for the dump.
#[derive(Debug, Clone)]
pub struct Part {
    /// The number of the dump, from 1.
    pub number: Option<u64>,
    /// The number of the thread, from 1, if threads are counted separately.
    pub thread: Option<u64>,
    /// The program and its arguments.
    pub command: Option<String>,
    /// The reason for the dump: `Client Request: unload`, `Program termination`.
    pub trigger: Option<String>,
    /// The sum of all costs that the file states, one entry per event.
    ///
    /// It may differ from [`Profile::totals`]. A file may be torn. Also, callgrind 3.19 states wrong sums in
    /// the last dump of a program that has stopped the counting.
    pub stated: Option<Vec<u64>>,
    /// The costs.
    pub profile: Profile,
}

impl Part {
    /// The name that the program gave to the dump by `CALLGRIND_DUMP_STATS_AT`. `None` for a dump that was
    /// made for another reason.
    pub fn phase(&self) -> Option<&str> {
        self.trigger.as_deref()?.strip_prefix("Client Request: ")
    }

    /// Whether the costs add up to the sums that the file states. Those of a torn file do not.
    pub fn is_whole(&self) -> bool {
        self.stated.as_deref() == Some(self.profile.totals())
    }
}
