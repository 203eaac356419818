//! [`PackOptions`]: the options for opening a pack.
#![allow(unsafe_code)]

use crate::trust::guard::Guard;
use crate::trust::seal::Key;

/// When the artifacts in a pack are compared with their digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Digests {
    /// All artifacts when the pack is opened, before any of them can be executed.
    #[default]
    AtOpen,
    /// Each artifact at every load. Opening is faster, and damage in one artifact does not affect the others.
    /// The index and the gaps between the artifacts are still checked at open.
    AtLoad,
}

/// The options for opening a pack.
#[derive(Debug, Clone, Default)]
pub struct PackOptions {
    pub(super) key: Option<Key>,
    pub(super) digests: Digests,
    pub(super) guard: Guard,
}

impl PackOptions {
    /// Returns the default options: no key, digests are checked at open, and only this user and root may be
    /// able to write to the file. Symbolic links are followed if they and their folders belong to those two.
    pub fn new() -> PackOptions {
        PackOptions::default()
    }

    /// Sets the key that the pack was sealed with.
    pub fn key(self, key: Key) -> PackOptions {
        PackOptions { key: Some(key), ..self }
    }

    /// Sets when digests are checked.
    pub fn digests(self, digests: Digests) -> PackOptions {
        PackOptions { digests, ..self }
    }

    /// Allows files that other users can write to. Then only the key decides which artifacts are loaded.
    /// Without a key, opening fails.
    pub fn whoever_can_write(self) -> PackOptions {
        PackOptions { guard: Guard::Key, ..self }
    }

    /// Allows files that other users can write to, even without a key.
    ///
    /// # Safety
    ///
    /// The file must be what [`PackWriter`](super::PackWriter) wrote. The artifacts must come from this
    /// program, or from another program that may choose the machine code that this program runs.
    pub unsafe fn vouched(self) -> PackOptions {
        PackOptions { guard: Guard::Vouched, ..self }
    }
}
