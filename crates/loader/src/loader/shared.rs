//! The state that all handles of a [`Loader`](crate::Loader) share: the loaded modules, their handles, and
//! their total numbers.

use std::collections::HashMap;
#[cfg(feature = "compile")]
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use wasmtime::Engine;

use super::options::LoaderOptions;
use super::request::Identity;
use super::unloading::{Retired, Unloader};
use crate::artifact::Loaded;
use crate::artifact::contents::Contents;
use crate::error::Error;
use crate::headroom::ledger::Ledger;
use crate::headroom::resource::Amounts;
use crate::locks::Mutex;
#[cfg(feature = "compile")]
use crate::store::key::EngineDigest;
use crate::unwinder::{self, Family};
use crate::watch::Warning;

pub(super) struct Inner {
    pub(super) engine: Engine,
    #[cfg(feature = "compile")]
    pub(super) engine_digest: OnceLock<EngineDigest>,
    pub(super) options: LoaderOptions,
    pub(super) ledger: Option<Ledger>,
    pub(super) unloader: Unloader,
    /// The loaded modules by identity. A load holds the lock of its module, so that no other thread loads the
    /// same module meanwhile.
    pub(super) modules: Mutex<HashMap<Identity, Arc<Mutex<Weak<Shared>>>>>,
    pub(super) population: Counters,
    pub(super) has_warned: AtomicBool,
}

#[derive(Default)]
pub(super) struct Counters {
    pub(super) modules: AtomicU64,
    pub(super) with_tables: AtomicU64,
    pub(super) fdes: AtomicU64,
    pub(super) bytes: AtomicU64,
}

/// The state that the handles of one module share.
pub(super) struct Shared {
    /// `drop` takes the module out.
    pub(super) loaded: Option<Loaded>,
    pub(super) contents: Contents,
    /// The number of the module among all modules that the process has loaded.
    pub(super) number: u64,
    pub(super) identity: Option<Identity>,
    /// The position in the order of uses, if a budget keeps the module. Changes only under the lock of that
    /// order.
    pub(super) last_use: AtomicU64,
    pub(super) loader: Arc<Inner>,
}

/// The number of steps to unload all modules from which the loader warns: about a millisecond.
const STEPS_TO_WARN_AT: u64 = 1_000_000;

impl Inner {
    pub(super) fn arrived(
        self: &Arc<Inner>,
        loaded: Loaded,
        contents: Contents,
        identity: Option<Identity>,
    ) -> Arc<Shared> {
        // The loaders of a process may have the same observer.
        static N_LOADED: AtomicU64 = AtomicU64::new(0);
        let number = N_LOADED.fetch_add(1, Ordering::Relaxed);
        self.population.add(&contents);
        let (loaded, loader, last_use) = (Some(loaded), Arc::clone(self), AtomicU64::new(0));
        Arc::new(Shared { loaded, contents, number, identity, last_use, loader })
    }

    pub(super) fn admit(&self, need: Amounts) -> Result<(), Error> {
        self.ledger.as_ref().map_or(Ok(()), |ledger| ledger.admit(need))
    }

    pub(super) fn registrations(&self, contents: &Contents) -> Option<u64> {
        if contents.fdes == 0 {
            // On Windows, one call per module announces the tables, which are neither copied nor searched.
            return Some(u64::from(contents.has_tables));
        }
        // Detecting the unwinder registers tables, so detect it only after other tables are registered.
        match unwinder::family() {
            Family::LibgccList | Family::LibgccTree => Some(1),
            Family::Llvm => Some(contents.fdes as u64),
            Family::Other => None,
        }
    }

    pub(super) fn warn_of_tables(&self) {
        let modules = self.population.with_tables.load(Ordering::Relaxed);
        let fdes = self.population.fdes.load(Ordering::Relaxed);
        if modules == 0 || self.has_warned.load(Ordering::Relaxed) {
            return;
        }
        let family = unwinder::family();
        let (of_one, of_all, per_frame) = match family {
            // In a bad order, a deregistration walks half of the list on average.
            Family::LibgccList => (modules, modules * modules / 2, modules),
            // Every FDE of the module is compared with all FDEs that are left.
            Family::Llvm => (fdes.div_ceil(modules) * fdes, fdes * fdes / 2, 0),
            _ => return,
        };
        if of_all > STEPS_TO_WARN_AT && !self.has_warned.swap(true, Ordering::Relaxed) {
            self.options.observer.warn(&Warning::TablesKept {
                family,
                modules,
                steps_to_unload_one: of_one,
                steps_to_unload_all: of_all,
                steps_per_frame: per_frame,
            });
        }
    }

    /// Forgets a module, unless it was loaded again meanwhile or is being loaded.
    pub(super) fn forget(&self, identity: Identity) {
        let mut modules = self.modules.lock();
        let is_unused = modules.get(&identity).is_some_and(|slot| {
            Arc::strong_count(slot) == 1
                && slot.try_lock().is_some_and(|slot| slot.strong_count() == 0)
        });
        if is_unused {
            modules.remove(&identity);
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.loader.population.remove(&self.contents);
        if let Some(loaded) = self.loaded.take() {
            let (contents, number, since) = (self.contents, self.number, Instant::now());
            self.loader.unloader.retire(Retired { loaded, contents, number, since });
        }
        // Forget the module last. A load that still finds it waits for its lock; a load that does not find it
        // need not wait.
        if let Some(identity) = self.identity {
            self.loader.forget(identity);
        }
    }
}

impl Counters {
    fn add(&self, contents: &Contents) {
        self.each(contents, |count, amount| {
            count.fetch_add(amount, Ordering::Relaxed);
        });
    }

    fn remove(&self, contents: &Contents) {
        self.each(contents, |count, amount| {
            count.fetch_sub(amount, Ordering::Relaxed);
        });
    }

    fn each(&self, contents: &Contents, change: impl Fn(&AtomicU64, u64)) {
        change(&self.modules, 1);
        change(&self.with_tables, u64::from(contents.fdes > 0));
        change(&self.fdes, contents.fdes as u64);
        change(&self.bytes, contents.bytes as u64);
    }
}
