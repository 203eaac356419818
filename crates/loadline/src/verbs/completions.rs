//! `cargo xtask completions`: what a shell needs to complete the command line.

use crate::cli::{Cli, Completions};
use loadline_measure::out;
use loadline_record::{Exit, Result};

/// Prints what `arguments.shell` needs to complete the command line.
///
/// # Errors
/// When it cannot be printed.
pub fn run(arguments: &Completions) -> Result<Exit> {
    let mut text = Vec::new();
    // A shell completes a program's name, and `cargo xtask` is none.
    let mut command = Cli::by_name().name("loadline").bin_name("loadline");
    clap_complete::generate(arguments.shell, &mut command, "loadline", &mut text);
    out::text(String::from_utf8_lossy(&text));
    Ok(Exit::Clean)
}
