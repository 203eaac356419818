//! A corpus in a store of the loader's, filled before anything is measured.
#![allow(unsafe_code)]

use std::borrow::Cow;
use std::path::Path;

use loadline_loader::wasmtime::Engine;
use loadline_loader::{
    Artifact, ArtifactFile, Contents, Error, Loaded, Source, Store, StoreKey, StoreOptions,
};
use tempfile::TempDir;

use crate::error;

/// Artifacts in a store.
pub struct StoredCorpus {
    store: Store,
    entries: Vec<(StoreKey, Contents)>,
    _folder: TempDir,
}

/// One entry of a store, as a source of a lifecycle.
pub struct Stored<'a> {
    store: &'a Store,
    key: StoreKey,
    contents: Contents,
}

impl StoredCorpus {
    /// Puts `artifacts` into a store, in a folder of its own under `folder`.
    ///
    /// # Errors
    /// When an artifact cannot be read, or the store not be opened or written.
    pub fn make(artifacts: &[ArtifactFile], folder: &Path) -> Result<StoredCorpus, error::Error> {
        let made = || -> Result<StoredCorpus, Error> {
            let folder = TempDir::with_prefix_in("store-", folder).map_err(|source| {
                let path = folder.to_owned();
                Error::Write { path, source }
            })?;
            // It is gone with this process, so the disk need not be waited for.
            let options = StoreOptions::new().unsynced();
            // SAFETY: whoever may write to the target directory of the user's own build may choose
            // what this program, which lies there, does (as for the cache, `cache.rs`).
            let options = unsafe { options.vouched() };
            let store = Store::open(folder.path().join("store"), options)?;
            let mut entries = Vec::with_capacity(artifacts.len());
            for (index, file) in artifacts.iter().enumerate() {
                // Keys are digests. This one says where in the corpus the artifact is.
                let digest = blake3::hash(&(index as u64).to_le_bytes());
                let key: StoreKey = digest.to_hex().parse()?;
                store.put(&key, &*Source::read(file, Vec::new())?)?;
                entries.push((key, *file.contents()));
            }
            Ok(StoredCorpus { store, entries, _folder: folder })
        };
        Ok(made()?)
    }

    /// Its entries, in the order of the artifacts.
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

    /// As an embedder gets it; a store brings its own memory.
    fn read(&self, _: Vec<u8>) -> Result<Cow<'_, Artifact>, Error> {
        let missing = || {
            let (name, path) = (self.key.to_string(), self.store.folder().to_owned());
            Error::NoSuchEntry { name, path }
        };
        self.store.get(&self.key)?.ok_or_else(missing).map(Cow::Owned)
    }

    /// Nothing in a store is mapped: a file can change under its mapping.
    fn map(&self, _: &Engine) -> Result<Loaded, Error> {
        Err(Error::NotInFile)
    }
}
