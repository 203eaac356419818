//! [`PackOptions`]: the options for opening a pack.
#![allow(unsafe_code)]

use crate::trust::guard::Guard;
use crate::trust::seal::Key;

/// When the artifacts in a pack are compared with their digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Digests {
    /// Once, before the artifact can be executed: when the pack is opened, or with [`PackOptions::lazy`] when
    /// the artifact is first loaded.
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
    pub(super) is_lazy: bool,
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

    /// Copies and checks each artifact when it is first loaded, instead of all artifacts when the pack is
    /// opened (Linux 5.1 and later).
    ///
    /// Opening then takes milliseconds, and memory is used only for artifacts that were loaded at least once.
    /// The first load of an artifact reads the file, so the pack keeps the file open. The pack takes three
    /// mappings and twice the address space. A forked process cannot fill the memory, so it loads copies of
    /// artifacts that were not loaded before. Copies take two mappings each, and native backtraces have no
    /// frames for them.
    ///
    /// Load only with engines that [`configure`](super::configure) prepared. Another custom code memory may
    /// fail to make the memory writable when a module is dropped, and Wasmtime then panics.
    ///
    /// On other systems, this option has no effect. See [`Pack::is_lazy`](super::Pack::is_lazy).
    pub fn lazy(self) -> PackOptions {
        PackOptions { is_lazy: true, ..self }
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
