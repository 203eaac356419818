//! Instructions counted by valgrind's callgrind: the same test runs once more, under valgrind, in a
//! process of its own, and asks callgrind for a dump after each call of the closure.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, File};
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{env, io, process, thread};

use loadline_callgrind::{
    Invocation, OLDEST_VALGRIND, Profile, Threads, Version, client, find_valgrind, profiles,
};

use crate::count::counted::{COUNTS, Counted, Function};
use crate::count::test::Test;

/// Tells a process which process has started it to count, and which call of its test is meant:
/// `PID:ORDINAL`.
const ORDER: &str = "LOADLINE_HARNESS_COUNT";

/// How long the second run of the test may take.
const TIME_LIMIT: Duration = Duration::from_secs(60);
/// After this time no call is counted a second time.
const PATIENCE: Duration = Duration::from_secs(15);
/// Larger sizes than one that takes this long are not warmed up: it would save them nothing.
const LONG_CALL: Duration = Duration::from_millis(500);

/// What this process is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// It runs tests.
    Tests,
    /// It counts the call with this ordinal.
    Counts {
        /// How many calls the test makes before.
        ordinal: usize,
    },
    /// It was started by a process that counts, so it must not start valgrind once more.
    BelowCounts,
}

impl Role {
    pub(crate) fn of_this_process() -> Role {
        Role::of(env::var(ORDER).ok().as_deref(), parent(), client::is_callgrind)
    }

    fn of(order: Option<&str>, parent: u32, is_callgrind: impl Fn() -> bool) -> Role {
        let Some(order) = order else { return Role::Tests };
        let (orderer, ordinal) = order.split_once(':').unwrap_or_default();
        match (orderer.parse(), ordinal.parse()) {
            (Ok(orderer), Ok(ordinal)) if parent == orderer && is_callgrind() => {
                Role::Counts { ordinal }
            }
            _ => Role::BelowCounts,
        }
    }
}

#[cfg(unix)]
fn parent() -> u32 {
    std::os::unix::process::parent_id()
}

#[cfg(not(unix))]
fn parent() -> u32 {
    0
}

/// Makes callgrind count calls of `work`, under the name `N.REPETITION`: all sizes once, then all of them
/// again. Work that takes long is repeated less often.
pub(crate) fn count_here<R>(sizes: &[usize], work: &mut impl FnMut(usize) -> R) {
    let start = Instant::now();
    let mut last = Duration::ZERO;
    client::start_instrumentation();
    for repetition in 0..COUNTS {
        for &n in sizes {
            if repetition == 0 && last < LONG_CALL {
                drop(work(n));
            }
            if repetition > 0 && start.elapsed() > PATIENCE {
                continue;
            }
            let name = CString::new(name(n, repetition)).expect("digits and a dot");
            let begun = Instant::now();
            client::zero();
            let value = black_box(work(black_box(n)));
            client::dump(&name);
            last = begun.elapsed();
            drop(value);
        }
    }
    client::stop_instrumentation();
}

fn name(n: usize, repetition: usize) -> String {
    format!("{n}.{repetition}")
}

/// Runs `test` under callgrind, and returns what [`count_here`] has counted there.
///
/// # Errors
/// When valgrind is missing or too old, cannot run this program, or does not finish in time.
pub(crate) fn count(test: &Test, sizes: &[usize]) -> Result<(Counted, Version), String> {
    if client::is_running() {
        return Err("this process itself runs under valgrind".to_owned());
    }
    let search_path = env::var_os("PATH").unwrap_or_default();
    let valgrind = find_valgrind(&search_path).ok_or("valgrind is not installed")?;
    let version = usable_version(&valgrind)?;
    let program = env::current_exe().map_err(|error| error.to_string())?;
    if !program.exists() {
        return Err(format!("{} was replaced or deleted while it ran", program.display()));
    }
    let folder = Folder::new().map_err(|error| format!("no room for its files: {error}"))?;
    let status = run(&valgrind, program, test, &folder)?;
    let profiles = profiles(&folder.counts()).map_err(|error| {
        let said = folder.said();
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        format!("the test run under valgrind ended with {status}, {error}; its last output: {last}")
    })?;
    smallest(profiles, sizes).map(|counted| (counted, version))
}

