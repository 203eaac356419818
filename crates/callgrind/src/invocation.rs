//! Says how to start valgrind for a run, and finds the installed valgrind.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

/// The oldest valgrind that was tried. Older versions may work, since all options used here are older.
pub const OLDEST_VALGRIND: Version = Version { major: 3, minor: 19, patch: 0 };

/// The name that callgrind gets for its files. It makes an empty file of this name. For each dump it makes a
/// file of this name with the dump's number appended.
pub(crate) const BASE: &str = "out";

/// The command that runs the runner under valgrind's callgrind.
///
/// This type starts nothing. The request goes to the runner's standard input and the answer comes from its
/// standard output, as without valgrind. Afterwards [`profiles`](crate::profiles) reads the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The runner. Its path is one of its arguments, and a longer path moves its stack. So runs that are
    /// compared must use the same path.
    pub runner: PathBuf,
    /// An empty folder of this run's own, into which callgrind writes.
    pub folder: PathBuf,
    /// How the threads of the runner are counted.
    pub threads: Threads,
}

/// How callgrind counts the threads of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// Each thread is counted separately, so that threads can be in different phases. A dump covers the
    /// thread that asks for it.
    Apart,
    /// A dump covers all threads together.
    Together,
}

impl Invocation {
    /// The arguments for valgrind. The runner's path is the last one.
    pub fn arguments(&self) -> Vec<OsString> {
        let file = out_file(&self.folder, "");
        let mut arguments: Vec<OsString> = OPTIONS.iter().map(OsString::from).collect();
        let threads = match self.threads {
            Threads::Apart => "--separate-threads=yes",
            Threads::Together => "--separate-threads=no",
        };
        arguments.extend([threads.into(), file, self.runner.clone().into_os_string()]);
        arguments
    }

    /// The whole environment of valgrind and the runner, except the variable that names another unwinder.
    /// Further variables would change addresses and might change counts.
    pub fn environment() -> &'static [(&'static str, &'static str)] {
        // Without its fast bins, glibc's malloc does not delay merging freed blocks until a large request. So
        // dropping a module costs the same at any time (glibc manual, "Memory Allocation Tunables").
        &[("GLIBC_TUNABLES", "glibc.malloc.mxfast=0")]
    }
}

/// valgrind's arguments for a user's program, to be followed by the program's own. callgrind counts
/// everything that the program does from its start on, and every program that it starts. Afterwards
/// [`programs`](crate::programs) reads the folder.
///
/// With `pipes`, `vgdb --vgdb-prefix=PIPES --pid=PROCESS dump` makes a process write a dump.
pub fn command_options(folder: &Path, pipes: Option<&Path>) -> Vec<OsString> {
    let mut options: Vec<OsString> = COMMAND_OPTIONS.iter().map(OsString::from).collect();
    match pipes {
        Some(pipes) => {
            options.extend(["--vgdb=yes".into(), placed("--vgdb-prefix=", pipes)]);
        }
        None => options.push("--vgdb=no".into()),
    }
    // Each process has its own base name.
    options.push(out_file(folder, "%p"));
    options
}

/// An option with a path. Each % in the path is escaped, since valgrind would read it as the start of a
/// placeholder.
fn placed(option: &str, path: &Path) -> OsString {
    let path = path.as_os_str().to_owned();
    let escaped = path.into_string().map(|path| OsString::from(path.replace('%', "%%")));
    let mut option = OsString::from(option);
    option.push(escaped.unwrap_or_else(|path| path));
    option
}

/// The option that names callgrind's files in `folder`, with `suffix` appended. A % in `suffix` starts a
/// placeholder.
fn out_file(folder: &Path, suffix: &str) -> OsString {
    let mut file = placed("--callgrind-out-file=", &folder.join(BASE));
    if !suffix.is_empty() {
        file.push(".");
        file.push(suffix);
    }
    file
}

const COMMAND_OPTIONS: &[&str] = &[
    "--tool=callgrind",
    "--quiet",
    "--trace-children=yes",
    "--separate-threads=no",
    // A forked process goes on counting from its parent's counts. A dump just before the fork makes the child
    // start at zero, so no instruction is counted twice.
    "--dump-before=fork",
    "--cache-sim=no",
    "--branch-sim=no",
    "--dump-line=yes",
    "--dump-instr=no",
    "--demangle=no",
    "--separate-recs=1",
    "--main-stacksize=8388608",
];

