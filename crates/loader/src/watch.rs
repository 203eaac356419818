//! Observes the loads and unloads of a whole process: [`LoadObserver`].

use std::path::PathBuf;
use std::time::Duration;

use crate::artifact::contents::Contents;
use crate::store::key::StoreKey;
use crate::unwinder::Family;

/// Is notified of loads, unloads and warnings, on the thread where they happen.
///
/// This crate itself prints and logs nothing. It holds no lock while it calls an observer, so an observer may
/// load, unload and use stores. `()` is an observer that does nothing.
pub trait LoadObserver: Send + Sync {
    /// Called when a module is loaded.
    fn loaded(&self, record: &LoadRecord<'_>) {
        let _ = record;
    }

    /// Called when a module is unloaded, after its last handle was dropped.
    fn unloaded(&self, record: &UnloadRecord) {
        let _ = record;
    }

    /// Called when a store has compiled an artifact.
    fn compiled(&self, record: &CompileRecord) {
        let _ = record;
    }

    /// Called when something was removed to make room.
    fn evicted(&self, eviction: &Eviction) {
        let _ = eviction;
    }

    /// Called when something went wrong but did not fail.
    fn warn(&self, warning: &Warning) {
        let _ = warning;
    }
}

impl LoadObserver for () {}

/// The source of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// Bytes in memory, which Wasmtime copied.
    Bytes,
    /// A store. Wasmtime copied the bytes.
    Store,
    /// A pack, in place.
    Pack,
    /// A pack, but copied. The reason is that another module of the same image is alive, that the artifact
    /// was compiled with `Config::guest_debug`, or that it has no code. Native backtraces end at its frames.
    PackCopy,
}

impl Origin {
    /// Returns the name of the source for logs.
    pub const fn name(self) -> &'static str {
        match self {
            Origin::Bytes => "bytes",
            Origin::Store => "store",
            Origin::Pack => "pack",
            Origin::PackCopy => "pack-copy",
        }
    }
}

/// The cost of one load.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct LoadRecord<'a> {
    /// The name by which the module was loaded, if it has one.
    pub name: Option<&'a str>,
    /// The number of the module in this process. All load records of the module and its unload record have
    /// this number.
    pub number: u64,
    /// The source of the module.
    pub origin: Origin,
    /// The contents of the artifact, as it was loaded.
    pub contents: Contents,
    /// Whether an identical artifact was loaded already, so that the loader only returned another handle.
    pub is_shared: bool,
    /// The number of registrations with the unwinder of the process: one per module under libgcc, one per FDE
    /// under LLVM's libunwind. `None` if the unwinder is unknown.
    pub registrations: Option<u64>,
    /// The number of memory mappings that the module takes, as Wasmtime makes them (wasmtime 48
    /// `runtime/code_memory.rs`). The kernel may merge neighbouring mappings. The number is 0 for a module in
    /// a pack.
    pub mappings: u64,
    /// The time for reading, comparing with seals, compiling if the store had to, applying the policy, and
    /// looking for an identical artifact.
    pub prepare: Duration,
    /// The time that Wasmtime took to turn bytes into a module.
    pub deserialize: Duration,
}

/// The cost of one unload.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct UnloadRecord {
    /// The number of the module in this process, as in its load records.
    pub number: u64,
    /// The contents of the artifact, as it was loaded.
    pub contents: Contents,
    /// The time from the drop of the last handle until the unload began.
    pub waited: Duration,
    /// The time to drop the module. If clones of the module exist elsewhere, it is not freed yet.
    pub took: Duration,
}

/// The cost of one compilation.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct CompileRecord {
    /// The key of the artifact in the store.
    pub key: StoreKey,
    /// The contents of the artifact.
    pub contents: Contents,
    /// The time that Wasmtime took to compile.
    pub took: Duration,
}

/// Something that was removed to make room.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Eviction {
    /// A store removed an entry, because its limit was exceeded.
    Entry {
        /// The key of the entry.
        key: StoreKey,
        /// The length of the entry in bytes.
        bytes: u64,
    },
    /// A loader no longer keeps a module, because its budget was exceeded or a load would not have fit. The
    /// unload record of the module follows.
    Module {
        /// The number of the module, as in its load records.
        number: u64,
        /// The length of the artifact in bytes.
        bytes: u64,
    },
}

/// A problem that an embedder should know although nothing failed. Its `Display` is a sentence for a log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Warning {
    /// An entry of a store was damaged, and the store moved it out of the way.
    #[error("set {} aside as {}: {reason}", entry.display(), to.display())]
    SetAside {
        /// The old path of the entry.
        entry: PathBuf,
        /// The new path of the entry.
        to: PathBuf,
        /// The problem with the entry.
        reason: String,
    },
    /// An artifact was compiled but could not be stored. It is used nevertheless, and is compiled again next
    /// time.
    #[error("cannot keep a compiled artifact: {reason}")]
    NotStored {
        /// The error.
        reason: String,
    },
    /// Modules with unwind tables are loaded under an unwinder that searches all of them. Each loader warns
    /// once, when the cost becomes noticeable.
    #[error(
        "unwind tables are kept under {family}: with the {modules} modules now loaded, unloading one takes up to {steps_to_unload_one} steps, unloading all up to {steps_to_unload_all}, and each frame of a native unwind up to {steps_per_frame} (`UnwindPolicy::Strip` takes none; native backtraces then end at the first wasm frame)"
    )]
    TablesKept {
        /// How the unwinder keeps registered tables.
        family: Family,
        /// The number of modules with tables that this loader has loaded.
        modules: u64,
        /// The number of records that the unwinder visits to deregister one module in the worst order.
        steps_to_unload_one: u64,
        /// The number of records that the unwinder visits to deregister all modules.
        steps_to_unload_all: u64,
        /// The number of records that the unwinder visits per frame of a panic or native backtrace.
        steps_per_frame: u64,
    },
}
