//! Finds the Loadline workspace that this program belongs to, if there is one.

use std::path::{Path, PathBuf};

/// The packages by which Cargo starts this program: `cargo xtask`, and the program's own name.
const PACKAGES: [&str; 2] = ["xtask", "crates/loadline"];

/// The workspace whose program this is. Cargo has started the program from there, or the program lies in it,
/// as a copy for a bisection does. `None` for an installed program.
///
/// The place of compilation is not used: two clones that share a target folder share the program.
pub fn own() -> Option<PathBuf> {
    // Cargo also starts programs of other packages. These may be tests that start this program.
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

/// Whether this program belongs to a workspace.
pub fn is_in_one() -> bool {
    own().is_some()
}

/// Whether `root` is a checkout of this repository. A checkout has the sources of the runner and of this
/// program.
pub fn is_one(root: &Path) -> bool {
    ["crates/runner", "xtask"].iter().all(|package| root.join(package).join("Cargo.toml").is_file())
}
