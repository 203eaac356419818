//! The errors of a run.

use std::io;
use std::path::{Path, PathBuf};

use loadline_scenario::Limit;

/// The reason why a request failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The workload could not be prepared or driven.
    #[error(transparent)]
    Workload(#[from] loadline_workload::Error),
    /// The loader could not load an artifact.
    #[error(transparent)]
    Loader(#[from] loadline_workload::loader::Error),
    /// A file of the user or of the cache could not be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A file of the cache could not be written.
    #[error("cannot write {}: {source} (artifacts need room under target/)", path.display())]
    Write {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A command could not be started.
    #[error(
        "cannot start {program:?}: {source} (a name is searched in the PATH of the scenario's environment, a path with / is relative to its directory)"
    )]
    Start {
        /// The program, as the scenario names it.
        program: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// `Collector::Count` was requested for a command.
    #[error(
        "cannot count the operations of a command, only those of modules that the runner loads itself (let the command count them itself and print loadline:metric=NAME:VALUE:UNIT)"
    )]
    CommandCounted,
    /// The runner could not wait for a command.
    #[error("cannot wait for the command: {source}")]
    Wait {
        /// The error of the operating system.
        source: io::Error,
    },
    /// A command failed, or its output was wrong.
    #[error("the command {problem}{stderr}")]
    Command {
        /// The problem.
        problem: String,
        /// The end of its standard error.
        stderr: String,
    },
    /// Callgrind should count the run, but this process does not run under callgrind.
    #[error(
        "cannot count instructions: this process does not run under callgrind (start it by valgrind --tool=callgrind)"
    )]
    NotUnderCallgrind,
    /// Callgrind was requested for a command.
    #[error(
        "cannot count the instructions of a command: callgrind counts only the runner's own work (measure the command by the clock)"
    )]
    CommandUnderCallgrind,
    /// The current use of a limited resource is unknown.
    #[error("cannot count the {limit} of this process here")]
    LimitUnknown {
        /// The limited resource.
        limit: Limit,
    },
    /// A limit could not be lowered.
    #[error("cannot lower the limit of {limit} to {wanted}: {source}")]
    LimitNotLowered {
        /// The limited resource.
        limit: Limit,
        /// The requested limit.
        wanted: u64,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The limit was not reached.
    #[error("{modules} modules were loaded and the limit of {limit} was not met")]
    LimitNotMet {
        /// The limited resource.
        limit: Limit,
        /// The number of modules that were loaded.
        modules: usize,
    },
    /// Wasmtime's profiler wrote its file to another path.
    #[error("Wasmtime did not write its perf map to {}, where release 48 writes it", link.display())]
    PerfMapElsewhere {
        /// The expected path.
        link: PathBuf,
    },
    /// A thread did not follow its schedule.
    #[error(
        "cannot assign the counted instructions to phases: a thread did not follow its schedule"
    )]
    Unforeseen,
    /// Unwind tables could not be made. The text is the reason.
    #[error("cannot make unwind tables: {0}")]
    Tables(String),
    /// Tables cannot be registered with an unknown unwinder.
    #[error(
        "cannot register unwind tables: the unwinder of this process is neither libgcc's nor LLVM's (it can be detected on Linux with glibc)"
    )]
    UnknownUnwinder,
    /// This release of LLVM's libunwind does not take whole tables.
    #[error(
        "cannot register whole tables: this LLVM libunwind takes single entries only (write calls = \"entry\", or use a newer libunwind)"
    )]
    EntriesOnly,
    /// The unwinder does not find the function of a registered table.
    #[error("the unwinder does not find a function whose table was registered")]
    TableNotFound,
    /// The unwinder still finds the function of a deregistered table.
    #[error("the unwinder still finds a function whose table was deregistered")]
    TableLeft,
    /// Memory for a self-check, or for the addresses that tables describe, could not be mapped.
    #[error("cannot map {bytes} bytes: {source}")]
    Map {
        /// The number of bytes.
        bytes: usize,
        /// The error of the operating system.
        source: io::Error,
    },
}

impl Error {
    /// Creates the error for a file that cannot be read.
    pub fn read(path: impl AsRef<Path>, source: io::Error) -> Error {
        Error::Read { path: path.as_ref().to_owned(), source }
    }
}

/// Formats an error with all its causes.
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
