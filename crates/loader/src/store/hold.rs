//! [`Hold`]: protects an entry of a store from eviction.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::evict::is_free;
use super::key::StoreKey;
use super::open::{ArtifactStore, LOCKS};
use crate::error::Error;
use crate::trust::guard;

/// Protects the entry of one key from eviction in all processes, until this value is dropped. The protection
/// also applies if the entry is replaced meanwhile. It costs one file descriptor.
#[derive(Debug)]
pub struct Hold {
    _shared_lock: File,
}

impl ArtifactStore {
    /// Protects the entry of a key from eviction. Returns `None` if there is no entry.
    ///
    /// Loaded modules do not need this, because they are copies. Use it if you will need the entry again.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], or [`Error::Write`] if the folder of locks cannot be written to.
    pub fn hold(&self, name: &StoreKey) -> Result<Option<Hold>, Error> {
        if !self.has_entry(name)? {
            return Ok(None);
        }
        let path = self.inner.folder.join(LOCKS).join(&*name.hex());
        let lock = loop {
            let file = self.lock_file(&name.hex())?;
            // This waits for an evicting process, which holds the lock while it removes the entry.
            let locked = file.lock_shared();
            locked.map_err(|source| Error::Write { path: path.clone(), source })?;
            // The evicting process removes the lock file, too. A lock on a removed file would protect
            // nothing.
            if is_at(&file, &path) {
                break file;
            }
        };
        Ok(self.has_entry(name)?.then_some(Hold { _shared_lock: lock }))
    }

    fn has_entry(&self, name: &StoreKey) -> Result<bool, Error> {
        let path = self.entry(&name.hex());
        match guard::open(&path) {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(Error::Read { path, source }),
        }
    }

    /// Calls `then` unless someone holds the entry. Returns `None` if someone does.
    pub(super) fn unless_held<T>(
        &self,
        name: &StoreKey,
        then: impl FnOnce() -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let path = self.inner.folder.join(LOCKS).join(&*name.hex());
        let lock = self.lock_file(&name.hex())?;
        if !is_free(&lock) || !is_at(&lock, &path) {
            return Ok(None);
        }
        let done = then();
        // Remove the file while it is locked, so that no other holder can have locked it meanwhile.
        let _ = fs::remove_file(&path);
        done.map(Some)
    }
}

/// Returns whether an open file is the file at a path.
fn is_at(file: &File, path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;

        let id = |found: fs::Metadata| (found.dev(), found.ino());
        let (open, there) = (file.metadata().map(id), path.symlink_metadata().map(id));
        matches!((open, there), (Ok(open), Ok(there)) if open == there)
    }
    #[cfg(not(unix))]
    {
        let _ = file;
        path.exists()
    }
}
