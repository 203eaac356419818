//! [`PackOptions`]: how a pack is opened.
#![allow(unsafe_code)]

use crate::trust::guard::Guard;
use crate::trust::seal::Key;

/// When the artifacts in a pack are compared with their digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Digests {
    /// All of them when the pack is opened, before any of it can be executed.
    #[default]
    AtOpen,
    /// Each when it is loaded, every time. Opening is quicker; the other artifacts in the pack need not
    /// be sound. The index, and that nothing lies between the artifacts, are checked at open all the
    /// same.
    AtLoad,
}

/// How a pack is opened.
#[derive(Debug, Clone, Default)]
pub struct PackOptions {
    pub(super) key: Option<Key>,
    pub(super) digests: Digests,
    pub(super) guard: Guard,
}

impl PackOptions {
    /// Without a key, digests at open, and only from files that nobody but this user and root can
    /// write to. Symbolic links are followed where they and their folders belong to those two.
    pub fn new() -> PackOptions {
        PackOptions::default()
    }

    /// With the key that the pack was sealed with.
    pub fn key(self, key: Key) -> PackOptions {
        PackOptions { key: Some(key), ..self }
    }

    /// When digests are checked.
    pub fn digests(self, digests: Digests) -> PackOptions {
        PackOptions { digests, ..self }
    }

    /// From files that others can write to as well. The key alone then decides what is loaded;
    /// without one, opening is refused.
    pub fn whoever_can_write(self) -> PackOptions {
        PackOptions { guard: Guard::Key, ..self }
    }

    /// From files that others can write to as well, even without a key.
    ///
    /// # Safety
    ///
    /// The file must be what [`PackWriter`](super::PackWriter) wrote, from artifacts of this program or another that
    /// may choose the machine code it runs.
    pub unsafe fn vouched(self) -> PackOptions {
        PackOptions { guard: Guard::Vouched, ..self }
    }
}
