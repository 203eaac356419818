//! `regress --against`, for real: a clone of this repository gets a commit that makes loading
//! dearer, and is judged against the commit before it.
//!
//! Slow, since every try builds both runners (Wasmtime is not compiled again) and measures for
//! half a minute: `cargo test --package xtask --test against -- --ignored --nocapture`.
//! `LOADLINE_TRIES` sets how often each is tried, 1 by default.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// The largest N of the scenario that is measured.
const TOP: &str = "2048";

/// A clone of this repository, with a commit on top.
struct Clone {
    folder: TempDir,
}

impl Clone {
    fn new() -> Clone {
        let folder = TempDir::new().unwrap();
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let clone = Clone { folder };
        let (from, to) = (workspace.display().to_string(), clone.sources());
        let said = Command::new("git").args(["clone", "--quiet", &from]).arg(to).status();
        assert!(said.unwrap().success());
        clone
    }

    fn sources(&self) -> PathBuf {
        self.folder.path().join("clone")
    }

    fn git(&self, arguments: &[&str]) {
        let identity = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org"];
        let mut git = Command::new("git");
        let git = git.args(identity).args(arguments).current_dir(self.sources());
        assert!(git.status().unwrap().success(), "git {arguments:?}");
    }

    /// Commits a runner that spends, at each load, `dearer` times what a load has cost so far.
    fn make_loads_dearer(&self, dearer: &str) {
        let path = self.sources().join("crates/runner/src/measure.rs");
        let text = std::fs::read_to_string(&path).unwrap();
        let step = "    fn step(&mut self, event: Event) {\n";
        let call = "        if event.phase == Phase::Deserialize { dearer(event.progress, &self.totals(Phase::Load)); }\n";
        assert_eq!(text.matches(step).count(), 1);
        let text = text.replace(step, &format!("{step}{call}"));
        std::fs::write(&path, text + &DEARER.replace("FACTOR", dearer)).unwrap();
        self.git(&["commit", "--quiet", "--all", "--message", "runner: dearer loads"]);
    }

    fn xtask(&self, arguments: &[&str]) -> Command {
        let mut xtask = Command::new(env!("CARGO_BIN_EXE_loadline"));
        xtask.args(["regress", "--sources"]).arg(self.sources()).args(arguments);
        xtask
    }

    /// The exit code and the report of `regress` over the last commit.
    fn regress(&self, arguments: &[&str]) -> (Option<i32>, String) {
        said(&mut self.xtask(arguments))
    }

    /// The same of what is refused before anything is measured, which no other session on this
    /// machine delays.
    fn refused(&self, arguments: &[&str]) -> (Option<i32>, String) {
        said(self.xtask(arguments).env("TMPDIR", self.folder.path()))
    }
}

fn said(xtask: &mut Command) -> (Option<i32>, String) {
    let output = xtask.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), said + &String::from_utf8_lossy(&output.stderr))
}

/// `FACTOR` is by how much the load number `n` is dearer than one is on average, by the counter that
/// the report is about; the processor's clock says when that much has been spent.
const DEARER: &str = "
#[allow(unsafe_code)]
fn cpu_ns() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec that lives through the call.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn dearer(n: usize, load: &Totals) {
    use std::cell::Cell;
    thread_local! { static SPENT: Cell<f64> = const { Cell::new(0.0) }; }
    let (begun, n) = (cpu_ns(), n as f64);
    let clock = load.iter().find(|(metric, _)| *metric == Metric::TaskClock);
    let so_far = clock.and_then(|(_, reading)| reading.value()).unwrap_or(0.0);
    let mean = (so_far - SPENT.get()) / (n - 1.0).max(1.0);
    while cpu_ns() - begun < mean * (FACTOR) {
        std::hint::spin_loop();
    }
    SPENT.set(SPENT.get() + cpu_ns() - begun);
}
";

/// With n/2 times the cost of a load over N, n = 1 … N, a fifth of the cost at N grows with N².
fn quadratic_share_of_a_fifth() -> String {
    format!("n / 2.0 / {TOP}.0")
}

