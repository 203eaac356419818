//! The functions behind a growth: found by callgrind where valgrind is installed, and what is said where
//! it is not.

#![cfg(target_os = "linux")]
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{Project, Said, TINY};

/// Dropping the oldest first, which libgcc up to 12 makes quadratic; judged by callgrind alone.
const OLDEST_FIRST: &str = r#"format = 2
question = "Does dropping the oldest module first stay linear in N?"
expectation = "Quadratic under libgcc up to 12."
load_order = "unload-oldest-first"
artifact = { functions = 4 }
count_with = ["callgrind"]
judge = ["unload/unwind-tables-deregistered"]
observe = ["load/task-clock"]
repetitions = 1
sizes = [8, 16, 32, 64, 128]
"#;

fn has_valgrind() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let has = std::env::split_paths(&path).any(|folder| folder.join("valgrind").is_file());
    if !has {
        loadline_testing::skip!("there is no valgrind in PATH");
    }
    has
}

/// The runner that Cargo has built next to this test, where it has.
fn built_runner() -> Option<PathBuf> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent()?;
    let runner = target.join("debug/loadline-runner");
    runner.is_file().then_some(runner)
}

#[test]
fn without_valgrind_one_line_says_what_is_lost() {
    let project = Project::new();
    project.run(&["list"]);
    let Some(runner) = built_runner() else {
        return loadline_testing::skip!("the runner was built elsewhere");
    };
    let scenario = TINY.replace("count_with = []", "count_with = [\"callgrind\"]");
    project.write("xtask/scenarios/tiny.toml", scenario);
    let message = serde_json::json!({
        "reason": "compiler-artifact",
        "target": { "name": "loadline-runner" },
        "executable": runner,
    });
    project.script("cargo", &format!("#!/bin/sh\nprintf '%s\\n' '{message}'\n"));
    let mut command = project.xtask(&["regress", "-v"]);
    command.env("CARGO", project.path("cargo")).env("PATH", project.root());
    let said = project.said(command.output().unwrap());
    assert_eq!(said.code, Some(0), "{}", said.refusal());
    let lines: Vec<&str> = said.stdout.lines().filter(|line| line.contains("valgrind")).collect();
    let first = lines.first().copied().unwrap_or_default();
    assert!(
        first.starts_with("not counted: callgrind-instructions: there is no valgrind"),
        "{first}"
    );
    assert!(first.contains("apt-get install valgrind"), "{first}");
    assert!(said.stdout.contains("load/unwind-tables-registered"), "{}", said.stdout);
}

fn session(project: &Project) -> PathBuf {
    let sessions = fs::read_dir(project.path("target/regress")).unwrap();
    sessions.map(|entry| entry.unwrap().path()).max().unwrap()
}

#[test]
fn a_scenario_is_explained_from_what_was_saved() {
    if !has_valgrind() {
        return;
    }
    let project = Project::empty();
    let scenario = OLDEST_FIRST
        .replace("sizes =", "callgrind_sizes = [1, 2, 4, 8, 16]\nsizes =")
        .replace("count_with = [\"callgrind\"]", "count_with = [\"count\", \"callgrind\"]");
    project.write("xtask/scenarios/oldest.toml", scenario);
    let said = project.run(&["explain", "oldest"]);
    assert_eq!(said.code, Some(0), "{}", said.refusal());
    for expected in [
        "\nload: ",
        "\nunload: ",
        "function",
        "per module",
        "the next module to load, in a run of 128",
    ] {
        assert!(said.stdout.contains(expected), "no {expected:?} in {}", said.stdout);
    }
    let words = said.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("load/mappings-made 1.00·N"), "{}", said.stdout);
    let saved = session(&project);
    let again = project.run(&["explain", "--session", saved.to_str().unwrap()]);
    let body = |said: &Said| said.stdout.lines().filter(|l| !l.starts_with("samples")).count();
    assert_eq!(body(&again), body(&said), "{}", again.refusal());

    let refused = project.run(&["explain"]);
    assert_eq!(refused.code, Some(2), "{}", refused.refusal());
    let other = project.run(&["explain", "--session", saved.to_str().unwrap(), "another"]);
    assert_eq!(other.code, Some(7), "{}", other.refusal());
    // A profile that is gone or damaged is no growth, and no panic.
    let profile = fs::read_dir(saved.join("profiles")).unwrap().next().unwrap().unwrap().path();
    fs::write(profile, "{").unwrap();
    let torn = project.run(&["explain", "--session", saved.to_str().unwrap()]);
    assert!(torn.stdout.contains("costs by function: not measured"), "{}", torn.refusal());
}

