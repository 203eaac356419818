//! The errors of preparing and driving a workload.

use std::io;
use std::path::PathBuf;

use loadline_loader::wasmtime;
use loadline_scenario::Phase;

use crate::drive::observer::Role;

/// An error while preparing or driving a workload.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The loader could not compile, read, write or load an artifact.
    #[error(transparent)]
    Loader(#[from] loadline_loader::Error),
    /// The corpus could not be opened. Every artifact that needs it reports the same text.
    #[error("{0}")]
    Corpus(String),
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
    /// The artifacts were not prepared, or were deleted since.
    #[error("{found} of {wanted} artifacts are prepared in {} (was it deleted during the session?)", folder.display())]
    NotPrepared {
        /// The folder of the corpus.
        folder: PathBuf,
        /// The number of artifacts that are there.
        found: usize,
        /// The number of requested artifacts.
        wanted: usize,
    },
    /// A corpus of the user's own files names no file.
    #[error("the corpus has no files")]
    EmptyCorpus,
    /// An artifact in a file has unwind tables that should be hidden. A mapped file cannot be changed.
    #[error(
        "unwind tables cannot be hidden in a file while it is mapped (apply the policy and save the artifact first, or load from bytes)"
    )]
    TablesInFile,
    /// Loading from a file was requested, but the artifact is in memory only.
    #[error("there is no file to map: the artifact is in memory only")]
    NotInFile,
    /// This system does not support packs.
    #[error("this system does not support packs (use load_from = \"bytes\")")]
    #[cfg(not(unix))]
    NoPacks,
    /// Native unwinding through a pack was requested, but is not possible in this process.
    #[error("cannot keep native unwinding through a pack: {reason} (use tables = \"strip\")")]
    #[cfg(unix)]
    TablesNotKept {
        /// The missing condition.
        reason: loadline_loader::native_unwind::Unavailable,
    },
    /// A pack could not be closed, because modules in it were not released.
    #[error("{modules} modules are still live in their pack after the last one was dropped")]
    #[cfg(unix)]
    StillPacked {
        /// The number of modules that were not released.
        modules: usize,
    },
    /// Wasmtime rejected the configuration.
    #[error("cannot create an engine")]
    Engine {
        /// Wasmtime's error.
        source: wasmtime::Error,
    },
    /// A loaded module could not be instantiated.
    #[error("cannot instantiate")]
    Instantiate {
        /// Wasmtime's error.
        source: wasmtime::Error,
    },
    /// The exported function is missing, has another type, or trapped.
    #[error("export {export:?} did not return")]
    Call {
        /// The name of the function.
        export: String,
        /// Wasmtime's error.
        source: wasmtime::Error,
    },
    /// The call returned the result of another module.
    #[error(
        "{export}({argument}) returned {found} instead of {expected}: this is not the right module"
    )]
    WrongResult {
        /// The name of the function.
        export: String,
        /// The argument of the call.
        argument: i32,
        /// The result of the right module.
        expected: i32,
        /// The result of the module that was called.
        found: i32,
    },
    /// The native unwinder did not see a single frame.
    #[error("the native unwinder saw no frame")]
    NoFrames,
    /// The native unwinder stopped early in a module whose tables are registered.
    #[error("the native unwinder saw {found} frames, but there are more than {least}")]
    FewFrames {
        /// The number of frames that it saw.
        found: usize,
        /// The number of frames of the wasm functions alone.
        least: usize,
    },
    /// A call that had to trap did something else.
    #[error("the call should trap, but did not")]
    NoTrap,
    /// A panic that had to be caught did not happen.
    #[error("the panic that should be caught did not happen")]
    NoPanic,
    /// A module that had to call the host imports nothing, or is a component.
    #[error("the module imports no host function")]
    NoHostFunction,
    /// A step failed on one module.
    #[error("cannot {phase} module {index}{}", name.as_deref().map(|n| format!(" ({n})")).unwrap_or_default())]
    Module {
        /// The phase that the step belongs to.
        phase: Phase,
        /// The index of the module.
        index: usize,
        /// The file of the module, if it has one.
        name: Option<String>,
        /// The reason.
        source: Box<Error>,
    },
    /// The schedule loads a module twice, drops a module that is not loaded, or names a module that does not
    /// exist.
    #[error("the schedule is wrong about module {index}: {problem}")]
    Schedule {
        /// The index of the module.
        index: usize,
        /// The problem.
        problem: &'static str,
    },
    /// A thread could not be started.
    #[error("cannot start the {role} thread")]
    Spawn {
        /// The role of the thread.
        role: Role,
        /// The error of the operating system.
        source: io::Error,
    },
    /// A thread panicked. The panic's message went to standard error.
    #[error("the {role} thread panicked: {message}")]
    Panicked {
        /// The role of the thread.
        role: Role,
        /// The message of the panic.
        message: String,
    },
}
