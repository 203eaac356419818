//! What can go wrong in a run.

use std::io;
use std::path::{Path, PathBuf};

use loadline_scenario::Limit;

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The workload could not be prepared or driven.
    #[error(transparent)]
    Workload(#[from] loadline_workload::Error),
    /// The loader could not load an artifact.
    #[error(transparent)]
    Loader(#[from] loadline_workload::loader::Error),
    /// A file of the user's or of the cache.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The cache does not take a file.
    #[error("cannot write {}: {source} (artifacts need room under target/)", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A command that cannot be started.
    #[error(
        "cannot start {program:?}: {source} (a name is looked for in the PATH of the scenario's environment, a path with / from its directory)"
    )]
    Start {
        /// The program, as the scenario names it.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// A command that was to be run by `Collector::Count`.
    #[error(
        "cannot count the operations of a command, only those of modules that the runner loads itself (let it count its own, by a line loadline:metric=NAME:VALUE:UNIT)"
    )]
    CommandCounted,
    /// A command that cannot be waited for.
    #[error("cannot wait for the command: {source}")]
    Wait {
        /// Why not.
        source: io::Error,
    },
    /// A command that did not do as it should.
    #[error("the command {problem}{stderr}")]
    Command {
        /// What it did, or did not.
        problem: String,
        /// The end of what it said about it.
        stderr: String,
    },
    /// A run that callgrind should count, and nobody does.
    #[error(
        "cannot count instructions: this process does not run under callgrind (start it by valgrind --tool=callgrind)"
    )]
    NotUnderCallgrind,
    /// A command that callgrind should count.
    #[error(
        "cannot count the instructions of a command: callgrind counts the runner's own work alone (measure it by the clock)"
    )]
    CommandUnderCallgrind,
    /// How much of a limited thing is in use.
    #[error("cannot count the {limit} of this process here")]
    LimitUnknown {
        /// Of what.
        limit: Limit,
    },
    /// A limit that could not be lowered.
    #[error("cannot lower the limit of {limit} to {wanted}: {source}")]
    LimitNotLowered {
        /// Of what.
        limit: Limit,
        /// To what.
        wanted: u64,
        /// What the system said.
        source: io::Error,
    },
    /// A limit that is further away than was thought.
    #[error("{modules} modules were loaded and the limit of {limit} was not met")]
    LimitNotMet {
        /// Of what.
        limit: Limit,
        /// How many were loaded.
        modules: usize,
    },
    /// A profiler that writes where it is not expected to.
    #[error("Wasmtime wrote its perf map elsewhere than to {}, as release 48 does", link.display())]
    PerfMapElsewhere {
        /// Where it was expected to open a file.
        link: PathBuf,
    },
    /// A thread that did not do the steps of its schedule.
    #[error(
        "the instructions counted cannot be told apart by phase: a thread did other steps than its schedule has"
    )]
    Unforeseen,
    /// The functions whose unwind tables are to be registered.
    #[error("cannot make unwind tables: {0}")]
    Tables(String),
    /// Tables cannot be registered with an unwinder that nobody knows.
    #[error(
        "cannot register unwind tables: the unwinder of this process is neither libgcc's nor LLVM's (on Linux with glibc it can be told)"
    )]
    UnknownUnwinder,
    /// LLVM's libunwind of a release that takes no whole tables.
    #[error(
        "cannot register whole tables: this LLVM libunwind takes single entries only (write calls = \"entry\", or use a newer one)"
    )]
    EntriesOnly,
    /// Tables that the unwinder does not find anything in.
    #[error("the unwinder does not find a function whose table it was given")]
    TableNotFound,
    /// Tables that it still finds something in.
    #[error("the unwinder still finds a function whose table was taken back")]
    TableLeft,
    /// The memory for planted work, or the addresses that tables describe.
    #[error("cannot map {bytes} bytes: {source}")]
    Map {
        /// How much.
        bytes: usize,
        /// Why not.
        source: io::Error,
    },
}

impl Error {
    /// A file that cannot be read.
    pub fn read(path: impl AsRef<Path>, source: io::Error) -> Error {
        Error::Read { path: path.as_ref().to_owned(), source }
    }
}

/// An error with everything that led to it.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let reason = error.to_string();
        if !text.contains(&reason) {
            text.push_str(": ");
            text.push_str(&reason);
        }
        source = error.source();
    }
    text
}
