//! [`LoaderOptions`]: the settings of a loader, with its [`Budget`].

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::artifact::policy::UnwindPolicy;
use crate::headroom::resource::{Amounts, RESERVE};
use crate::parallel;
use crate::watch::LoadObserver;

/// The settings of a loader.
#[derive(Clone)]
pub struct LoaderOptions {
    pub(super) policy: UnwindPolicy,
    pub(super) threads: NonZeroUsize,
    pub(super) is_sharing: bool,
    pub(super) reserve: Option<Amounts>,
    pub(super) budget: Option<Budget>,
    pub(super) observer: Arc<dyn LoadObserver>,
}

/// The number and size of loaded modules up to which a loader keeps modules without leases
/// ([`LoaderOptions::budget`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The largest number of modules and components.
    pub modules: u64,
    /// The largest total length of their artifacts in bytes. A loaded module takes about twice the length of
    /// its artifact, and a module in a pack about as much as its artifact.
    pub bytes: u64,
}

impl LoaderOptions {
    /// Returns the default settings. The loader strips unwind tables, shares identical artifacts, and loads on
    /// as many threads as there are CPUs. It keeps [`RESERVE`] free for the rest of the program.
    pub fn new() -> LoaderOptions {
        LoaderOptions {
            policy: UnwindPolicy::default(),
            threads: parallel::processors(),
            is_sharing: true,
            reserve: Some(RESERVE),
            budget: None,
            observer: Arc::new(()),
        }
    }

    /// Sets the policy for unwind tables.
    pub fn policy(self, policy: UnwindPolicy) -> LoaderOptions {
        LoaderOptions { policy, ..self }
    }

    /// Sets how many modules of one call are loaded at a time. The kernel makes changes to the mappings of a
    /// process one after the other, so more threads help less than expected. They help with packs and with
    /// reading entries of a store.
    pub fn threads(self, threads: NonZeroUsize) -> LoaderOptions {
        LoaderOptions { threads, ..self }
    }

    /// Sets whether identical artifacts become one module. For artifacts that are loaded from bytes, sharing
    /// needs a digest of each artifact. Artifacts in packs need no digest.
    pub fn sharing(self, is_sharing: bool) -> LoaderOptions {
        LoaderOptions { is_sharing, ..self }
    }

    /// Sets the reserve for the rest of the program. `None` turns the check of the limits off.
    pub fn reserve(self, reserve: Option<Amounts>) -> LoaderOptions {
        LoaderOptions { reserve, ..self }
    }

    /// Keeps modules loaded after their last lease is dropped, for later requests. If more than the budget is
    /// loaded, the loader drops the least recently used modules without leases. Modules with leases count, but
    /// stay. Modules that are not shared are not kept.
    ///
    /// If a load would not fit ([`Error::Headroom`](crate::Error::Headroom)), the loader drops an eighth of
    /// the modules that it keeps, waits at most a second for their unloads, and tries again. It tries at most
    /// eight times, because other threads may take the room first.
    ///
    /// Without a budget, the loader keeps no module, and the program decides how long it holds leases.
    pub fn budget(self, budget: Budget) -> LoaderOptions {
        LoaderOptions { budget: Some(budget), ..self }
    }

    /// Sets the observer that is notified of the cost of each load and unload.
    pub fn observer(self, observer: Arc<dyn LoadObserver>) -> LoaderOptions {
        LoaderOptions { observer, ..self }
    }
}

impl Default for LoaderOptions {
    fn default() -> LoaderOptions {
        LoaderOptions::new()
    }
}

impl fmt::Debug for LoaderOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut options = f.debug_struct("LoaderOptions");
        options.field("policy", &self.policy).field("threads", &self.threads);
        options.field("is_sharing", &self.is_sharing).field("reserve", &self.reserve);
        options.field("budget", &self.budget);
        options.finish_non_exhaustive()
    }
}
