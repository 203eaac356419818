//! What `regress --against` refuses, and what it says of a revision that does not build. What it finds
//! is shown by `regressing.rs`.

use std::process::Command;

use crate::common::clone::Clone;

/// `regress` over the sources of `clone`.
fn xtask(clone: &Clone, arguments: &[&str]) -> Command {
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_loadline"));
    xtask.args(["regress", "--sources"]).arg(clone.sources()).args(arguments);
    xtask
}

/// The exit code and the messages where something is refused before anything is measured, which no
/// other session on this machine delays.
fn refused(clone: &Clone, arguments: &[&str]) -> (Option<i32>, String) {
    said(xtask(clone, arguments).env("TMPDIR", clone.path("")))
}

fn said(xtask: &mut Command) -> (Option<i32>, String) {
    let output = xtask.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    (output.status.code(), said + &String::from_utf8_lossy(&output.stderr))
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
    let (code, said) = said(&mut xtask(&clone, &["load-bytes", "--against", "HEAD", "--bisect"]));
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
        let (code, said) = refused(&clone, &arguments);
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
            let (code, said) = refused(&clone, &[&other[..], with].concat());
            assert_eq!(code, Some(2), "{said}");
            assert!(said.contains("cannot be used with"), "{said}");
        }
    }
}

#[test]
fn an_odd_wasmtime_is_a_usage_error() {
    let clone = Clone::new();
    for odd in ["latest", "48", "48.0", "48.0.x", "path:.", "path:/gone", "git:main", "git:"] {
        let (code, said) = refused(&clone, &["load-bytes", "--against-wasmtime", odd]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("cannot use --against-wasmtime"), "{said}");
    }
}
