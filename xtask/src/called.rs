//! What this program is called: `cargo xtask` in its own workspace, `loadline` where it is installed.
//!
//! Texts are written for the workspace, where most are read. What is printed elsewhere is put right
//! in the two places where everything is printed, so that no message can forget it.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// The name in texts as they are written.
const IN_WORKSPACE: &str = "cargo xtask";

/// The name of the installed program.
const INSTALLED: &str = "loadline";

/// What the user types to start this program.
pub fn name() -> &'static str {
    if is_in_workspace() { IN_WORKSPACE } else { INSTALLED }
}

/// `text` with this program called what the user typed.
pub fn by_name(text: &str) -> Cow<'_, str> {
    if is_in_workspace() { Cow::Borrowed(text) } else { installed(text) }
}

fn installed(text: &str) -> Cow<'_, str> {
    if text.contains(IN_WORKSPACE) {
        Cow::Owned(text.replace(IN_WORKSPACE, INSTALLED))
    } else {
        Cow::Borrowed(text)
    }
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
    fn texts_name_the_program_as_it_was_typed() {
        assert_eq!(installed("next: cargo xtask list"), "next: loadline list");
        assert_eq!(installed("cargo test"), "cargo test");
        // Tests are started by the workspace's own Cargo.
        assert_eq!(by_name("next: cargo xtask list"), "next: cargo xtask list");
        assert_eq!(name(), "cargo xtask");
    }
}
