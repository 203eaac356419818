//! Making room in a store, and cleaning up after writers that were killed.

use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use super::key::StoreKey;
use super::open::{ASIDE, ENTRIES, LOCKS, Store, TEMPORARY};
use crate::error::Error;
use crate::trust::guard;

/// What [`Store::gc`] removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Temporary files of writers that were killed.
    pub temporary: usize,
    /// Entries that had been set aside.
    pub set_aside: usize,
    /// Entries unused for longest, beyond the limit.
    pub evicted: usize,
}

/// Between making a temporary file and locking it a writer does nothing else; this is longer.
const SURELY_LOCKED: Duration = Duration::from_secs(60);

/// Entries that were set aside and are kept for a person to look at.
const MOST_ASIDE: usize = 32;

/// Some file in a store.
pub(super) struct Listed {
    pub(super) name: String,
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
}

impl Store {
    /// Removes temporary files of writers that were killed, entries that had been set aside, and,
    /// where there is a limit, the entries unused for longest beyond it. Never what is in use.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] or [`Error::Write`] where the folder cannot be used.
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
            // What is left by those who hold nothing any more.
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

    /// Makes room where enough was written since it was last done. That it cannot is no reason for
    /// a load to fail; `gc` says why.
    pub(super) fn make_room(&self) {
        let Some(limit) = self.inner.options.max_bytes else { return };
        if self.inner.unaccounted.load(Ordering::Relaxed) > limit / 16 {
            // A little more than needed, so that not every further entry needs it again.
            let _ = self.evict(limit, limit - limit / 8);
        }
    }

    /// Where there is more than `limit`, removes the entries unused for longest until there is no
    /// more than `goal`. One process at a time does this.
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
        let mut n_evicted = 0;
        for file in files {
            if total <= goal {
                break;
            }
            if self.evict_one(&file)? {
                total -= file.bytes;
                n_evicted += 1;
            }
        }
        self.inner.evicted.fetch_add(n_evicted as u64, Ordering::Relaxed);
        Ok(n_evicted)
    }

    /// Removes an entry that nobody reads, writes or holds; false where somebody does.
    fn evict_one(&self, file: &Listed) -> Result<bool, Error> {
        let Ok(name) = file.name.parse::<StoreKey>() else { return Ok(false) };
        let key_lock = self.lock_file(&format!("{:02x}", name.as_bytes()[0]))?;
        let Ok(entry) = guard::open(&file.path) else { return Ok(false) };
        if !is_free(&key_lock) || !is_free(&entry) {
            return Ok(false);
        }
        Ok(self.unless_held(&name, || remove(file))?.unwrap_or(false))
    }

    /// Keeps the folder of entries that were set aside from growing: beyond so many, those that were
    /// written first go. That it cannot is no reason for a load to fail.
    pub(super) fn bound_aside(&self) {
        let mut files = self.files(ASIDE).unwrap_or_default();
        files.sort_by_key(|file| file.used);
        for file in files.iter().rev().skip(MOST_ASIDE) {
            let _ = remove(file);
        }
    }

    /// The files in one of the store's folders.
    pub(super) fn files(&self, folder: &str) -> Result<Vec<Listed>, Error> {
        let path = self.inner.folder.join(folder);
        let failed = |source| Error::Read { path: path.clone(), source };
        let mut files = Vec::new();
        for entry in fs::read_dir(&path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            // It may be gone by now, or be a link; it is not followed.
            let Ok(found) = entry.path().symlink_metadata() else { continue };
            let Ok(name) = entry.file_name().into_string() else { continue };
            let used = found.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            files.push(Listed { name, path: entry.path(), bytes: found.len(), used });
        }
        Ok(files)
    }
}

/// Locks a file until it is closed, if nobody else has.
pub(super) fn is_free(file: &File) -> bool {
    file.try_lock().is_ok()
}

/// Removes a file, link or folder; false where it is gone already.
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
