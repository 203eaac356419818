//! Real processes: tests that count themselves under valgrind, and a program that marks its phases.

#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::env;
use std::hint::black_box;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use loadline_harness::{Scaling, assert_scaling};

/// Set in the processes of tests that only other tests start. Started by anybody else, such a test does nothing.
const STARTED: &str = "LIVE_STARTED";

fn is_started() -> bool {
    env::var_os(STARTED).is_some()
}

/// Starts one of the tests below that only other tests start, and returns what it said.
fn start(test: &str, change: impl FnOnce(&mut Command)) -> (bool, String) {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored", "--nocapture"]).env(STARTED, "1");
    command.env_remove("LOADLINE_REQUIRE_COUNTS").stdin(Stdio::null());
    change(&mut command);
    let output = command.output().unwrap();
    (output.status.success(), text(&output))
}

fn text(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

/// Whether this machine can count instructions; where it cannot, the reason is printed.
fn can_count() -> bool {
    let has_valgrind = Command::new("valgrind").arg("--version").output().is_ok();
    if !has_valgrind {
        loadline_testing::skip!("valgrind is not installed");
    }
    has_valgrind
}

#[test]
fn a_vec_is_linear() {
    assert_scaling(Scaling::Linear, 64..=4096, |n| (0..n).collect::<Vec<usize>>());
}

#[test]
fn a_hash_map_is_linear() {
    assert_scaling(Scaling::Linear, 64..=4096, |n| {
        (0..n).map(|i| (i, i)).collect::<HashMap<usize, usize>>()
    });
}

/// `n` steps of arithmetic.
#[inline(never)]
fn arithmetic(n: usize) -> u64 {
    (0..n as u64).fold(1, |sum, i| black_box(sum).wrapping_mul(31).wrapping_add(i))
}

#[inline(never)]
fn pairs(n: usize) -> u64 {
    (0..n).fold(0, |sum, _| sum ^ arithmetic(n))
}

#[test]
#[ignore = "other tests start it"]
fn linear() {
    if !is_started() {
        return;
    }
    assert_scaling(Scaling::Linear, 64..=4096, arithmetic);
}

#[test]
#[ignore = "other tests start it"]
fn quadratic() {
    if !is_started() {
        return;
    }
    assert_scaling(Scaling::Linear, 8..=256, pairs);
}

/// A fifth of the cost at the largest N is quadratic.
#[test]
#[ignore = "other tests start it"]
fn a_fifth_quadratic() {
    if !is_started() {
        return;
    }
    assert_scaling(Scaling::Linear, 64..=4096, |n| arithmetic(16 * n) ^ arithmetic(n * n / 1024));
}

#[test]
#[ignore = "other tests start it"]
fn two_calls() {
    if !is_started() {
        return;
    }
    assert_scaling(Scaling::Linear, 64..=1024, arithmetic);
    assert_scaling(Scaling::Quadratic, 8..=128, pairs);
    assert_scaling(Scaling::Linear, 8..=128, pairs);
}

/// Its work starts a counting test of its own.
#[test]
#[ignore = "other tests start it"]
fn nested() {
    if !is_started() {
        return;
    }
    let is_outer = env::var_os("NESTED").is_none();
    assert_scaling(Scaling::Linear, 1..=8, |_| {
        if is_outer && env::var_os("LOADLINE_HARNESS_COUNT").is_some() {
            let (passed, said) = start("nested", |command| {
                command.env("NESTED", "1").env("LOADLINE_REQUIRE_COUNTS", "1");
            });
            assert!(!passed, "{said}");
            assert!(said.contains("a counted test has started this process"), "{said}");
        }
    });
}

/// Panics under valgrind alone, before anything is counted.
#[test]
#[ignore = "other tests start it"]
fn refusing_valgrind() {
    if !is_started() {
        return;
    }
    assert!(env::var_os("LOADLINE_HARNESS_COUNT").is_none(), "not under valgrind");
    assert_scaling(Scaling::Linear, 64..=1024, arithmetic);
}

#[test]
fn a_small_share_fails_and_is_named() {
    if !can_count() {
        return;
    }
    let (passed, said) = start("a_fifth_quadratic", |_| ());
    assert!(!passed, "{said}");
    for text in ["20 % of the cost at N = 4,096 grows faster", "(called for live::arithmetic): "] {
        assert!(said.contains(text), "{text:?} is not in {said}");
    }
}

/// Each call counts itself, whether the tests run on threads of their own or on the main one.
#[test]
fn each_call_of_a_test_is_counted() {
    if !can_count() {
        return;
    }
    for threads in ["1", "2"] {
        let (passed, said) = start("two_calls", |command| {
            command.env("RUST_TEST_THREADS", threads);
        });
        assert!(!passed, "{said}");
        let texts =
            ["grows at most linearly", "grows at most quadratically", "for live::arithmetic)"];
        for text in texts {
            assert!(said.contains(text), "{text:?} is not in {said}");
        }
        assert_eq!(said.matches("counted by callgrind").count(), 3, "{said}");
    }
}

/// Without `--exact` the main thread says nothing of the test; the closure does.
#[test]
fn a_test_on_the_main_thread_is_found() {
    if !can_count() {
        return;
    }
    let mut command = Command::new(env::current_exe().unwrap());
    let arguments = ["a_fifth_quadrat", "--ignored", "--test-threads=1", "--nocapture"];
    let said = text(&command.args(arguments).env(STARTED, "1").output().unwrap());
    assert!(said.contains("20 % of the cost at N = 4,096 grows faster"), "{said}");
}

#[test]
fn a_counting_process_starts_no_other() {
    if !can_count() {
        return;
    }
    let (passed, said) = start("nested", |_| ());
    assert!(passed, "{said}");
    assert!(said.contains("counted by callgrind"), "{said}");
}

#[test]
fn a_missing_counter_is_named() {
    let (passed, said) = start("linear", |command| {
        command.env("PATH", "");
    });
    assert!(passed, "{said}");
    if said.contains("counted by perf") {
        loadline_testing::skip!("perf counts here");
        return;
    }
    for text in ["measured by thread CPU time", "would not be seen", "valgrind is not installed"] {
        assert!(said.contains(text), "{text:?} is not in {said}");
    }
    let (passed, said) = start("linear", |command| {
        command.env("PATH", "").env("LOADLINE_REQUIRE_COUNTS", "1");
    });
    assert!(!passed, "{said}");
    assert!(said.contains("LOADLINE_REQUIRE_COUNTS=1 requires it: perf: "), "{said}");
}

/// A valgrind that is too old, and one that cannot start this program.
#[cfg(unix)]
#[test]
fn a_valgrind_that_is_of_no_use_is_named() {
    let scripts = [
        ("echo valgrind-3.10.0", "valgrind 3.10.0 is older than 3.19.0"),
        (
            "case $1 in --version) echo valgrind-3.19.0 ;; *) echo 'fatal: no libc' >&2; exit 1 ;; esac",
            "ended with exit status: 1",
        ),
    ];
    let folder = env::temp_dir().join(format!("harness-valgrind-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let program = folder.join("valgrind");
    for (script, reason) in scripts {
        // Another process writes it: what this one has open for writing cannot be started.
        let mut shell = Command::new("sh");
        shell.args(["-c", "printf '#!/bin/sh\n%s\n' \"$1\" > \"$0\" && chmod +x \"$0\""]);
        assert!(shell.arg(&program).arg(script).status().unwrap().success());
        let (passed, said) = start("linear", |command| {
            command.env("PATH", &folder);
        });
        assert!(passed, "{said}");
        if said.contains("counted by perf") {
            loadline_testing::skip!("perf counts here");
            break;
        }
        assert!(said.contains(reason), "{reason:?} is not in {said}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_test_that_valgrind_cannot_run_is_timed() {
    if !can_count() {
        return;
    }
    let (passed, said) = start("refusing_valgrind", |_| ());
    assert!(passed, "{said}");
    assert!(said.contains("the test run under valgrind ended with exit status: 101"), "{said}");
    assert!(said.contains("measured by thread CPU time"), "{said}");
}

#[test]
fn a_pure_quadratic_fails_by_time_alone() {
    let (passed, said) = start("quadratic", |command| {
        command.env("PATH", "");
    });
    assert!(!passed, "{said}");
    assert!(said.contains("grows faster than linearly"), "{said}");
}

/// The example next to this test's binary.
fn host() -> Command {
    let test = env::current_exe().unwrap();
    let target: PathBuf = test.parent().and_then(|deps| deps.parent()).unwrap().into();
    let program = target.join("examples/host");
    assert!(program.exists(), "cargo build --package loadline-harness --example host");
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).env_remove("LOADLINE_ACK");
    command
}

fn markers(said: &str) -> Vec<&str> {
    said.lines().filter(|line| line.starts_with("loadline:phase=")).collect()
}

#[test]
fn a_run_marks_its_phases() {
    let said = text(&host().arg("8").output().unwrap());
    let phases = ["load", "none", "unload", "none"].map(|name| format!("loadline:phase={name}"));
    assert_eq!(markers(&said), phases, "{said}");
    assert!(said.contains("\nloadline:check=8"), "{said}");
}

/// With `LOADLINE_ACK` the program reads a line after each marker: without an answer it does not go on.
#[test]
fn a_run_waits_for_each_answer() {
    use std::io::{BufRead, BufReader, Write};

    let mut host = host();
    host.arg("8").env("LOADLINE_ACK", "1").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = host.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mut n_markers = 0;
    for line in lines.filter(|line| line.starts_with("loadline:phase=")) {
        n_markers += 1;
        assert!(child.try_wait().unwrap().is_none(), "it did not wait after {line}");
        stdin.write_all(b"\n").unwrap();
    }
    assert_eq!(n_markers, 4);
    assert!(child.wait().unwrap().success());
}

#[test]
fn a_sweep_prints_a_table() {
    let output = host().args(["1..=16", "list"]).output().unwrap();
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    let first: Vec<&str> = said.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(first, ["N", "load", "unload"]);
    assert_eq!(said.lines().filter(|line| line.ends_with("s")).count(), 5, "{said}");
    assert!(said.contains("Scaling exponent (1 = linear, 2 = quadratic)"), "{said}");
}

#[test]
fn a_run_that_fails_ends_the_sweep() {
    let output = host().arg("1..=7").output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("error: sizes 1..=7"), "{}", text(&output));
}

/// Under callgrind each phase is a dump with the phase's name.
#[test]
fn phases_are_dumps_under_callgrind() {
    use loadline_callgrind::{Invocation, Threads, find_valgrind, profiles};

    let found = find_valgrind(&env::var_os("PATH").unwrap_or_default());
    let Some(valgrind) = found else {
        loadline_testing::skip!("valgrind is not installed");
        return;
    };
    let folder = env::temp_dir().join(format!("harness-live-{}", std::process::id()));
    std::fs::create_dir(&folder).unwrap();
    let runner = host().get_program().into();
    let invocation = Invocation { runner, folder: folder.clone(), threads: Threads::Together };
    let mut command = Command::new(valgrind);
    command.args(invocation.arguments()).arg("64").stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    let phases = profiles(&folder).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    assert!(phases.keys().eq(["load", "none", "unload"]), "{:?}", phases.keys());
    let counts = ["load", "unload"].map(|name| phases[name].instructions());
    assert!(counts.iter().all(|count| *count > Some(1000)), "{counts:?}");
}
