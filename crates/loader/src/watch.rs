//! Who watches what becomes of modules: the [`LoadObserver`] of a whole process.

use std::path::PathBuf;

/// Watches loads and unloads, on whatever thread they happen.
///
/// Nothing in this crate prints or logs; whoever wants to know gives an observer. It is called while
/// no lock is held, and `()` is one that does nothing.
pub trait LoadObserver: Send + Sync {
    /// Something is not as it should be, and went on all the same.
    fn warn(&self, warning: &Warning) {
        let _ = warning;
    }
}

impl LoadObserver for () {}

/// What an embedder should know although nothing failed. Its `Display` is a sentence for a log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// An entry of a store was not what had been written, and was moved out of the way.
    #[error("set {} aside as {}: {reason}", entry.display(), to.display())]
    SetAside {
        /// Where it was.
        entry: PathBuf,
        /// Where it is now.
        to: PathBuf,
        /// What was wrong with it.
        reason: String,
    },
    /// An artifact was compiled and could not be stored. It is used all the same, and will be
    /// compiled again.
    #[error("cannot keep a compiled artifact: {reason}")]
    NotStored {
        /// What went wrong.
        reason: String,
    },
}
