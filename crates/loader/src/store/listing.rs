//! Lists and removes the entries of a store.

use std::fs;
use std::io;
use std::time::SystemTime;

use super::key::StoreKey;
use super::open::{ArtifactStore, ENTRIES};
use crate::error::Error;

/// An entry of a store, as its folder shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredEntry {
    /// The key of the entry.
    pub key: StoreKey,
    /// The length of the file in bytes.
    pub bytes: u64,
    /// The time of the last use, to within a minute.
    pub used: SystemTime,
}

impl ArtifactStore {
    /// Returns the entries of the store, least recently used first. Reads no entry:
    /// [`ArtifactStore::verify`] checks their seals.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if the folder cannot be read.
    pub fn entries(&self) -> Result<Vec<StoredEntry>, Error> {
        let files = self.files(ENTRIES)?.into_iter();
        let entry = |file: super::evict::Listed| {
            let key = file.name.parse().ok()?;
            Some(StoredEntry { key, bytes: file.bytes, used: file.used })
        };
        let mut entries: Vec<StoredEntry> = files.filter_map(entry).collect();
        entries.sort_by_key(|entry| (entry.used, entry.key));
        Ok(entries)
    }

    /// Removes the entry of a key. Returns false if there is no such entry.
    ///
    /// Loaded modules are copies and stay. A [`Hold`](super::Hold) protects an entry from eviction only, so
    /// this function removes entries that are held.
    ///
    /// # Errors
    ///
    /// [`Error::Write`].
    pub fn remove(&self, name: &StoreKey) -> Result<bool, Error> {
        let path = self.entry(&name.hex());
        let _turn = self.lock(name)?;
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(source) => Err(Error::Write { path, source }),
        }
    }
}
