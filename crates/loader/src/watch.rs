//! Who watches what becomes of modules: the [`LoadObserver`] of a whole process.

use std::path::PathBuf;
use std::time::Duration;

use crate::artifact::contents::Contents;
use crate::unwinder::Family;

/// Watches loads and unloads, on whatever thread they happen.
///
/// Nothing in this crate prints or logs; whoever wants to know gives an observer. It is called while
/// this crate holds no lock, so it may load, unload and ask stores itself. `()` is one that does
/// nothing.
pub trait LoadObserver: Send + Sync {
    /// A module is ready.
    fn loaded(&self, record: &LoadRecord<'_>) {
        let _ = record;
    }

    /// The loader's last handle of a module was dropped.
    fn unloaded(&self, record: &UnloadRecord) {
        let _ = record;
    }

    /// Something is not as it should be, and went on all the same.
    fn warn(&self, warning: &Warning) {
        let _ = warning;
    }
}

impl LoadObserver for () {}

/// Where a module came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// Bytes in memory, which Wasmtime copied.
    Bytes,
    /// A store, by way of bytes.
    Store,
    /// A pack, in place.
    Pack,
    /// A pack, by way of a copy: another module of the same image lives, the artifact was compiled with
    /// `Config::guest_debug`, or it has no code. Native backtraces end at its frames.
    PackCopy,
}

impl Origin {
    /// Its name in logs.
    pub const fn name(self) -> &'static str {
        match self {
            Origin::Bytes => "bytes",
            Origin::Store => "store",
            Origin::Pack => "pack",
            Origin::PackCopy => "pack-copy",
        }
    }
}

/// What one load cost.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct LoadRecord<'a> {
    /// What the module was asked for by, where that is a name.
    pub name: Option<&'a str>,
    /// Where it came from.
    pub origin: Origin,
    /// What the artifact holds, as it was loaded.
    pub contents: Contents,
    /// Whether an identical artifact was loaded already, so that nothing was done but to hand out
    /// another handle.
    pub is_shared: bool,
    /// Registrations with the process's unwinder: one a module under libgcc, one an FDE under LLVM's
    /// libunwind. `None` where the unwinder is not known.
    pub registrations: Option<u64>,
    /// Mappings of memory that the module takes, as Wasmtime makes them (wasmtime 48
    /// `runtime/code_memory.rs`); neighbours may merge. None in a pack.
    pub mappings: u64,
    /// Reading, comparing with seals, compiling where the store had to, applying the policy, and
    /// looking for an identical artifact.
    pub prepare: Duration,
    /// Wasmtime's share: from bytes to a module.
    pub deserialize: Duration,
}

/// What one unload cost.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct UnloadRecord {
    /// What the artifact held, as it was loaded.
    pub contents: Contents,
    /// From the drop of the last handle until its turn came.
    pub waited: Duration,
    /// Dropping the module. Where clones of it live elsewhere, this was not the end of it.
    pub took: Duration,
}

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
    /// Modules with unwind tables are loaded under an unwinder that searches all of them. Given once
    /// for each loader, when it begins to be felt.
    #[error(
        "unwind tables are kept under {family}: with the {modules} modules now loaded, unloading one takes up to {steps_to_unload_one} steps, unloading all up to {steps_to_unload_all}, and each frame of a native unwind up to {steps_per_frame} (`UnwindPolicy::Strip` takes none; native backtraces then end at the first wasm frame)"
    )]
    TablesKept {
        /// How the unwinder keeps what is registered.
        family: Family,
        /// Modules with tables that this loader has loaded.
        modules: u64,
        /// Records that the unwinder looks at to deregister one of them, where it comes last.
        steps_to_unload_one: u64,
        /// The same for all of them.
        steps_to_unload_all: u64,
        /// Records that it looks at for each frame of a panic or native backtrace.
        steps_per_frame: u64,
    },
}
