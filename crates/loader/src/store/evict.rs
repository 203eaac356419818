//! Makes room in a store, and removes files of writers that were killed.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use super::key::StoreKey;
use super::open::{ASIDE, ArtifactStore, ENTRIES, LOCKS, TEMPORARY};
use crate::error::Error;
use crate::trust::guard;
use crate::watch::Eviction;

/// The numbers of files that [`ArtifactStore::gc`] removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// The number of temporary files of writers that were killed.
    pub temporary: usize,
    /// The number of entries that had been set aside.
    pub set_aside: usize,
    /// The number of least recently used entries beyond the limit.
    pub evicted: usize,
}

/// A writer locks its temporary file right after creating it. This time is longer than any such delay.
const SURELY_LOCKED: Duration = Duration::from_secs(60);

/// The number of set-aside entries that are kept so that a person can inspect them.
const MOST_ASIDE: usize = 32;

/// A file in a store.
pub(super) struct Listed {
    pub(super) name: String,
    path: PathBuf,
    pub(super) bytes: u64,
    pub(super) used: SystemTime,
}

impl ArtifactStore {
    /// Removes files that are no longer needed, but none that is in use.
    ///
    /// These are temporary files of writers that were killed, and entries that had been set aside. If there is a
    /// limit, this also removes the least recently used entries beyond the limit.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] or [`Error::Write`] if the folder cannot be used.
    pub fn gc(&self) -> Result<Collected, Error> {
        let mut collected = Collected::default();
        let now = SystemTime::now();
        for file in self.files(TEMPORARY)? {
            let age = now.duration_since(file.used).unwrap_or_default();
            let is_abandoned = age > SURELY_LOCKED
                && guard::open(&file.path).is_ok_and(|file| file.try_lock().is_ok());
            collected.temporary += usize::from(is_abandoned && remove(&file)?);
        }
        for file in self.files(LOCKS)? {
            // Remove lock files that no process holds any more.
            if let Ok(name) = file.name.parse::<StoreKey>() {
                self.unless_held(&name, || Ok(()))?;
            }
        }
        for file in self.files(ASIDE)? {
            collected.set_aside += usize::from(remove(&file)?);
        }
        if let Some(limit) = self.inner.options.max_bytes {
            collected.evicted = self.evict(limit, limit)?;
        }
        Ok(collected)
    }

    /// Makes room if this process has written enough since the last time. A failure must not make a load
    /// fail; `gc` reports the reason.
    pub(super) fn make_room(&self) {
        let Some(limit) = self.inner.options.max_bytes else { return };
        if self.inner.unaccounted.load(Ordering::Relaxed) > limit / 16 {
            // Remove a little more than needed, so that not every further entry needs an eviction.
            let _ = self.evict(limit, limit - limit / 8);
        }
    }

    /// If the entries are larger than `limit`, removes the least recently used ones until they are not larger
    /// than `goal`. Only one process at a time does this.
    fn evict(&self, limit: u64, goal: u64) -> Result<usize, Error> {
        let lock = self.lock_file("evict")?;
        if lock.try_lock().is_err() {
            return Ok(0);
        }
        self.inner.unaccounted.store(0, Ordering::Relaxed);
        let mut files = self.files(ENTRIES)?;
        let mut total: u64 = files.iter().map(|file| file.bytes).sum();
        if total <= limit {
            return Ok(0);
        }
        files.sort_by_key(|file| file.used);
        let mut evicted = Vec::new();
        let mut failure = None;
        for file in files {
            if total <= goal || failure.is_some() {
                break;
            }
            match self.evict_one(&file) {
                Ok(Some(key)) => {
                    total -= file.bytes;
                    evicted.push(Eviction::Entry { key, bytes: file.bytes });
                }
                Ok(None) => {}
                Err(error) => failure = Some(error),
            }
        }
        // The observer may use the store.
        drop(lock);
        self.inner.evicted.fetch_add(evicted.len() as u64, Ordering::Relaxed);
        evicted.iter().for_each(|eviction| self.inner.options.observer.evicted(eviction));
        failure.map_or(Ok(evicted.len()), Err)
    }

    /// Removes an entry, unless someone reads, writes or holds it. Returns its key if it was removed.
    fn evict_one(&self, file: &Listed) -> Result<Option<StoreKey>, Error> {
        let Ok(name) = file.name.parse::<StoreKey>() else { return Ok(None) };
        let key_lock = self.lock_file(&format!("{:02x}", name.as_bytes()[0]))?;
        let Ok(entry) = guard::open(&file.path) else { return Ok(None) };
        if !is_free(&key_lock) || !is_free(&entry) {
            return Ok(None);
        }
        let is_removed = self.unless_held(&name, || remove(file))?.unwrap_or(false);
        Ok(is_removed.then_some(name))
    }

    /// Limits the number of entries that were set aside by removing the oldest ones. A failure must not make
    /// a load fail.
    pub(super) fn bound_aside(&self) {
        let mut files = self.files(ASIDE).unwrap_or_default();
        files.sort_by_key(|file| file.used);
        for file in files.iter().rev().skip(MOST_ASIDE) {
            let _ = remove(file);
        }
    }

    /// Returns the files in one of the store's folders.
    pub(super) fn files(&self, folder: &str) -> Result<Vec<Listed>, Error> {
        let path = self.inner.folder.join(folder);
        let failed = |source| Error::Read { path: path.clone(), source };
        let mut files = Vec::new();
        for entry in fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // The file may be removed already, or it may be a link, which is not followed.
            let Ok(found) = entry.path().symlink_metadata() else { continue };
            let Ok(name) = entry.file_name().into_string() else { continue };
            let used = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            files.push(Listed { name, path: entry.path(), bytes: found.len(), used });
        }
        Ok(files)
    }
}

/// Locks a file until it is closed, and returns true, unless someone else has locked it.
pub(super) fn is_free(file: &File) -> bool {
    file.try_lock().is_ok()
}

/// Removes a file, link or folder. Returns false if it does not exist any more.
fn remove(file: &Listed) -> Result<bool, Error> {
    let is_folder = file.path.symlink_metadata().is_ok_and(|found| found.is_dir());
    let removed =
        if is_folder { fs::remove_dir_all(&file.path) } else { fs::remove_file(&file.path) };
    match removed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(Error::Write { path: file.path.clone(), source }),
    }
}
