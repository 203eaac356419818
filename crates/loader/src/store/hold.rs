//! [`Hold`]: keeps an entry of a store from being evicted.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::evict::is_free;
use super::key::StoreKey;
use super::open::{LOCKS, Store};
use crate::error::Error;
use crate::trust::guard;

/// Keeps the entry of one key from being evicted, in all processes, while it lives, also where the
/// entry is replaced meanwhile. Costs a descriptor.
#[derive(Debug)]
pub struct Hold {
    _shared_lock: File,
}

impl Store {
    /// Keeps the entry of a key from being evicted; nothing where there is none. Modules need no
    /// such thing, they are copies: it is for those who will want the entry again.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], or [`Error::Write`] where the folder of locks cannot be written to.
    pub fn hold(&self, name: &StoreKey) -> Result<Option<Hold>, Error> {
        if !self.has_entry(name)? {
            return Ok(None);
        }
        let path = self.inner.folder.join(LOCKS).join(&*name.hex());
        let lock = loop {
            let file = self.lock_file(&name.hex())?;
            // Waits for an evictor, which has it while it removes the entry.
            let locked = file.lock_shared();
            locked.map_err(|source| Error::Write { path: path.clone(), source })?;
            // The evictor removes the lock's file, too; another lock of it would hold nothing.
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

    /// Does something that no holder of the entry would have wanted; nothing where there is a holder.
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
        // While it is locked, so that no other holder has locked it meanwhile.
        let _ = fs::remove_file(&path);
        done.map(Some)
    }
}

/// Whether an open file is the one at a path.
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