fn usable_version(valgrind: &Path) -> Result<Version, String> {
    let output = Command::new(valgrind).arg("--version").stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("cannot start {}: {error}", valgrind.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    match Version::parse(&text) {
        Some(version) if version >= OLDEST_VALGRIND => Ok(version),
        Some(version) => Err(format!("valgrind {version} is older than {OLDEST_VALGRIND}")),
        None => Err(format!("{} does not print its version", valgrind.display())),
    }
}

fn run(
    valgrind: &Path,
    program: PathBuf,
    test: &Test,
    folder: &Folder,
) -> Result<ExitStatus, String> {
    let failed = |error: io::Error| format!("cannot run valgrind: {error}");
    let invocation =
        Invocation { runner: program, folder: folder.counts(), threads: Threads::Together };
    let said = File::create(folder.path.join("said")).map_err(failed)?;
    let mut command = Command::new(valgrind);
    command.args(invocation.arguments()).args(&test.arguments);
    command.env(ORDER, format!("{}:{}", process::id(), test.ordinal));
    for (name, value) in Invocation::environment() {
        if env::var_os(name).is_none() {
            command.env(name, value);
        }
    }
    command.stdin(Stdio::null()).stdout(said.try_clone().map_err(failed)?).stderr(said);
    let mut child = command.spawn().map_err(failed)?;
    wait(&mut child, TIME_LIMIT)
}

/// Waits until `child` has ended, or ends it after `limit`.
fn wait(child: &mut Child, limit: Duration) -> Result<ExitStatus, String> {
    let failed = |error: io::Error| format!("cannot wait for valgrind: {error}");
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            return Ok(status);
        }
        if start.elapsed() > limit {
            child.kill().and_then(|()| child.wait()).map_err(failed)?;
            return Err(format!("counting took longer than {} s", limit.as_secs()));
        }
        thread::sleep(Duration::from_millis(5));
    }
}

/// Of each size the dump with the fewest instructions.
fn smallest(mut profiles: BTreeMap<String, Profile>, sizes: &[usize]) -> Result<Counted, String> {
    let mut counts = Vec::new();
    let mut functions: BTreeMap<loadline_callgrind::Function, Vec<u64>> = BTreeMap::new();
    let mut last = Profile::default();
    for (i, &n) in sizes.iter().enumerate() {
        let of_size = (0..COUNTS).filter_map(|repetition| profiles.remove(&name(n, repetition)));
        last = of_size
            .min_by_key(Profile::instructions)
            .ok_or_else(|| format!("the test run ended before it had counted N = {n}"))?;
        counts.push(last.instructions().unwrap_or(0));
        for cost in last.costs(0) {
            let row = functions.entry(cost.function.clone()).or_default();
            row.resize(sizes.len(), 0);
            row[i] = cost.own;
        }
    }
    let function = |(of, counts): (loadline_callgrind::Function, Vec<u64>)| Function {
        called_for: called_for(&last, &of),
        name: of.name,
        counts,
    };
    Ok(Counted { counts, functions: functions.into_iter().map(function).collect() })
}

/// The nearest caller outside of the standard library and of C, for a function that is part of these.
fn called_for(profile: &Profile, function: &loadline_callgrind::Function) -> Option<String> {
    if is_program(&function.name) {
        return None;
    }
    let path = profile.path_to(function, 0);
    let caller = path.iter().rev().find(|caller| is_program(&caller.function.name))?;
    Some(caller.function.name.clone())
}

/// Whether a function is Rust outside of the standard library: its path begins with another crate.
fn is_program(function: &str) -> bool {
    let path = function.trim_start_matches(['<', '&', '[']);
    let Some((first, _)) = path.split_once("::") else { return false };
    let is_name = first.chars().all(|c| c.is_alphanumeric() || c == '_');
    is_name && !["core", "alloc", "std", "hashbrown"].contains(&first)
}

