//! [`LoaderOptions`]: how a loader loads.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use crate::artifact::policy::UnwindPolicy;
use crate::headroom::resource::{Amounts, RESERVE};
use crate::parallel;
use crate::watch::LoadObserver;

/// How a loader loads.
#[derive(Clone)]
pub struct LoaderOptions {
    pub(super) policy: UnwindPolicy,
    pub(super) threads: NonZeroUsize,
    pub(super) is_sharing: bool,
    pub(super) reserve: Option<Amounts>,
    pub(super) observer: Arc<dyn LoadObserver>,
}

impl LoaderOptions {
    /// Stripped, as many loads at a time as there are processors, identical artifacts shared, and
    /// [`RESERVE`] left to the rest of the program.
    pub fn new() -> LoaderOptions {
        LoaderOptions {
            policy: UnwindPolicy::default(),
            threads: parallel::processors(),
            is_sharing: true,
            reserve: Some(RESERVE),
            observer: Arc::new(()),
        }
    }

    /// What becomes of the unwind tables of artifacts that have any.
    pub fn policy(self, policy: UnwindPolicy) -> LoaderOptions {
        LoaderOptions { policy, ..self }
    }

    /// How many modules of one call are loaded at a time. The kernel makes changes to a process's
    /// mappings one after the other, so more threads help less than one might think: with packs, and
    /// where entries of a store are read.
    pub fn threads(self, threads: NonZeroUsize) -> LoaderOptions {
        LoaderOptions { threads, ..self }
    }

    /// Whether identical artifacts become one module. Finding out takes a digest of each artifact
    /// that is loaded from bytes; those in packs are known already.
    pub fn sharing(self, is_sharing: bool) -> LoaderOptions {
        LoaderOptions { is_sharing, ..self }
    }

    /// What is left to the rest of the program, or `None` to load whatever happens.
    pub fn reserve(self, reserve: Option<Amounts>) -> LoaderOptions {
        LoaderOptions { reserve, ..self }
    }

    /// Who is told what loads and unloads cost.
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