const OPTIONS: &[&str] = &[
    "--tool=callgrind",
    // Print only errors, to standard error.
    "--quiet",
    // Make no pipes for a debugger in the folder for temporary files.
    "--vgdb=no",
    // The runner starts counting at its first step, so nothing before that step gets into the first dump.
    "--instr-atstart=no",
    // Count only instructions. Caches would be a simulation and take longer.
    "--cache-sim=no",
    "--branch-sim=no",
    // The file names of inlined instructions come with the line numbers.
    "--dump-line=yes",
    "--dump-instr=no",
    // Mangled names contain hashes, so instances of one generic function stay separate and do not seem to
    // recurse.
    "--demangle=no",
    "--separate-recs=1",
    // The default would be the stack limit of this shell.
    "--main-stacksize=8388608",
];

/// valgrind's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The first number of the version.
    pub major: u32,
    /// The second number of the version.
    pub minor: u32,
    /// The third number of the version.
    pub patch: u32,
}

impl Version {
    /// Reads the output of `valgrind --version`: `valgrind-3.19.0`, or `valgrind-3.20.0.GIT`.
    pub fn parse(text: &str) -> Option<Version> {
        let text = text.trim().strip_prefix("valgrind-")?;
        let mut numbers = text.split(|c: char| !c.is_ascii_digit()).map(str::parse);
        let mut next = || numbers.next()?.ok();
        let (major, minor) = (next()?, next()?);
        Some(Version { major, minor, patch: next().unwrap_or(0) })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The first `valgrind` in the folders of a search path, such as the environment's `PATH`. `None` if it is
/// not installed.
pub fn find_valgrind(search_path: &OsStr) -> Option<PathBuf> {
    let folders = std::env::split_paths(search_path).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join("valgrind")).find(|path| is_executable(path))
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;

    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// valgrind exists only on Unix.
#[cfg(not(unix))]
fn is_executable(_path: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_and_compared() {
        let version = |text| Version::parse(text).map(|version| version.to_string());
        assert_eq!(version("valgrind-3.19.0\n").as_deref(), Some("3.19.0"));
        assert_eq!(version("valgrind-3.20.0.GIT").as_deref(), Some("3.20.0"));
        assert_eq!(version("valgrind-3.9").as_deref(), Some("3.9.0"));
        for wrong in ["", "3.19.0", "valgrind-", "valgrind-three", "valgrind-99999999999.1"] {
            assert_eq!(version(wrong), None, "{wrong:?}");
        }
        assert!(Version::parse("valgrind-3.9.0") < Some(OLDEST_VALGRIND));
        assert!(Version::parse("valgrind-3.19.0") >= Some(OLDEST_VALGRIND));
    }

    #[test]
    fn the_runner_comes_last_and_a_percent_sign_is_one() {
        let (runner, folder) = (PathBuf::from("/b/runner"), PathBuf::from("/a 100%/x"));
        let invocation = Invocation { runner, folder, threads: Threads::Together };
        let arguments = invocation.arguments();
        assert_eq!(arguments.last(), Some(&OsString::from("/b/runner")));
        assert!(arguments.contains(&OsString::from("--callgrind-out-file=/a 100%%/x/out")));
        assert!(arguments.contains(&OsString::from("--separate-threads=no")));
        let options = command_options(&invocation.folder, None);
        assert_eq!(options.last(), Some(&OsString::from("--callgrind-out-file=/a 100%%/x/out.%p")));
    }

    #[cfg(unix)]
    #[test]
    fn valgrind_is_looked_for_along_the_path() {
        let folder = tempfile::tempdir().expect("there is room for a folder");
        let (first, second) = (folder.path().join("first"), folder.path().join("second"));
        std::fs::create_dir_all(first.join("valgrind")).expect("as above");
        std::fs::create_dir_all(&second).expect("as above");
        let path = std::env::join_paths([&first, &second]).expect("without colons");
        assert_eq!(find_valgrind(&path), None);
        let program = second.join("valgrind");
        std::fs::write(&program, "").expect("as above");
        assert_eq!(find_valgrind(&path), None, "no user may execute it");
        let may = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, may).expect("as above");
        assert_eq!(find_valgrind(&path), Some(program));
    }
}
