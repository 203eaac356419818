//! Writes entries or sets them aside, under a lock of their key.

use std::fs::{self, File};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use super::entry;
use super::key::StoreKey;
use super::open::{ASIDE, ArtifactStore, ENTRIES, LOCKS, TEMPORARY};
use crate::artifact::Artifact;
use crate::error::Error;
use crate::files::{sync_folder, temporary};
use crate::locks::{self, FileHold};
use crate::trust::guard;
use crate::watch::{CompileRecord, Warning};

impl ArtifactStore {
    /// Saves an artifact under a key. It replaces an older entry of that key atomically, and readers of the
    /// older entry are not disturbed.
    ///
    /// # Errors
    ///
    /// [`Error::Write`].
    pub fn put(&self, name: &StoreKey, artifact: &Artifact) -> Result<(), Error> {
        let lock = self.lock(name)?;
        self.write(name, artifact)?;
        drop(lock);
        self.make_room();
        Ok(())
    }

    /// Writes an entry. The caller must hold the lock of its key.
    pub(super) fn write(&self, name: &StoreKey, artifact: &Artifact) -> Result<(), Error> {
        let path = self.entry(&name.to_string());
        let written = (|| {
            let mut file =
                temporary(&self.inner.folder.join(TEMPORARY), self.inner.options.is_shared)?;
            // The lock shows `gc` that the writer is alive.
            file.as_file().lock()?;
            entry::write(file.as_file_mut(), name, self.inner.options.key.as_ref(), artifact)?;
            if self.inner.options.is_synced {
                file.as_file().sync_all()?;
            }
            file.persist(&path).map_err(|error| error.error)?.unlock()?;
            if self.inner.options.is_synced {
                sync_folder(&self.inner.folder.join(ENTRIES))?;
            }
            Ok(())
        })();
        written.map_err(|source| Error::Write { path, source })?;
        let bytes = (artifact.bytes().len() + entry::HEADER_BYTES) as u64;
        self.inner.unaccounted.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Moves an entry out of the way, and returns the warning for the observer.
    fn set_aside(&self, file_name: &str, reason: &Error) -> Result<Option<Warning>, Error> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let entry = self.entry(file_name);
        let to = self.inner.folder.join(ASIDE);
        let to = to.join(format!("{file_name}-{}-{number}", std::process::id()));
        match fs::rename(&entry, &to) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::Write { path: entry, source }),
        }
        self.inner.set_aside.fetch_add(1, Ordering::Relaxed);
        self.bound_aside();
        Ok(Some(Warning::SetAside { entry, to, reason: crate::error::told(reason) }))
    }

    /// Waits until no other thread or process writes or sets aside an entry of the same lock file. There are
    /// 4,096 of these files, so that few threads wait for the compilation of another module.
    pub(super) fn lock(&self, name: &StoreKey) -> Result<Turn<'_>, Error> {
        let file = self.lock_file(&name.hex()[..LOCK_DIGITS])?;
        let locked = locks::lock_file(&file, name.as_bytes()[0]);
        let hold = locked
            .map_err(|source| Error::Write { path: self.inner.folder.join(LOCKS), source })?;
        Ok(Turn { store: self, lock: Some((hold, file)), compiled: None, warnings: Vec::new() })
    }

    pub(super) fn lock_file(&self, name: &str) -> Result<File, Error> {
        let path = self.inner.folder.join(LOCKS).join(name);
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        let options = {
            use std::os::unix::fs::OpenOptionsExt;
            let mode = if self.inner.options.is_shared { 0o666 } else { 0o600 };
            options.custom_flags(libc::O_NOFOLLOW).mode(mode)
        };
        // A file of another user that this user may only read can still be locked.
        let opened = options.open(&path).or_else(|error| match is_refused(&error) {
            true => guard::open(&path).map_err(|_| error),
            false => Err(error),
        });
        opened.map_err(|source| Error::Write { path, source })
    }
}

/// The lock of a key, and the events that the holder must pass to the observer. Dropping it unlocks first and
/// then notifies, because the observer may use the same key. A lock on this file waits for any other lock,
/// even of the same thread.
pub(super) struct Turn<'a> {
    pub(super) store: &'a ArtifactStore,
    pub(super) lock: Option<(FileHold, File)>,
    pub(super) compiled: Option<CompileRecord>,
    pub(super) warnings: Vec<Warning>,
}

impl Turn<'_> {
    /// Moves an entry out of the way. No process can replace it meanwhile, because its key is locked.
    pub(super) fn set_aside(&mut self, file_name: &str, reason: &Error) -> Result<(), Error> {
        self.warnings.extend(self.store.set_aside(file_name, reason)?);
        Ok(())
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        drop(self.lock.take());
        let observer = &self.store.inner.options.observer;
        self.compiled.iter().for_each(|record| observer.compiled(record));
        self.warnings.iter().for_each(|warning| observer.warn(warning));
    }
}

/// The number of digits of a key that name its lock file.
const LOCK_DIGITS: usize = 3;

pub(super) fn is_refused(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

#[cfg(all(test, feature = "compile"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::store::options::StoreOptions;

    #[test]
    fn a_writer_does_not_wait_for_another_key_of_the_same_first_byte() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("store");
        let options = || StoreOptions::new().key(crate::Key::new([1; 32]));
        let store = ArtifactStore::open(&folder, options()).unwrap();
        let keys = ["0700", "0780"].map(|start| format!("{start}{}", "00".repeat(30)));
        let [one, other] = keys.map(|key| key.parse::<StoreKey>().unwrap());
        let artifact = crate::compile::bytes(&wasmtime::Engine::default(), b"(module)").unwrap();
        let turn = store.lock(&one).unwrap();
        let (tell, told) = mpsc::channel();
        let second = ArtifactStore::open(&folder, options()).unwrap();
        std::thread::spawn(move || tell.send(second.put(&other, &artifact)).unwrap());
        told.recv_timeout(Duration::from_secs(60)).expect("it does not wait").unwrap();
        drop(turn);
        assert!(store.get(&other).unwrap().is_some());
    }
}
