//! Lists the files that sessions leave behind, and removes old ones: sessions, compiled artifacts, and builds
//! of the other side of a comparison.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use loadline_record::{Context, Result};

use crate::project::folders::Project;

/// A folder that a session has left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The folder.
    pub path: PathBuf,
    /// Its purpose.
    pub kind: Kind,
    /// The time since Loadline last wrote in it.
    pub age: Duration,
}

impl Kept {
    /// The size of its files in bytes. Takes a while for a build.
    pub fn bytes(&self) -> u64 {
        size(&self.path)
    }
}

/// The purpose of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One session.
    Session,
    /// The compiled artifacts of one corpus.
    Artifacts,
    /// A build of another revision, or the folder in which they are built.
    Build,
}

/// Lists what sessions of `project` have left behind, the oldest first.
pub fn all(project: &Project) -> Vec<Kept> {
    let now = SystemTime::now();
    let mut all = Vec::new();
    let mut add = |kind, path: PathBuf, written: Option<SystemTime>| {
        let age = written.and_then(|written| now.duration_since(written).ok()).unwrap_or_default();
        all.push(Kept { path, kind, age });
    };
    for path in folders(&project.sessions()) {
        let written = ["session.json", "runs.jsonl"].map(|name| modified(&path.join(name)));
        add(Kind::Session, path, written.into_iter().flatten().max());
    }
    for path in folders(&project.corpora()) {
        let written = files(&path).filter_map(|file| modified(&file)).max();
        add(Kind::Artifacts, path, written);
    }
    let against = project.against();
    // A session takes this lock whenever it uses the folder.
    let used = modified(&against.join("lock"));
    for path in folders(&against.join("built")) {
        let written = modified(&path);
        add(Kind::Build, path, written);
    }
    for name in ["tree", "build"] {
        let path = against.join(name);
        if path.is_dir() {
            add(Kind::Build, path, used);
        }
    }
    all.sort_by(|a, b| b.age.cmp(&a.age).then_with(|| a.path.cmp(&b.path)));
    all
}

/// Removes the folders in `old`. Call it while no session is measured.
///
/// # Errors
/// When a folder cannot be removed.
pub fn remove(old: &[Kept]) -> Result<()> {
    for Kept { path, .. } in old {
        fs::remove_dir_all(path).with_context(|| format!("cannot remove {}", path.display()))?;
    }
    Ok(())
}

fn folders(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    files(folder).filter(|path| path.is_dir())
}

fn files(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|found| found.modified()).ok()
}

/// The size of all files below `folder`. Links are not followed.
fn size(folder: &Path) -> u64 {
    let mut bytes = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(found) if found.is_dir() => folders.push(entry.path()),
                Ok(found) => bytes += found.len(),
                Err(_) => {}
            }
        }
    }
    bytes
}
