//! What this program is called: `cargo xtask` in its own workspace, `loadline` where it is installed.
//!
//! A sentence that tells the user what to type has [`PROGRAM`] in it. Whatever else is printed, a
//! user's question or command among it, stays as it was written.

use std::fmt;
use std::path::{Path, PathBuf};

/// This program in a text, as the user types it.
pub const PROGRAM: Program = Program;

/// See [`PROGRAM`].
#[derive(Debug, Clone, Copy)]
pub struct Program;

impl Program {
    /// The name.
    pub fn name(self) -> &'static str {
        name(is_in_workspace())
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

fn name(is_in_workspace: bool) -> &'static str {
    if is_in_workspace { "cargo xtask" } else { "loadline" }
}

/// The workspace this was built from; not there when only the program was taken along.
pub fn workspace() -> Option<PathBuf> {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().ok()
}

/// Whether this is the workspace's own program: started by its Cargo, or lying in the workspace, as a
/// copy for a bisection does.
pub fn is_in_workspace() -> bool {
    let Some(workspace) = workspace() else { return false };
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).as_os_str();
    let is_by_cargo = std::env::var_os("CARGO_MANIFEST_DIR").is_some_and(|folder| folder == own);
    let program = std::env::current_exe().and_then(|program| program.canonicalize());
    is_by_cargo || program.is_ok_and(|program| program.starts_with(workspace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_called_what_the_user_types() {
        assert_eq!(name(false), "loadline");
        // Tests are started by the workspace's own Cargo.
        assert_eq!(PROGRAM.to_string(), "cargo xtask");
    }
}
