//! `cargo xtask completions`: prints a shell's script for completing the command line.

use crate::cli::{Cli, Completions};
use loadline_measure::out;
use loadline_record::{Exit, Result};

/// Prints the completion script for `arguments.shell`.
///
/// # Errors
/// When it cannot be printed.
pub fn run(arguments: &Completions) -> Result<Exit> {
    let mut text = Vec::new();
    // A shell completes the name of a program, and `cargo xtask` is not a program's name.
    let mut command = Cli::by_name().name("loadline").bin_name("loadline");
    clap_complete::generate(arguments.shell, &mut command, "loadline", &mut text);
    out::text(String::from_utf8_lossy(&text));
    Ok(Exit::Clean)
}
