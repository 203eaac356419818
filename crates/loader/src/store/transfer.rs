//! Carries entries between stores, through places that need not be trusted.

use super::entry::{self, Failure, Seals};
use super::key::StoreKey;
use super::open::ArtifactStore;
use crate::error::Error;
use crate::trust::seal::Key;

impl ArtifactStore {
    /// Returns the entry of a key as bytes that [`ArtifactStore::import`] reads, or `None` if there is no such
    /// entry.
    ///
    /// The bytes are sealed with the key of this store. So they can be kept in an object store or sent over a
    /// network that is not trusted: a store with the same [`Key`] imports only what a holder of the key has
    /// exported, and only under the key that it was exported from. The bytes are not encrypted.
    ///
    /// # Errors
    ///
    /// [`Error::NoKey`] if the store was opened without a key, and the errors of [`ArtifactStore::get`].
    pub fn export(&self, name: &StoreKey) -> Result<Option<Vec<u8>>, Error> {
        let key = self.sealing_key()?;
        let Some(artifact) = self.get(name)? else { return Ok(None) };
        let mut bytes = Vec::with_capacity(entry::HEADER_BYTES + artifact.bytes().len());
        let written = entry::write(&mut bytes, name, Some(key), &artifact);
        written.map_err(|source| Error::Read { path: self.entry(&name.hex()), source })?;
        Ok(Some(bytes))
    }

    /// Saves an entry that [`ArtifactStore::export`] returned, possibly on another machine. Replaces an older
    /// entry.
    ///
    /// # Errors
    ///
    /// - [`Error::NoKey`] if the store was opened without a key. Anyone can make a seal without a key.
    /// - [`Error::Altered`] if the bytes were changed, were sealed with another key, or were exported under
    ///   another key of a store.
    /// - [`Error::NotAnEntry`] or [`Error::Length`] if the bytes are no whole entry.
    /// - [`Error::OtherRelease`] if a program with another release of Wasmtime exported them.
    /// - [`Error::Write`].
    pub fn import(&self, name: &StoreKey, bytes: &[u8]) -> Result<(), Error> {
        let seals = Seals::Check(Some(self.sealing_key()?));
        let artifact = entry::read(&mut &*bytes, bytes.len() as u64, name, seals);
        let artifact = artifact.map_err(|failure| match failure {
            Failure::Unsound(error) => error,
            Failure::Unreadable(source) => Error::Read { path: self.entry(&name.hex()), source },
        })?;
        self.put(name, &artifact)
    }

    fn sealing_key(&self) -> Result<&Key, Error> {
        self.inner.options.key.as_ref().ok_or(Error::NoKey)
    }
}