fn culprit<'a>(said: &'a Said, place: &str) -> Option<&'a str> {
    said.stdout.lines().find(|line| line.trim_start().starts_with(place))
}

/// The growth is a fifth of unloading, and less of the total; its coefficient is exact each time.
#[test]
#[ignore = "slow: dozens of runs under valgrind"]
fn libgccs_search_is_named_with_its_coefficient() {
    if !has_valgrind() {
        return;
    }
    let project = Project::empty();
    project.write("xtask/scenarios/oldest.toml", OLDEST_FIRST);
    for repetition in 0..3 {
        let said = project.run(&["regress", "-v", "--budget", "0"]);
        if !said.stdout.contains("libgcc-list") {
            return loadline_testing::skip!("the unwinder is not libgcc up to 12");
        }
        let line = culprit(&said, "oldest unload: __deregister_frame_info_bases");
        let line = line.unwrap_or_else(|| panic!("repetition {repetition}: {}", said.refusal()));
        assert!(line.contains("  4.00·N² + 33.0·N instructions"), "{line}");
        assert!(line.contains("hidden in the total until N ≈ "), "{line}");
        assert!(line.ends_with("REGRESSED"), "{line}");
        assert!(said.stdout.contains("libgcc up to 12 keeps registered tables in a list"));
        assert_eq!(said.code, Some(3), "{}", said.refusal());
        // Metrics of which the same is to be said stand in one line.
        let seen = |line: &str| {
            line.strip_prefix("self-check: ").is_some_and(|line| {
                line.contains("callgrind-instructions")
                    && line.ends_with(": found the known growth of 20 %")
            })
        };
        assert!(said.stdout.lines().any(seen), "{}", said.stdout);
    }
    let stripped = project.run(&["regress", "-v", "--budget", "0", "--set", "tables=strip"]);
    assert_eq!(culprit(&stripped, "oldest:tables=strip unload: "), None, "{}", stripped.refusal());
}

#[test]
#[ignore = "slow: dozens of runs under valgrind"]
fn llvms_scan_is_named_with_its_remedy() {
    let libraries = ["14", "15", "16", "17", "18", "19"]
        .map(|version| PathBuf::from(format!("/usr/lib/llvm-{version}/lib/libunwind.so.1")));
    let Some(library) = libraries.iter().find(|library| library.is_file()) else {
        return loadline_testing::skip!("LLVM's libunwind is not installed");
    };
    if !has_valgrind() {
        return;
    }
    let project = Project::empty();
    project.write("xtask/scenarios/oldest.toml", OLDEST_FIRST);
    let said =
        project.run(&["regress", "-v", "--budget", "0", "--unwinder", library.to_str().unwrap()]);
    let line = culprit(&said, "oldest unload: ").unwrap_or_else(|| panic!("{}", said.refusal()));
    assert!(line.contains("remove_dynamic_fde") || line.contains("DwarfFDECache"), "{line}");
    assert!(said.stdout.contains("scans the whole of it"), "{}", said.stdout);
    assert!(said.stdout.contains("native_unwind_info(false)"), "{}", said.stdout);
    assert_eq!(said.code, Some(3), "{}", said.refusal());
}
