//! A clone of this repository that a test commits to.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// What a clone would compile for minutes, taken over from this workspace: a folder for Cargo with
/// every library but the workspace's own, which are of another tree.
#[cfg(unix)]
pub fn libraries(folder: &Path) {
    let from = Path::new(env!("CARGO_BIN_EXE_loadline")).parent().unwrap();
    let script = r#"
        mkdir -p "$2/debug" && cd "$2/debug"
        cp -al "$1/deps" . 2>/dev/null || cp -a "$1/deps" .
        cp -a "$1/build" "$1/.fingerprint" .
        for ours in loadline xtask; do
            find deps -name "*$ours*" -delete
            rm -rf build/$ours* .fingerprint/$ours*
        done
    "#;
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(from).arg(folder);
    assert!(shell.status().unwrap().success());
}

/// The clone, in a temporary folder of its own that is gone with its owner.
pub struct Clone {
    folder: TempDir,
}

impl Clone {
    pub fn new() -> Clone {
        let clone = Clone { folder: TempDir::new().unwrap() };
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let (from, to) = (workspace.display().to_string(), clone.sources());
        let said = Command::new("git").args(["clone", "--quiet", &from]).arg(to).status();
        assert!(said.unwrap().success());
        clone
    }

    /// The clone's own folder.
    pub fn sources(&self) -> PathBuf {
        self.path("clone")
    }

    /// A place next to the clone.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What git prints about `arguments`.
    pub fn git(&self, arguments: &[&str]) -> String {
        let identity = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org"];
        let mut git = Command::new("git");
        let output = git.args(identity).args(arguments).current_dir(self.sources()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}
