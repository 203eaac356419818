//! The name of this program in sentences that tell a user what to type.

use std::fmt;
use std::sync::OnceLock;

static NAME: OnceLock<&str> = OnceLock::new();

/// This program's name, as the user types it: `cargo xtask` in its own workspace, otherwise `loadline`.
pub const PROGRAM: Program = Program;

/// The type of [`PROGRAM`].
#[derive(Debug, Clone, Copy)]
pub struct Program;

impl Program {
    /// Sets the name of the program. Call it once, before anything is printed.
    pub fn is_called(self, name: &'static str) {
        // The first name stays, because it was already printed.
        let _ = NAME.set(name);
    }

    /// Returns the name.
    pub fn name(self) -> &'static str {
        NAME.get().copied().unwrap_or("loadline")
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
