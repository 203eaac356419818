//! Whether this program belongs to a workspace of Loadline, and which.

use std::path::{Path, PathBuf};

/// The packages that Cargo starts this program of: `cargo xtask`, and the program by its own name.
const PACKAGES: [&str; 2] = ["xtask", "crates/loadline"];

/// The workspace whose own program this is: the one whose Cargo has started it, or the one around the
/// program, where a copy for a bisection lies. None of an installed program.
///
/// Never where it was compiled: two clones that share a target folder share the program.
pub fn own() -> Option<PathBuf> {
    // Cargo starts other packages' programs as well, which may be tests that start this one.
    let by_cargo = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let by_cargo = by_cargo.as_deref().and_then(|package| {
        let is_its_root =
            |root: &&Path| is_one(root) && PACKAGES.iter().any(|ours| root.join(ours) == package);
        package.ancestors().find(is_its_root)
    });
    if let Some(root) = by_cargo {
        return root.canonicalize().ok();
    }
    let program = std::env::current_exe().and_then(|program| program.canonicalize()).ok()?;
    program.ancestors().find(|root| is_one(root)).map(Path::to_owned)
}

/// Whether this is the workspace's own program.
pub fn is_in_one() -> bool {
    own().is_some()
}

/// Whether `root` is a checkout of this repository: it has the sources of the runner and of this
/// program.
pub fn is_one(root: &Path) -> bool {
    ["crates/runner", "xtask"].iter().all(|package| root.join(package).join("Cargo.toml").is_file())
}
