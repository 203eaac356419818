//! Writes results to standard output, and everything else to standard error.
//!
//! `println!` and `eprintln!` panic when a stream is closed or full. Here a closed or full stream does not
//! change the command's exit code.

use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether only results and errors are written.
static IS_QUIET: AtomicBool = AtomicBool::new(false);

/// Drops progress and notices from now on.
pub fn be_quiet() {
    IS_QUIET.store(true, Ordering::Relaxed);
}

/// Whether progress and notices are dropped.
pub fn is_quiet() -> bool {
    IS_QUIET.load(Ordering::Relaxed)
}

/// Writes `line` to standard output and ends it.
pub fn line(line: impl Display) {
    text(format_args!("{line}\n"));
}

/// Writes `text` to standard output as it is. A closed pipe (`| head`) is ignored. If writing fails for
/// another reason, such as a full disk, standard error says so once.
pub fn text(text: impl Display) {
    static HAS_FAILED: AtomicBool = AtomicBool::new(false);
    let text = text.to_string();
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    match written {
        Err(error)
            if error.kind() != ErrorKind::BrokenPipe
                && !HAS_FAILED.swap(true, Ordering::Relaxed) =>
        {
            self::error(format_args!(
                "cannot write to standard output: {error} (the exit code is still right)"
            ));
        }
        _ => {}
    }
}

/// Writes `line` to standard error and ends it: progress and notices.
pub fn note(line: impl Display) {
    if !is_quiet() {
        error(line);
    }
}

/// Writes `line` to standard error and ends it, whatever the user wants to see.
pub fn error(line: impl Display) {
    raw(format!("{line}\n").as_bytes());
}

/// Writes `bytes` to standard error as they are.
pub fn raw(bytes: &[u8]) {
    // There is no other stream to report this failure on.
    let _ = std::io::stderr().write_all(bytes);
}
