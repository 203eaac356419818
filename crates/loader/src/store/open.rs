//! [`ArtifactStore`]: an open store and its counts.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::options::StoreOptions;
use crate::error::Error;
use crate::trust::guard;

/// A folder of compiled artifacts. Clones are cheap, and all clones are the same store.
#[derive(Clone)]
pub struct ArtifactStore {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) folder: PathBuf,
    pub(super) entries: PathBuf,
    pub(super) options: StoreOptions,
    pub(super) found: AtomicU64,
    pub(super) compiled: AtomicU64,
    pub(super) set_aside: AtomicU64,
    pub(super) evicted: AtomicU64,
    /// The bytes that this process has written since it last added up the sizes of all entries.
    pub(super) unaccounted: AtomicU64,
}

/// The numbers of operations on a store since this process opened it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreCounts {
    /// The number of artifacts that were found in the store.
    pub found: u64,
    /// The number of artifacts that had to be compiled.
    pub compiled: u64,
    /// The number of entries that were damaged or not trusted, and were set aside.
    pub set_aside: u64,
    /// The number of entries that were removed to make room.
    pub evicted: u64,
}

impl ArtifactStore {
    /// Opens the store in a folder. Creates the folder if it does not exist; its parent folder must exist.
    ///
    /// # Errors
    ///
    /// [`Error::Exposed`] if other users could write to the folder, or if there is no key on a system other
    /// than Unix. [`Error::Write`] if the folder cannot be created.
    pub fn open(folder: impl Into<PathBuf>, options: StoreOptions) -> Result<ArtifactStore, Error> {
        let folder = folder.into();
        for path in [folder.clone()].into_iter().chain(FOLDERS.map(|name| folder.join(name))) {
            let made = guard::new_folder(&path, options.is_shared);
            made.map_err(|source| Error::Write { path: path.clone(), source })?;
            options.guard.folder(options.key.is_some(), &path)?;
        }
        let [found, compiled, set_aside, evicted] = [const { AtomicU64::new(0) }; 4];
        // Start as if the limit had been written, so that the first write adds up the sizes of all entries.
        let unaccounted = AtomicU64::new(options.max_bytes.unwrap_or(0));
        let entries = folder.join(ENTRIES);
        let inner =
            Inner { folder, entries, options, found, compiled, set_aside, evicted, unaccounted };
        Ok(ArtifactStore { inner: Arc::new(inner) })
    }

    /// Returns the folder of the store.
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// Returns the numbers of operations since this process opened the store.
    pub fn counts(&self) -> StoreCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        StoreCounts {
            found: read(&self.inner.found),
            compiled: read(&self.inner.compiled),
            set_aside: read(&self.inner.set_aside),
            evicted: read(&self.inner.evicted),
        }
    }

    /// Returns the policy for the artifacts that this store compiles.
    #[cfg(feature = "compile")]
    pub(crate) fn policy(&self) -> crate::artifact::policy::UnwindPolicy {
        self.inner.options.policy
    }

    pub(super) fn entry(&self, file_name: &str) -> PathBuf {
        self.inner.entries.join(file_name)
    }
}

impl fmt::Debug for ArtifactStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut store = f.debug_struct("ArtifactStore");
        store.field("folder", &self.inner.folder).field("counts", &self.counts());
        store.finish_non_exhaustive()
    }
}

pub(super) const ENTRIES: &str = "entries";
pub(super) const TEMPORARY: &str = "temporary";
pub(super) const ASIDE: &str = "aside";
pub(super) const LOCKS: &str = "locks";
const FOLDERS: [&str; 4] = [ENTRIES, TEMPORARY, ASIDE, LOCKS];
