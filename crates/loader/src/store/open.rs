//! [`Store`]: the folder, and what was done with it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::options::StoreOptions;
use crate::error::Error;
use crate::trust::guard;

/// Artifacts in a folder. Cheap to clone; all clones are the same store.
#[derive(Clone)]
pub struct Store {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) folder: PathBuf,
    /// The folder of the entries.
    pub(super) entries: PathBuf,
    pub(super) options: StoreOptions,
    pub(super) found: AtomicU64,
    pub(super) compiled: AtomicU64,
    pub(super) set_aside: AtomicU64,
    pub(super) evicted: AtomicU64,
    /// Bytes that this process wrote since it last added up what is there.
    pub(super) unaccounted: AtomicU64,
}

/// What a store did since this process opened it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreCounts {
    /// Artifacts that were there.
    pub found: u64,
    /// Artifacts that had to be compiled.
    pub compiled: u64,
    /// Entries that were not what had been written.
    pub set_aside: u64,
    /// Entries that were removed to make room.
    pub evicted: u64,
}

impl Store {
    /// Opens the store in a folder, which is made where there is none (the folder above it must be
    /// there).
    ///
    /// # Errors
    ///
    /// [`Error::Exposed`] where others could write to it, and outside Unix where there is no key;
    /// [`Error::Write`] where it cannot be made.
    pub fn open(folder: impl Into<PathBuf>, options: StoreOptions) -> Result<Store, Error> {
        let folder = folder.into();
        for path in [folder.clone()].into_iter().chain(FOLDERS.map(|name| folder.join(name))) {
            let made = guard::new_folder(&path, options.is_shared);
            made.map_err(|source| Error::Write { path: path.clone(), source })?;
            options.guard.folder(options.key.is_some(), &path)?;
        }
        let [found, compiled, set_aside, evicted] = [const { AtomicU64::new(0) }; 4];
        // As if a limit's worth had been written: the first write adds up what is there.
        let unaccounted = AtomicU64::new(options.max_bytes.unwrap_or(0));
        let entries = folder.join(ENTRIES);
        let inner =
            Inner { folder, entries, options, found, compiled, set_aside, evicted, unaccounted };
        Ok(Store { inner: Arc::new(inner) })
    }

    /// The folder it is in.
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// What it did since this process opened it.
    pub fn counts(&self) -> StoreCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        StoreCounts {
            found: read(&self.inner.found),
            compiled: read(&self.inner.compiled),
            set_aside: read(&self.inner.set_aside),
            evicted: read(&self.inner.evicted),
        }
    }

    pub(super) fn entry(&self, file_name: &str) -> PathBuf {
        self.inner.entries.join(file_name)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut store = f.debug_struct("Store");
        store.field("folder", &self.inner.folder).field("counts", &self.counts());
        store.finish_non_exhaustive()
    }
}

pub(super) const ENTRIES: &str = "entries";
pub(super) const TEMPORARY: &str = "temporary";
pub(super) const ASIDE: &str = "aside";
pub(super) const LOCKS: &str = "locks";
const FOLDERS: [&str; 4] = [ENTRIES, TEMPORARY, ASIDE, LOCKS];
