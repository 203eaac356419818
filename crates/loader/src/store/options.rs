//! [`StoreOptions`]: the options for opening a store.
#![allow(unsafe_code)]

use std::fmt;
use std::sync::Arc;

use crate::artifact::policy::UnwindPolicy;
use crate::trust::guard::Guard;
use crate::trust::seal::Key;
use crate::watch::LoadObserver;

/// The options for opening a store.
#[derive(Clone)]
pub struct StoreOptions {
    pub(super) policy: UnwindPolicy,
    pub(super) key: Option<Key>,
    pub(super) guard: Guard,
    pub(super) is_sealed: bool,
    pub(super) max_bytes: Option<u64>,
    pub(super) is_synced: bool,
    pub(super) is_shared: bool,
    pub(super) observer: Arc<dyn LoadObserver>,
}

impl StoreOptions {
    /// Returns the default options: stripped artifacts, no key, no limit, and a folder that only this user
    /// can access.
    ///
    /// Only Unix tells who owns a folder. On other systems, open a store with a [`Key`] or with
    /// [`StoreOptions::vouched`]. Without either, opening returns [`Error::Exposed`](crate::Error::Exposed).
    pub fn new() -> StoreOptions {
        StoreOptions {
            policy: UnwindPolicy::default(),
            key: None,
            guard: Guard::default(),
            is_sealed: true,
            max_bytes: None,
            is_synced: true,
            is_shared: false,
            observer: Arc::new(()),
        }
    }

    /// Sets the policy for the unwind tables of compiled artifacts.
    pub fn policy(self, policy: UnwindPolicy) -> StoreOptions {
        StoreOptions { policy, ..self }
    }

    /// Seals entries with a key. Entries with another key or without a key are set aside.
    pub fn key(self, key: Key) -> StoreOptions {
        StoreOptions { key: Some(key), ..self }
    }

    /// Limits the total size of the artifacts to about `bytes`. Beyond that, the store removes the least
    /// recently used entries.
    ///
    /// A process adds up the sizes of all entries after each sixteenth of the limit that it has written. So
    /// each writing process may exceed the limit by that much for a while.
    pub fn max_bytes(self, bytes: u64) -> StoreOptions {
        StoreOptions { max_bytes: Some(bytes), ..self }
    }

    /// Does not wait for the disk after each entry, which would take milliseconds.
    ///
    /// After a power failure some entries may be missing or incomplete; their seals show this. A process that
    /// is killed still leaves complete entries. Use this for stores that can be filled again, such as the
    /// store of a build.
    pub fn unsynced(self) -> StoreOptions {
        StoreOptions { is_synced: false, ..self }
    }

    /// Gives new files the modes of the umask, so that other users can read the store. Use this for a store
    /// that root or a build fills and a service uses. Without this option, only this user can access the
    /// store.
    ///
    /// A user who cannot write to the store uses its entries, and compiles everything else each time, with a
    /// [`Warning::NotStored`](crate::Warning::NotStored). Without a key, a store trusts only entries of root
    /// and of the current user. Entries of other users need a key and [`StoreOptions::whoever_can_write`].
    pub fn shared(self) -> StoreOptions {
        StoreOptions { is_shared: true, ..self }
    }

    /// Sets the observer that is notified of entries that were set aside and of artifacts that could not be
    /// saved.
    pub fn observer(self, observer: Arc<dyn LoadObserver>) -> StoreOptions {
        StoreOptions { observer, ..self }
    }

    /// Allows a folder that other users can write to. Then only the key decides which entries are loaded.
    /// Without a key, opening fails.
    pub fn whoever_can_write(self) -> StoreOptions {
        StoreOptions { guard: Guard::Key, ..self }
    }

    /// Allows a folder that other users can write to, even without a key.
    ///
    /// # Safety
    ///
    /// Every user who can write to the folder must be allowed to choose the machine code that this program
    /// runs.
    pub unsafe fn vouched(self) -> StoreOptions {
        StoreOptions { guard: Guard::Vouched, ..self }
    }

    /// Turns off the comparison of entries with their seals, which saves hashing them.
    ///
    /// # Safety
    ///
    /// The disk, and every program that writes to the folder, must return exactly what was written. A single
    /// changed bit may turn an artifact into code that does anything with the rights of this process.
    pub unsafe fn unsealed(self) -> StoreOptions {
        StoreOptions { is_sealed: false, ..self }
    }
}

impl Default for StoreOptions {
    fn default() -> StoreOptions {
        StoreOptions::new()
    }
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut options = f.debug_struct("StoreOptions");
        options.field("policy", &self.policy).field("key", &self.key);
        options.field("max_bytes", &self.max_bytes).finish_non_exhaustive()
    }
}
