//! Calls of Cargo.

use loadline_record::{Context, Result};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use xshell::{Shell, cmd};

use crate::process::child;

/// The Cargo that started this program, or else the one in the search path.
pub fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Builds the runner of `workspace` and returns the program's path. `target` names Cargo's folder; `None`
/// means the workspace's own. `any_rust` ignores the Rust versions that dependencies ask for. Cargo's
/// progress and errors go to standard error.
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

/// The path of the runner, if `line` is Cargo's message about it.
fn executable(line: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let is_runner = message["target"]["name"] == "loadline-runner";
    let path = message["executable"].as_str().filter(|_| is_runner)?;
    Some(PathBuf::from(path))
}
