//! Results on standard output. `println!` panics where that cannot be written.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use anyhow::Context;

use crate::called::by_name;

/// Writes `line` and ends it. A reader that has gone away (`| head`) wants no more: no error.
///
/// # Errors
/// When it cannot be written, as on a full disk.
pub fn line(line: impl Display) -> anyhow::Result<()> {
    text(format_args!("{line}\n"))
}

/// Writes `text` as it is, with this program called what the user typed.
///
/// # Errors
/// As [`line()`].
pub fn text(text: impl Display) -> anyhow::Result<()> {
    let text = text.to_string();
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(by_name(&text).as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.context("cannot write to standard output"),
    }
}
