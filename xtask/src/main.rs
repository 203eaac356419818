//! `cargo xtask VERB` runs Loadline in its own workspace. `cargo xtask ci` runs this repository's own tests.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

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
    let tier: &[&str] = match arguments {
        [] => &["test", "--workspace"],
        [flag] if flag == "--slow" => {
            // Documentation examples marked `ignore` are not tests. One test runs at a time, because builds
            // would disturb the measurements of other tests.
            &[
                "test",
                "--workspace",
                "--lib",
                "--bins",
                "--tests",
                "--no-fail-fast",
                "--",
                "--ignored",
                "--test-threads=1",
            ]
        }
        _ => {
            eprintln!(
                "error: cargo xtask ci takes --slow (the slow tier) or nothing (the quick one)"
            );
            return ExitCode::from(2);
        }
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    match Command::new(&cargo).args(tier).status() {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        Ok(_) => {
            eprintln!("error: a test failed; its name is above");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: cannot start {}: {error}", cargo.display());
            ExitCode::FAILURE
        }
    }
}
