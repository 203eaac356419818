//! [`Part`]: what callgrind wrote in one dump.

use crate::profile::Profile;

/// One dump: what was counted since the dump before, and why it was made.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its number, from 1.
    pub number: Option<u64>,
    /// The thread, from 1, where threads are counted apart.
    pub thread: Option<u64>,
    /// The program and its arguments.
    pub command: Option<String>,
    /// Why the dump was made: `Client Request: unload`, `Program termination`.
    pub trigger: Option<String>,
    /// What the file itself states as the sum of all costs, an entry an event.
    ///
    /// Not always what [`Profile::totals`] finds: a file may be torn, and callgrind 3.19 states
    /// nonsense for the last dump of a program that had stopped the counting.
    pub stated: Option<Vec<u64>>,
    /// The costs.
    pub profile: Profile,
}

impl Part {
    /// The name the program gave to the dump by `CALLGRIND_DUMP_STATS_AT`; none for a dump that was
    /// made for another reason.
    pub fn phase(&self) -> Option<&str> {
        self.trigger.as_deref()?.strip_prefix("Client Request: ")
    }

    /// Whether all costs were found that the file states, which a torn file does not have.
    pub fn is_whole(&self) -> bool {
        self.stated.as_deref() == Some(self.profile.totals())
    }
}
