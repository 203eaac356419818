//! Sessions under several unwinders, with real child processes.
//!
//! Only exact counts are judged here, so each session has one right outcome.

#![cfg(target_os = "linux")]
use std::path::Path;

use crate::common::{Project, Said, TINY};

/// Whether a library that `llvm` means is here.
fn has_llvm() -> bool {
    let found =
        (10..40).any(|n| Path::new(&format!("/usr/lib/llvm-{n}/lib/libunwind.so.1")).exists());
    if !found {
        loadline_testing::skip!("LLVM's libunwind is not installed");
    }
    found
}

/// The line of a table that begins with these words.
fn line<'a>(said: &'a Said, words: &[&str]) -> &'a str {
    let is_it = |line: &&str| {
        words.iter().eq(line.split_whitespace().take(words.len()).collect::<Vec<_>>().iter())
    };
    let found = said.stdout.lines().rfind(is_it);
    found.unwrap_or_else(|| panic!("no line {words:?} in {}{}", said.stdout, said.stderr))
}

/// Two sessions of real processes: one under the machine's unwinder, one under LLVM's.
#[test]
#[ignore = "slow: three sessions"]
fn unwinders_stand_side_by_side_and_a_scenario_has_the_one_it_names() {
    if !has_llvm() {
        return;
    }
    let project = Project::new();
    let own = TINY.replace("count_with = []", "count_with = []\nunwinder = \"llvm\"");
    project.write("xtask/scenarios/own.toml", own);
    let gone =
        TINY.replace("count_with = []", "count_with = []\nunwinder = \"/nowhere/libunwind.so.1\"");
    project.write("xtask/scenarios/gone.toml", gone);

    let said = project.run(&[
        "regress",
        "-v",
        "--budget",
        "0",
        "--unwinder",
        "host",
        "--unwinder",
        "llvm",
    ]);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    let left_out = "gone: left out: cannot use unwinder /nowhere/libunwind.so.1";
    assert!(said.stdout.contains(left_out), "{}", said.stdout);
    let header = line(&said, &["tiny"]);
    assert!(header.contains("libgcc-") && header.contains("llvm "), "{header}");
    let registered = "load/unwind-tables-registered";
    let of_own = said.stdout.split("\n own ").last().unwrap();
    let of_own = of_own.lines().find(|line| line.contains(registered)).unwrap();
    assert!(of_own.contains("not measured"), "{of_own}");
    assert!(said.stdout.matches("samples: ").count() == 2, "{}", said.stdout);

    // In a session of the machine's own unwinder as well.
    let said = project.run(&["regress", "-v", "own", "--budget", "0"]);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains(", llvm "), "{}", said.stdout);
    assert!(!line(&said, &["own", registered]).contains("not measured"));
}

#[test]
fn an_unwinder_that_is_not_here_is_refused_before_anything_is_measured() {
    let project = Project::new();
    let gone =
        TINY.replace("count_with = []", "count_with = []\nunwinder = \"/nowhere/libunwind.so.1\"");
    project.write("xtask/scenarios/gone.toml", gone);
    for asked in [
        &["regress", "-v", "gone"][..],
        &["regress", "-v", "--unwinder", "host", "--unwinder", "/nowhere/libunwind.so.1"],
        &["explain", "gone"],
        &["baseline", "gone", "--reason", "first capture"],
    ] {
        let said = project.run(asked);
        assert_eq!(said.code, Some(2), "{asked:?}: {}", said.refusal());
        assert!(said.stderr.contains("cannot use unwinder /nowhere"), "{}", said.refusal());
        assert!(!project.path("target/regress").exists(), "{asked:?} has measured");
    }
}
