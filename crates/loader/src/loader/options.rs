//! [`LoaderOptions`]: the settings of a loader.

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
    pub(super) observer: Arc<dyn LoadObserver>,
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
        options.finish_non_exhaustive()
    }
}