fn tries() -> usize {
    std::env::var("LOADLINE_TRIES").map_or(1, |tries| tries.parse().unwrap())
}

/// The row of the series that is made dearer.
fn row(report: &str) -> &str {
    report.lines().find(|line| line.contains("load/task-clock")).unwrap_or("")
}

#[test]
#[ignore = "slow: builds runners"]
fn a_quadratic_share_of_a_fifth_is_found() {
    let clone = Clone::new();
    clone.make_loads_dearer(&quadratic_share_of_a_fifth());
    let (mut found, mut undecided) = (0, 0);
    for _ in 0..tries() {
        let (code, report) = clone.regress(&["load-bytes", "--against", "HEAD~1"]);
        println!("{code:?} {}", row(&report));
        found += usize::from(code == Some(3) && row(&report).contains("REGRESSED"));
        undecided += usize::from(code == Some(0) && row(&report).contains("inconclusive"));
        assert!(!row(&report).contains("holds"), "{report}");
        assert!(matches!(code, Some(0 | 3 | 6)), "{report}");
    }
    println!("found {found}, inconclusive {undecided} of {}", tries());
}

#[test]
#[ignore = "slow: builds runners"]
fn loads_that_all_cost_a_third_more_do_not_grow() {
    let clone = Clone::new();
    // The rest of 30 % is what looking at the counter costs.
    clone.make_loads_dearer("0.22");
    for _ in 0..tries() {
        let (code, report) = clone.regress(&["load-bytes", "--against", "HEAD~1"]);
        let change = report.lines().find(|line| line.contains("at every N"));
        println!("{code:?} {} {}", row(&report), change.unwrap_or("no change"));
        assert_eq!(code, Some(0), "{report}");
        assert!(change.is_some(), "{report}");
    }
}

#[test]
#[ignore = "slow: builds runners"]
fn what_does_not_build_is_skipped_by_a_bisection() {
    let clone = Clone::new();
    let path = clone.sources().join("crates/runner/src/main.rs");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, format!("{text}\nfn broken() {{ 1 }}\n")).unwrap();
    clone.git(&["commit", "--quiet", "--all", "--message", "runner: broken"]);
    std::fs::write(&path, text).unwrap();
    let (code, said) = clone.regress(&["load-bytes", "--against", "HEAD", "--bisect"]);
    assert_eq!(code, Some(125), "{said}");
    assert!(said.contains("cannot build the runner of HEAD ("), "{said}");
    assert!(said.contains("mismatched types"), "{said}");
}

#[test]
fn a_revision_that_is_not_there_is_a_usage_error() {
    let clone = Clone::new();
    for (bisect, expected) in [(None, 2), (Some("--bisect"), 128)] {
        let mut arguments = vec!["load-bytes", "--against", "gone"];
        arguments.extend(bisect);
        let (code, said) = clone.refused(&arguments);
        assert_eq!(code, Some(expected), "{said}");
        assert!(said.contains("there is no such revision"), "{said}");
    }
}

/// The other build does not outlive the program, and parts are judged against baselines.
#[test]
fn a_session_of_two_builds_is_neither_taken_up_nor_divided() {
    let clone = Clone::new();
    for other in [["--against", "HEAD"], ["--against-wasmtime", "48.0.8"]] {
        for with in [["--resume"].as_slice(), &["--shard", "1/2"]] {
            let (code, said) = clone.refused(&[&other[..], with].concat());
            assert_eq!(code, Some(2), "{said}");
            assert!(said.contains("cannot be used with"), "{said}");
        }
    }
}

#[test]
fn an_odd_wasmtime_is_a_usage_error() {
    let clone = Clone::new();
    for odd in ["latest", "48", "48.0", "48.0.x", "path:.", "path:/gone", "git:main", "git:"] {
        let (code, said) = clone.refused(&["load-bytes", "--against-wasmtime", odd]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("cannot use --against-wasmtime"), "{said}");
    }
}
