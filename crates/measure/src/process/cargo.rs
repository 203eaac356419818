//! Calls of Cargo.

use loadline_record::{Context, Result};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use xshell::{Shell, cmd};

use crate::process::child;

/// The Cargo that has started this program, or the one in the search path.
pub fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Builds the runner of `workspace`, in Cargo's folder `target` or its own one, with `any_rust`
/// whatever Rust its dependencies ask for; the program's path. Cargo's progress and its complaints go
/// to standard error.
///
/// # Errors
/// When Cargo fails.
pub fn build_runner(workspace: &Path, target: Option<&Path>, any_rust: bool) -> Result<PathBuf> {
    let shell = Shell::new().context("cannot start a shell")?;
    shell.change_dir(workspace);
    let cargo = cargo();
    let any_rust = any_rust.then_some("--ignore-rust-version");
    let build = cmd!(
        shell,
        "{cargo} build --package loadline-runner {any_rust...} --message-format json-render-diagnostics"
    );
    let build = match target {
        Some(target) => build.env("CARGO_TARGET_DIR", target).env("CARGO_BUILD_BUILD_DIR", target),
        None => build,
    };
    let messages = child::read(build.into())?;
    messages.lines().find_map(executable).context("cargo build named no executable loadline-runner")
}

/// The path of the runner, where `line` is Cargo's message about it.
fn executable(line: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let is_runner = message["target"]["name"] == "loadline-runner";
    let path = message["executable"].as_str().filter(|_| is_runner)?;
    Some(PathBuf::from(path))
}
