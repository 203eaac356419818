//! A clone of this repository that a test commits to.

use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// The clone, in a temporary folder of its own that is gone with its owner.
pub struct Clone {
    folder: TempDir,
}

impl Clone {
    pub fn new() -> Clone {
        let clone = Clone { folder: TempDir::new().unwrap() };
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let (from, to) = (workspace.display().to_string(), clone.sources());
        let said = Command::new("git").args(["clone", "--quiet", &from]).arg(to).status();
        assert!(said.unwrap().success());
        clone
    }

    /// The clone's own folder.
    pub fn sources(&self) -> PathBuf {
        self.path("clone")
    }

    /// A place beside the clone.
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
