//! What this program is called: `cargo xtask` in its own workspace, `loadline` where it is installed.
//!
//! A sentence that tells the user what to type has [`PROGRAM`] in it. Whatever else is printed, a
//! user's question or command among it, stays as it was written.

use loadline_record::PROGRAM;
use std::path::{Path, PathBuf};

/// Has every sentence call this program what its user types.
pub fn say_name() {
    PROGRAM.is_called(if is_in_workspace() { "cargo xtask" } else { "loadline" });
}

/// The workspace whose own program this is: the one whose Cargo has started it, or the one around the
/// program, where a copy for a bisection lies. None of an installed program.
///
/// Never where it was compiled: two clones that share a target folder share the program.
pub fn workspace() -> Option<PathBuf> {
    let by_cargo = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let by_cargo = by_cargo.as_deref().and_then(Path::parent).filter(|root| is_workspace(root));
    if let Some(root) = by_cargo {
        return root.canonicalize().ok();
    }
    let program = std::env::current_exe().and_then(|program| program.canonicalize()).ok()?;
    program.ancestors().find(|root| is_workspace(root)).map(Path::to_owned)
}

/// Whether this is the workspace's own program.
pub fn is_in_workspace() -> bool {
    workspace().is_some()
}

/// Whether `root` is a checkout of this repository: it has the sources of the runner and of this
/// program.
pub fn is_workspace(root: &Path) -> bool {
    ["crates/runner", "xtask"].iter().all(|package| root.join(package).join("Cargo.toml").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_called_what_the_user_types() {
        say_name();
        // Tests are started by the workspace's own Cargo.
        assert_eq!(PROGRAM.to_string(), "cargo xtask");
    }
}
