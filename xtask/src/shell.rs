//! `cargo xtask completions` and `cargo xtask man`: what shells and manuals know of the commands.

use crate::cli::{Cli, Completions, Man};
use crate::out;
use loadline_record::atomic::make_folder;
use loadline_record::{Context, Exit, Result};

/// Prints what `arguments.shell` needs to complete the command line.
///
/// # Errors
/// When it cannot be printed.
pub fn completions(arguments: &Completions) -> Result<Exit> {
    let mut text = Vec::new();
    // A shell completes a program's name, and `cargo xtask` is none.
    let mut command = Cli::by_name().name("loadline").bin_name("loadline");
    clap_complete::generate(arguments.shell, &mut command, "loadline", &mut text);
    out::text(String::from_utf8_lossy(&text))?;
    Ok(Exit::Clean)
}

/// Prints the manual page of the program, or of one command; or writes all of them into a folder.
///
/// # Errors
/// When there is no such command, or a page cannot be written.
pub fn man(arguments: &Man) -> Result<Exit> {
    let command = Cli::by_name().name("loadline").bin_name("loadline");
    let Some(folder) = &arguments.folder else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command)
            .render(&mut page)
            .context("cannot render the manual page")?;
        out::text(String::from_utf8_lossy(&page))?;
        return Ok(Exit::Clean);
    };
    let shown = folder.display();
    make_folder(folder).with_context(|| format!("cannot make folder {shown}"))?;
    clap_mangen::generate_to(command, folder)
        .with_context(|| format!("cannot write manual pages into {shown}"))?;
    Ok(Exit::Clean)
}
