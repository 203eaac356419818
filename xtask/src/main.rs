//! `cargo xtask VERB` runs Loadline in its own workspace. `cargo xtask ci` runs this repository's own tests.

use std::ffi::OsString;
use std::process::{Command, ExitCode, Output};
use std::thread;

// Makes Cargo rebuild this crate for another clone with the same target folder (.cargo/config.toml).
const _: Option<&str> = option_env!("LOADLINE_CLONE");

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.split_first() {
        Some((verb, rest)) if verb == "ci" => ci(rest),
        _ => loadline::main(),
    }
}

/// Runs the quick tier of the tests, or the slow tier with `--slow`.
fn ci(arguments: &[OsString]) -> ExitCode {
    let is_passed = match arguments {
        [] => run(&["test", "--workspace"]),
        [flag] if flag == "--slow" => {
            let are_passed = [at_any_load(), run(&QUIETLY)];
            are_passed == [true; 2]
        }
        _ => {
            eprintln!(
                "error: cargo xtask ci takes --slow (the slow tier) or nothing (the quick one)"
            );
            return ExitCode::from(2);
        }
    };
    if is_passed {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: a test failed; its name is above");
    ExitCode::FAILURE
}

/// The slow tests that measure. One test runs at a time, because others would disturb the measurements.
/// Documentation examples marked `ignore` are not tests.
const QUIETLY: [&str; 11] = [
    "test",
    "--workspace",
    "--lib",
    "--bins",
    "--tests",
    "--no-fail-fast",
    "--",
    "--ignored",
    "--test-threads=1",
    "--skip",
    "at_any_load::",
];

/// Runs the slow tests in modules with this name, which measure no CPU time. Most of them wait for files and
/// processes, so the stress test of the loader runs at the same time.
fn at_any_load() -> bool {
    let of = |targets: &[&'static str]| {
        let tests = ["--", "--ignored", "--show-output", "at_any_load::"];
        [&["test", "--workspace", "--no-fail-fast"], targets, &tests].concat()
    };
    let mut stress = cargo(&of(&["--lib"]));
    let stress = thread::spawn(move || stress.output());
    let is_passed = run(&of(&["--test", "differential", "--test", "pack", "--test", "store"]));
    let output = stress.join().expect("it does not panic");
    is_passed & output.map_or_else(|error| is_started(&error), |output| show(&output))
}

/// Prints what a program has printed, and returns whether it succeeded.
fn show(output: &Output) -> bool {
    print!("{}", String::from_utf8_lossy(&output.stdout));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    output.status.success()
}

fn run(arguments: &[&str]) -> bool {
    cargo(arguments).status().map_or_else(|error| is_started(&error), |status| status.success())
}

fn is_started(error: &std::io::Error) -> bool {
    eprintln!("error: cannot start Cargo: {error}");
    false
}

fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(arguments);
    cargo
}
