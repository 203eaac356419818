//! What can go wrong between a file and a loaded module, and where it went wrong.

use std::io;
use std::path::PathBuf;

use crate::headroom::resource::Resource;

/// An artifact that could not be made, trusted or loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be opened or read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Of the file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file could not be written, synced or renamed.
    #[error("cannot write {}", path.display())]
    Write {
        /// Of the file, not of the temporary one beside it.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Something is wrong with what a file holds.
    #[error("cannot use {}", path.display())]
    File {
        /// Of the file.
        path: PathBuf,
        /// What is wrong.
        source: Box<Error>,
    },
    /// The bytes carry no header of a precompiled module or component.
    #[error("not an artifact: the bytes do not begin as a precompiled module or component does")]
    NotAnArtifact,
    /// The header is an artifact's, but the sections behind it do not hold together.
    #[error("malformed artifact: its ELF sections cannot be read")]
    Sections {
        /// Which structure is broken.
        source: object::read::Error,
    },
    /// The header is an artifact's, but its unwind tables do not hold together.
    #[error("malformed artifact: its unwind tables cannot be read")]
    Tables {
        /// Which record is broken.
        source: gimli::Error,
    },
    /// Unwind tables more than two gigabytes from the code they describe.
    #[error("unwind tables too far from the code they describe")]
    FarFrames,
    /// The file is longer or shorter than the artifact that was written to it.
    #[error("cut off or overwritten: {expected} bytes were recorded, {found} are there")]
    Length {
        /// Bytes recorded.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// The bytes are not the ones whose digest was recorded.
    #[error("altered since it was compiled: digest {expected} was recorded, {found} is there")]
    Altered {
        /// The digest recorded.
        expected: String,
        /// The digest of the bytes found.
        found: String,
    },
    /// A file or folder that somebody else could have written to, or read where it is secret.
    #[error("{} {problem} (only files that belong to this user are trusted: change owner and mode, or see the options)", path.display())]
    Exposed {
        /// Of the file or folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The file does not begin as an entry of a store does.
    #[error("not an entry of a store, or one that was cut off")]
    NotAnEntry,
    /// A store's entry or a pack that a program with another release of Wasmtime wrote.
    #[error(
        "it was written with Wasmtime {found}, and this program has {expected}: machine code serves one release only, patches included (build it again)"
    )]
    OtherRelease {
        /// The version of Wasmtime that is written in the file.
        found: String,
        /// The version of Wasmtime in this program.
        expected: &'static str,
    },
    /// A load, or opening a pack, would take more than the process is allowed, or than is to be left for other things.
    #[error(
        "{needed} more {resource} would be needed: {used} of {limit} are taken, and {reserve} are kept for the rest of the program ({})", resource.remedy()
    )]
    Headroom {
        /// Of what there is too little.
        resource: Resource,
        /// How much the process may have.
        limit: u64,
        /// How much it has.
        used: u64,
        /// How much the load would take.
        needed: u64,
        /// How much is left untouched.
        reserve: u64,
    },
    /// The caller wanted no further loads.
    #[error("cancelled before it began")]
    Cancelled,
    /// The file is no pack, or one that cannot be used here.
    #[error("not a pack: {problem}")]
    NotAPack {
        /// How that was seen.
        problem: &'static str,
    },
    /// Something is wrong with an artifact's name, or with the artifact of that name.
    #[error("the name {name:?} is {problem}")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// The pack holds no artifact of that name.
    #[error("{} has no artifact {name:?}", path.display())]
    NoSuchEntry {
        /// The name.
        name: String,
        /// Of the pack.
        path: PathBuf,
    },
    /// Something is wrong with one artifact in a pack.
    #[error("cannot use {name:?} in {}", path.display())]
    Entry {
        /// Of the artifact.
        name: String,
        /// Of the pack.
        path: PathBuf,
        /// What is wrong.
        source: Box<Error>,
    },
    /// One image can be one module at a time.
    #[error("{name:?} is loaded already: one image is one module (clone the module instead)")]
    Loaded {
        /// Of the artifact.
        name: String,
    },
    /// The engine cannot execute code where a pack has it.
    #[error("the engine does not load from packs (call `pack::configure` before `Engine::new`)")]
    NotConfigured {
        /// Wasmtime's own words.
        source: wasmtime::Error,
    },
    /// Memory for a pack could not be had.
    #[error("cannot map {bytes} bytes for {}", path.display())]
    Map {
        /// Of the pack.
        path: PathBuf,
        /// How many.
        bytes: usize,
        /// What the operating system said.
        source: io::Error,
    },
    /// Machine code from elsewhere, where wasm was expected.
    #[error(
        "already compiled: machine code cannot be checked, someone must vouch for it (give the .wasm, or use a constructor that is `unsafe`)"
    )]
    Precompiled,
    /// Tables were to be absent, and are there.
    #[error(
        "the artifact has unwind tables for {fdes} functions (compile it with `native_unwind_info(false)`, or let the policy strip them)"
    )]
    TablesPresent {
        /// Frame description entries in it.
        fdes: usize,
    },
    /// The text format could not be parsed.
    #[cfg(feature = "compile")]
    #[error("cannot parse WebAssembly text")]
    Text {
        /// With line and column.
        source: wat::Error,
    },
    /// Wasmtime could not compile the wasm.
    #[error("cannot compile to machine code")]
    Compile {
        /// Wasmtime's own words.
        source: wasmtime::Error,
    },
    /// Wasmtime refused the artifact: another version, another target, or damaged.
    #[error("refused by Wasmtime")]
    Deserialize {
        /// Wasmtime's own words.
        source: wasmtime::Error,
    },
}

impl Error {
    /// Says in which file it was.
    pub(crate) fn in_file(self, path: impl Into<PathBuf>) -> Error {
        Error::File { path: path.into(), source: Box::new(self) }
    }
}

/// An error and its causes, outermost first, as one line.
pub(crate) fn told(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |error| error.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
