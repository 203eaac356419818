//! [`StoreOptions`]: what is kept, for how long, and who is trusted.
#![allow(unsafe_code)]

use std::fmt;
use std::sync::Arc;

use crate::artifact::policy::UnwindPolicy;
use crate::trust::guard::Guard;
use crate::trust::seal::Key;
use crate::watch::LoadObserver;

/// How a store is opened.
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
    /// Stripped artifacts, no key, no limit, and a folder that is this user's alone.
    ///
    /// Only Unix tells whose a folder is. On other systems a store is opened with a [`Key`], or by
    /// [`StoreOptions::vouched`]; without either, opening is [`Error::Exposed`](crate::Error::Exposed).
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

    /// What becomes of the unwind tables of what is compiled.
    pub fn policy(self, policy: UnwindPolicy) -> StoreOptions {
        StoreOptions { policy, ..self }
    }

    /// Seals entries with a key. Entries that were made with another, or with none, are set aside.
    pub fn key(self, key: Key) -> StoreOptions {
        StoreOptions { key: Some(key), ..self }
    }

    /// Keeps at most about so many bytes of artifacts: beyond that, those unused for longest go.
    ///
    /// The sizes of all entries are added up again after each sixteenth of it that was written by
    /// one process; so much more may be there for a while, for each process that writes.
    pub fn max_bytes(self, bytes: u64) -> StoreOptions {
        StoreOptions { max_bytes: Some(bytes), ..self }
    }

    /// Does not wait for the disk with each entry that is written, which takes milliseconds. After a
    /// power failure some entries may be gone, or torn, which their seals show; a process that is
    /// killed still leaves whole entries. For stores that can be filled again, such as a build's.
    pub fn unsynced(self) -> StoreOptions {
        StoreOptions { is_synced: false, ..self }
    }

    /// Gives what is written the modes that the umask gives, so that other users can read the store:
    /// one that root or a build fills and a service uses. Without it everything is this user's alone.
    ///
    /// A user who cannot write to the store uses what is there, and compiles the rest each time, with
    /// a [`Warning::NotStored`](crate::Warning::NotStored). Only root's entries and one's own are
    /// trusted by their owner; those of other users take a key and
    /// [`StoreOptions::whoever_can_write`].
    pub fn shared(self) -> StoreOptions {
        StoreOptions { is_shared: true, ..self }
    }

    /// Who is told of entries that were set aside, and of artifacts that could not be kept.
    pub fn observer(self, observer: Arc<dyn LoadObserver>) -> StoreOptions {
        StoreOptions { observer, ..self }
    }

    /// A folder that others can write to as well. The key alone then decides what is loaded;
    /// without one, opening is refused.
    pub fn whoever_can_write(self) -> StoreOptions {
        StoreOptions { guard: Guard::Key, ..self }
    }

    /// A folder that others can write to as well, even without a key.
    ///
    /// # Safety
    ///
    /// Whoever can write to the folder must be allowed to choose the machine code that this program
    /// runs.
    pub unsafe fn vouched(self) -> StoreOptions {
        StoreOptions { guard: Guard::Vouched, ..self }
    }

    /// Entries are not compared with their seals, which saves hashing them.
    ///
    /// # Safety
    ///
    /// The disk, and every program that writes to the folder, must return what was written: a single
    /// changed bit may make a program of this process's rights out of an artifact.
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
