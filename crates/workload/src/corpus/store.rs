//! A corpus in a store of the loader, filled before the measurement begins.
#![allow(unsafe_code)]

use std::borrow::Cow;
use std::path::Path;

use loadline_loader::wasmtime::Engine;
use loadline_loader::{
    Artifact, ArtifactFile, ArtifactStore, Contents, Loaded, StoreKey, StoreOptions,
};
use tempfile::TempDir;

use super::source::Source;
use crate::error::Error;

/// Artifacts in a store.
pub struct StoredCorpus {
    store: ArtifactStore,
    entries: Vec<(StoreKey, Contents)>,
    _folder: TempDir,
}

/// One entry of a store, as a source for a load order.
pub struct Stored<'a> {
    store: &'a ArtifactStore,
    key: StoreKey,
    contents: Contents,
}

impl StoredCorpus {
    /// Puts `artifacts` into a store in a new folder under `folder`.
    ///
    /// # Errors
    /// If an artifact cannot be read, or the store cannot be opened or written.
    pub fn make(artifacts: &[ArtifactFile], folder: &Path) -> Result<StoredCorpus, Error> {
        let made = TempDir::with_prefix_in("store-", folder);
        let failed = |source| loadline_loader::Error::Write { path: folder.to_owned(), source };
        let folder = made.map_err(failed)?;
        // The store is deleted when this process ends, so it need not wait for the disk.
        let options = StoreOptions::new().unsynced();
        // SAFETY: this program is in the target directory of the user's own build. So everyone who may write
        // to that directory may choose what this program does (as for the cache, `cache.rs`).
        let options = unsafe { options.vouched() };
        let store = ArtifactStore::open(folder.path().join("store"), options)?;
        let mut entries = Vec::with_capacity(artifacts.len());
        for (index, file) in artifacts.iter().enumerate() {
            // Keys are digests. This one is the digest of the artifact's index in the corpus.
            let digest = blake3::hash(&(index as u64).to_le_bytes());
            let key: StoreKey = digest.to_hex().parse()?;
            store.put(&key, &file.read(Vec::new())?)?;
            entries.push((key, *file.contents()));
        }
        Ok(StoredCorpus { store, entries, _folder: folder })
    }

    /// Returns the entries, in the order of the artifacts.
    pub fn sources(&self) -> Vec<Stored<'_>> {
        let entries = self.entries.iter();
        entries.map(|&(key, contents)| Stored { store: &self.store, key, contents }).collect()
    }
}

impl Source for Stored<'_> {
    fn contents(&self) -> &Contents {
        &self.contents
    }

    fn path(&self) -> Option<&Path> {
        Some(self.store.folder())
    }

    /// Reads the artifact as an embedder would. A store allocates its own memory.
    fn read(&self, _: Vec<u8>) -> Result<Cow<'_, Artifact>, Error> {
        let missing = || {
            let (name, path) = (self.key.to_string(), self.store.folder().to_owned());
            loadline_loader::Error::NoSuchEntry { name, path }
        };
        Ok(Cow::Owned(self.store.get(&self.key)?.ok_or_else(missing)?))
    }

    /// Returns an error, because a store maps no files: a file can change while it is mapped.
    fn map(&self, _: &Engine) -> Result<Loaded, Error> {
        Err(Error::NotInFile)
    }
}