/// A folder for the files of one run, removed with its owner.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn new() -> io::Result<Folder> {
        let name = |number: u32| format!("loadline-harness-{}-{number}", process::id());
        let mut number = 0;
        loop {
            let path = env::temp_dir().join(name(number));
            match fs::create_dir(&path) {
                Ok(()) => {
                    let folder = Folder { path };
                    fs::create_dir(folder.counts())?;
                    return Ok(folder);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    fn counts(&self) -> PathBuf {
        self.path.join("counts")
    }

    /// What the test has printed.
    fn said(&self) -> String {
        let said = fs::read(self.path.join("said")).unwrap_or_default();
        String::from_utf8_lossy(&said).into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.path);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use loadline_callgrind::Parts;

    use super::*;

    #[test]
    fn only_the_process_that_was_asked_counts() {
        let role = |order, parent| Role::of(order, parent, || true);
        assert_eq!(role(None, 7), Role::Tests);
        assert_eq!(role(Some("7:2"), 7), Role::Counts { ordinal: 2 });
        // Started by a process that counts, or by valgrind in another process.
        assert_eq!(role(Some("7:2"), 8), Role::BelowCounts);
        assert_eq!(role(Some("nonsense"), 7), Role::BelowCounts);
        assert_eq!(Role::of(Some("7:2"), 7, || false), Role::BelowCounts);
    }

    fn profile(own: u64) -> Profile {
        let text =
            format!("events: Ir\nob=x\nfn=main\n0 5\nfn=find\n0 {own}\ntotals: {}\n", own + 5);
        Parts::of(text.as_bytes()).next().unwrap().unwrap().profile
    }

    #[test]
    fn the_smallest_dump_is_taken() {
        let dumps = [("8.0", 30), ("8.1", 10), ("8.2", 20), ("16.0", 25), ("16.1", 26)];
        let dumps: BTreeMap<String, Profile> =
            dumps.into_iter().map(|(name, own)| (name.to_owned(), profile(own))).collect();
        let counted = smallest(dumps.clone(), &[8, 16]).unwrap();
        assert_eq!(counted.counts, [15, 30]);
        let function = |name: &str, counts: [u64; 2]| Function {
            name: name.to_owned(),
            counts: counts.to_vec(),
            called_for: None,
        };
        assert_eq!(counted.functions, [function("find", [10, 25]), function("main", [5, 5])]);
        assert!(
            smallest(dumps, &[8, 16, 32]).unwrap_err().contains("before it had counted N = 32")
        );
    }

    #[test]
    fn a_function_of_the_library_is_named_with_its_caller() {
        let text = "\
events: Ir
ob=x
fn=app::find
0 5
cfn=<u64 as core::iter::Step>::forward
calls=1 0
0 90
fn=<u64 as core::iter::Step>::forward
0 80
cfn=memmove
calls=1 0
0 10
fn=memmove
0 10
totals: 95
";
        let profile = Parts::of(text.as_bytes()).next().unwrap().unwrap().profile;
        let caller =
            |name: &str| called_for(&profile, &loadline_callgrind::Function::new("x", name));
        assert_eq!(caller("memmove").as_deref(), Some("app::find"));
        assert_eq!(caller("<u64 as core::iter::Step>::forward").as_deref(), Some("app::find"));
        assert_eq!(caller("app::find"), None);
        assert!(is_program("<app::List as core::iter::Iterator>::next"));
        assert!(!is_program("<core::ops::Range<T> as app::Iterate>::next"));
    }

    #[cfg(unix)]
    #[test]
    fn a_run_that_takes_too_long_is_ended() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        let error = wait(&mut child, Duration::ZERO).unwrap_err();
        assert_eq!(error, "counting took longer than 0 s");
        assert!(!child.wait().unwrap().success());
        let mut child = Command::new("true").spawn().unwrap();
        assert!(wait(&mut child, Duration::from_secs(600)).unwrap().success());
    }

    #[test]
    fn each_run_has_a_folder_of_its_own() {
        let (one, two) = (Folder::new().unwrap(), Folder::new().unwrap());
        assert_ne!(one.path, two.path);
        let path = one.path.clone();
        assert!(path.join("counts").is_dir());
        drop(one);
        assert!(!path.exists());
    }
}
