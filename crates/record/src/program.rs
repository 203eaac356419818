//! What this program is called in a sentence that tells a user what to type.

use std::fmt;
use std::sync::OnceLock;

static NAME: OnceLock<&str> = OnceLock::new();

/// This program, as its user types it: `cargo xtask` in its own workspace, else `loadline`.
pub const PROGRAM: Program = Program;

/// See [`PROGRAM`].
#[derive(Debug, Clone, Copy)]
pub struct Program;

impl Program {
    /// Says once, before anything is printed, what the program is called.
    pub fn is_called(self, name: &'static str) {
        // The first name is the one that was printed.
        let _ = NAME.set(name);
    }

    /// The name.
    pub fn name(self) -> &'static str {
        NAME.get().copied().unwrap_or("loadline")
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
