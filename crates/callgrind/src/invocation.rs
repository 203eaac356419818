//! How valgrind is started for a run, and which valgrind there is.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::{Path, PathBuf};

/// The oldest valgrind this was tried with. Older ones may do: what is asked of them is older.
pub const OLDEST_VALGRIND: Version = Version { major: 3, minor: 19, patch: 0 };

/// The name that callgrind is given for its files: it makes an empty file of that name, and appends
/// the number of a dump for each of the others.
pub(crate) const BASE: &str = "out";

/// valgrind, asked to run the runner under callgrind.
///
/// Pure: says what to start, and starts nothing. The request is given to the runner's standard input
/// as without valgrind, its answer comes from its standard output, and afterwards
/// [`profiles`](crate::profiles) reads the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The runner. Its path is one of its arguments: as a longer path moves its stack, runs that are
    /// to be compared use one path.
    pub runner: PathBuf,
    /// An empty folder of this run's own, for what callgrind writes.
    pub folder: PathBuf,
    /// How the threads of the runner are counted.
    pub threads: Threads,
}

/// How callgrind counts the threads of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// A dump is of the thread that asks for it, so that threads can be in different phases.
    Apart,
    /// A dump is of all threads together.
    Together,
}

impl Invocation {
    /// valgrind's arguments, the runner's path the last.
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

    /// The whole environment of valgrind and the runner, but for what names another unwinder: what
    /// else is there would change addresses and may change counts.
    pub fn environment() -> &'static [(&'static str, &'static str)] {
        // Without its fast bins, glibc's malloc does not put off merging what was freed until a
        // large request comes: dropping a module costs the same whenever it is dropped (glibc
        // manual, "Memory Allocation Tunables").
        &[("GLIBC_TUNABLES", "glibc.malloc.mxfast=0")]
    }
}

/// valgrind's arguments for a program of the user's, which stand before the program's own: everything that
/// the program does from its start on is counted, and so is every program that it starts.
/// [`programs`](crate::programs) reads the folder afterwards.
///
/// With `pipes`, each process can be asked for a dump by `vgdb --vgdb-prefix=PIPES --pid=PROCESS dump`.
pub fn command_options(folder: &Path, pipes: Option<&Path>) -> Vec<OsString> {
    let mut options: Vec<OsString> = COMMAND_OPTIONS.iter().map(OsString::from).collect();
    match pipes {
        Some(pipes) => {
            options.extend(["--vgdb=yes".into(), placed("--vgdb-prefix=", pipes)]);
        }
        None => options.push("--vgdb=no".into()),
    }
    // One base name per process.
    options.push(out_file(folder, "%p"));
    options
}

/// An option with a path in which a % stands for itself; valgrind takes it for the beginning of a
/// placeholder.
fn placed(option: &str, path: &Path) -> OsString {
    let path = path.as_os_str().to_owned();
    let escaped = path.into_string().map(|path| OsString::from(path.replace('%', "%%")));
    let mut option = OsString::from(option);
    option.push(escaped.unwrap_or_else(|path| path));
    option
}

/// The option that names callgrind's files: in `folder`, with `suffix`, in which a % begins a
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
    // A process that is forked goes on counting from what its parent had counted. With a dump just
    // before, it begins at nothing, and no instruction is counted twice.
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
    // Only what goes wrong, on standard error.
    "--quiet",
    // No pipes for a debugger in the folder for temporary files.
    "--vgdb=no",
    // The runner begins to count at its first step: nothing before it gets into the first dump.
    "--instr-atstart=no",
    // Instructions alone; caches would be a guess, and take longer.
    "--cache-sim=no",
    "--branch-sim=no",
    // Names of files behind inlined instructions come with the line numbers.
    "--dump-line=yes",
    "--dump-instr=no",
    // With their hashes, instances of one generic function stay apart and do not seem to recurse.
    "--demangle=no",
    "--separate-recs=1",
    // Would otherwise be this shell's limit.
    "--main-stacksize=8388608",
];

/// valgrind's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The first number.
    pub major: u32,
    /// The second.
    pub minor: u32,
    /// The third.
    pub patch: u32,
}

impl Version {
    /// Reads what `valgrind --version` prints: `valgrind-3.19.0`, or `valgrind-3.20.0.GIT`.
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

/// The first `valgrind` in the folders of a search path, such as the environment's `PATH`; none
/// where it is not installed.
pub fn find_valgrind(search_path: &OsStr) -> Option<PathBuf> {
    let folders = std::env::split_paths(search_path).filter(|folder| folder.is_absolute());
    folders.map(|folder| folder.join("valgrind")).find(|path| is_executable(path))
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;

    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

/// valgrind runs on Unix alone.
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
        assert_eq!(find_valgrind(&path), None, "nobody may execute it");
        let may = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, may).expect("as above");
        assert_eq!(find_valgrind(&path), Some(program));
    }
}
