//! The errors of loading, with the file or artifact that failed.

use std::io;
use std::path::PathBuf;

use crate::headroom::resource::Resource;

/// An error while making, trusting or loading an artifact.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be opened or read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A file could not be written, synced or renamed.
    #[error("cannot write {}", path.display())]
    Write {
        /// The path of the file, not of the temporary file next to it.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The contents of a file cannot be used.
    #[error("cannot use {}", path.display())]
    File {
        /// The path of the file.
        path: PathBuf,
        /// The error in the contents.
        source: Box<Error>,
    },
    /// The bytes have no header of a precompiled module or component.
    #[error("not an artifact: the bytes do not begin as a precompiled module or component does")]
    NotAnArtifact,
    /// The header is that of an artifact, but its sections cannot be read.
    #[error("malformed artifact: its ELF sections cannot be read")]
    Sections {
        /// The error that names the broken structure.
        source: object::read::Error,
    },
    /// The header is that of an artifact, but its unwind tables cannot be read.
    #[error("malformed artifact: its unwind tables cannot be read")]
    Tables {
        /// The error that names the broken record.
        source: gimli::Error,
    },
    /// The unwind tables are more than two gigabytes away from the code that they describe.
    #[error("the unwind tables are too far from the code they describe")]
    FarFrames,
    /// The file is longer or shorter than the artifact that was written to it.
    #[error("truncated or overwritten: expected {expected} bytes, found {found}")]
    Length {
        /// The recorded length in bytes.
        expected: usize,
        /// The actual length in bytes.
        found: usize,
    },
    /// The digest of the bytes differs from the recorded digest.
    #[error("altered since it was compiled: expected digest {expected}, found {found}")]
    Altered {
        /// The recorded digest.
        expected: String,
        /// The digest of the actual bytes.
        found: String,
    },
    /// Another user could have written to a file or folder, or could have read a secret file.
    #[error("{} {problem} (only files of this user or root are trusted; change owner and mode, or see the options)", path.display())]
    Exposed {
        /// The path of the file or folder.
        path: PathBuf,
        /// The problem with its owner or mode.
        problem: String,
    },
    /// The file does not begin like an entry of a store.
    #[error("not an entry of a store, or a truncated entry")]
    NotAnEntry,
    /// The store was opened without a key, so its seals prove nothing outside its folder.
    #[error(
        "the store has no key, and anyone can make seals without one (open it with `StoreOptions::key`)"
    )]
    NoKey,
    /// A program with another release of Wasmtime wrote this store entry or pack.
    #[error(
        "written with Wasmtime {found}, but this program uses {expected}: machine code works with one release only, including the patch number (build it again)"
    )]
    OtherRelease {
        /// The version of Wasmtime that is saved in the file.
        found: String,
        /// The version of Wasmtime in this program.
        expected: &'static str,
    },
    /// Loading, or opening a pack, would need more of a resource than the process may use without touching
    /// the reserve.
    #[error(
        "{needed} more {resource} are needed, but {used} of {limit} are in use, and {reserve} are reserved for the rest of the program ({})", resource.remedy()
    )]
    Headroom {
        /// The resource that is too small.
        resource: Resource,
        /// The limit of the resource.
        limit: u64,
        /// The amount that is in use.
        used: u64,
        /// The amount that the load would need.
        needed: u64,
        /// The amount that the loader keeps free.
        reserve: u64,
    },
    /// The caller stopped the loads before this one began.
    #[error("cancelled before it began")]
    Cancelled,
    /// The file is not a pack, or this process cannot use it.
    #[error("not a pack: {problem}")]
    NotAPack {
        /// The reason.
        problem: &'static str,
    },
    /// An artifact's name, or the artifact of that name, cannot be used.
    #[error("the name {name:?} is {problem}")]
    Name {
        /// The name.
        name: String,
        /// The problem with it.
        problem: &'static str,
    },
    /// The pack was closed.
    #[error("the pack {} is closed (open it again)", path.display())]
    Closed {
        /// The path of the pack.
        path: PathBuf,
    },
    /// The pack has no artifact of that name.
    #[error("{} has no artifact {name:?}", path.display())]
    NoSuchEntry {
        /// The name.
        name: String,
        /// The path of the pack.
        path: PathBuf,
    },
    /// One artifact in a pack cannot be used.
    #[error("cannot use {name:?} in {}", path.display())]
    Entry {
        /// The name of the artifact.
        name: String,
        /// The path of the pack.
        path: PathBuf,
        /// The error in the artifact.
        source: Box<Error>,
    },
    /// The image is already loaded, and one image can only be one module at a time.
    #[error(
        "{name:?} is loaded already: one image can only be one module (clone the module instead)"
    )]
    Loaded {
        /// The name of the artifact.
        name: String,
    },
    /// The engine cannot execute code directly from a pack.
    #[error("the engine does not load from packs (call `pack::configure` before `Engine::new`)")]
    NotConfigured {
        /// The error of Wasmtime.
        source: wasmtime::Error,
    },
    /// Memory for a pack cannot be mapped.
    #[error("cannot map {bytes} bytes for {}", path.display())]
    Map {
        /// The path of the pack.
        path: PathBuf,
        /// The number of bytes.
        bytes: usize,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The input is machine code, but wasm was expected.
    #[error(
        "already compiled: machine code cannot be checked (give the .wasm, or guarantee the bytes with an `unsafe` constructor)"
    )]
    Precompiled,
    /// The artifact has unwind tables, but the policy requires that there are none.
    #[error(
        "the artifact has unwind tables for {fdes} functions (compile it with `native_unwind_info(false)`, or use `UnwindPolicy::Strip`)"
    )]
    TablesPresent {
        /// The number of frame description entries in the artifact.
        fdes: usize,
    },
    /// The WebAssembly text cannot be parsed.
    #[cfg(feature = "compile")]
    #[error("cannot parse WebAssembly text")]
    Text {
        /// The error of the parser, with line and column.
        source: wat::Error,
    },
    /// Wasmtime could not compile the wasm.
    #[error("cannot compile to machine code")]
    Compile {
        /// The error of Wasmtime.
        source: wasmtime::Error,
    },
    /// Wasmtime rejected the artifact: it is for another version or another target, or damaged.
    #[error("refused by Wasmtime")]
    Deserialize {
        /// The error of Wasmtime.
        source: wasmtime::Error,
    },
}

impl Error {
    /// Adds the path of the file to the error.
    pub(crate) fn in_file(self, path: impl Into<PathBuf>) -> Error {
        Error::File { path: path.into(), source: Box::new(self) }
    }
}

/// Formats an error and its causes, outermost first, as one line.
pub(crate) fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
