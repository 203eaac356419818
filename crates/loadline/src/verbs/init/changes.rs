//! Writes the files of a starting point, and takes them back if the first run fails: [`Changes`].

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use loadline_measure::out;
use loadline_record::atomic::{make_folder, replace};
use loadline_record::{Context, Result};

/// The files that were written, with what was there before.
#[derive(Debug)]
pub struct Changes {
    root: PathBuf,
    /// Whether existing files are replaced.
    replaces: bool,
    before: Vec<(PathBuf, Option<Vec<u8>>)>,
}

impl Changes {
    /// No changes yet, in the repository at `root`.
    pub fn new(root: &Path, replaces: bool) -> Changes {
        Changes { root: root.to_owned(), replaces, before: Vec::new() }
    }

    /// Writes a file. Returns whether it was written: an existing file may have to be kept.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn add(&mut self, path: &str, text: &str) -> Result<bool> {
        if self.root.join(path).exists() && !self.replaces {
            out::line(format_args!("kept  {path} (--force replaces it)"));
            return Ok(false);
        }
        self.write(path, text.as_bytes())?;
        out::line(format_args!("wrote {path}"));
        Ok(true)
    }

    /// Writes a file that was added once more.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn rewrite(&self, path: &str, text: &str) -> Result<()> {
        replace(&self.root.join(path), text.as_bytes())
    }

    /// Makes git ignore `folder`, whose files can be made again.
    ///
    /// # Errors
    /// When `.gitignore` cannot be read or written.
    pub fn ignore(&mut self, folder: &str) -> Result<()> {
        let line = format!("/{folder}");
        let mut bytes = content(&self.root.join(".gitignore"))?.unwrap_or_default();
        let is_ignored = |pattern: &str| {
            let pattern = pattern.trim().trim_matches('/');
            !pattern.is_empty() && (folder == pattern || folder.starts_with(&format!("{pattern}/")))
        };
        // The user's lines stay as they are, whatever their encoding.
        if String::from_utf8_lossy(&bytes).lines().any(is_ignored) {
            out::line(format_args!("kept  .gitignore (it names {line})"));
            return Ok(());
        }
        let gap = if bytes.is_empty() || bytes.ends_with(b"\n") { "" } else { "\n" };
        bytes.extend_from_slice(format!("{gap}{line}\n").as_bytes());
        self.write(".gitignore", &bytes)?;
        out::line(format_args!("wrote .gitignore: {line}"));
        Ok(())
    }

    fn write(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        let place = self.root.join(path);
        self.before.push((place.clone(), content(&place)?));
        let folder = place.parent().context("a file lies in a folder")?;
        make_folder(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        replace(&place, bytes)
    }

    /// Restores every file, and removes the folders that are empty then.
    ///
    /// # Errors
    /// When a file cannot be restored.
    pub fn undo(self) -> Result<()> {
        for (place, before) in self.before.iter().rev() {
            if let Some(bytes) = before {
                replace(place, bytes)?;
                continue;
            }
            let removed = fs::remove_file(place);
            removed.with_context(|| format!("cannot remove {}", place.display()))?;
            let folders = place.ancestors().skip(1).take_while(|folder| **folder != *self.root);
            for folder in folders {
                // A folder with other files stays.
                let _ = fs::remove_dir(folder);
            }
        }
        Ok(())
    }
}

/// The content of a file, or `None` if there is no such file.
fn content(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn lines_of_the_user_stay_as_they_are() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join(".gitignore");
        fs::write(&path, b"caf\xe9").unwrap();
        for _ in 0..2 {
            Changes::new(folder.path(), false).ignore(".loadline").unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"caf\xe9\n/.loadline\n");
        }
    }

    #[test]
    fn what_was_written_can_be_taken_back() {
        let folder = tempfile::TempDir::new().unwrap();
        let root = folder.path();
        fs::create_dir(root.join("kept")).unwrap();
        fs::write(root.join("kept/old"), "old").unwrap();
        fs::write(root.join("replaced"), "old").unwrap();
        let mut changes = Changes::new(root, true);
        for path in ["a/b/new", "kept/new", "replaced"] {
            changes.add(path, "new").unwrap();
        }
        changes.undo().unwrap();
        let mut left: Vec<_> =
            fs::read_dir(root).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["kept", "replaced"]);
        assert_eq!(fs::read_dir(root.join("kept")).unwrap().count(), 1);
        assert_eq!(fs::read(root.join("replaced")).unwrap(), b"old");
    }
}
