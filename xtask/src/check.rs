//! `cargo xtask check`: this repository's own tests, the quick tier or the slow one.
//!
//! A test of the slow tier is an `#[ignore = "slow: …"]` with the reason behind the colon.

use loadline_record::{Error, Exit, Result};
use std::process::Command;

use crate::cli::Check;
use loadline_measure::project::folders::Project;

/// Carries the command out; Cargo says what happens.
///
/// # Errors
/// When Cargo cannot be started, or a test fails.
pub fn run(arguments: &Check) -> Result<Exit> {
    let project = Project::open(None)?;
    if project.is_installed {
        let text = "check runs the tests of the workspace it was built in (start it there)";
        return Err(Error::new(Exit::Usage, text));
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["test", "--workspace"]).current_dir(&project.workspace);
    if arguments.slow {
        // Not the examples in the documentation: there `ignore` means that they cannot be run.
        command.args(["--lib", "--bins", "--tests", "--", "--ignored"]);
    }
    match command.status() {
        Ok(status) if status.success() => Ok(Exit::Clean),
        Ok(_) => Err(Error::new(Exit::CouldNotMeasure, "a test failed; its name stands above")),
        Err(error) => {
            Err(Error::new(Exit::CouldNotMeasure, format!("cannot start cargo test: {error}")))
        }
    }
}
