//! The files of a repository, and a program that was found among them.

use std::fs;
use std::path::{Path, PathBuf};

use loadline_scenario::Phase;

use super::marks::Marks;

/// The most entries to look at, because a repository may have any size.
const PATIENCE: usize = 20_000;

/// Folders whose content was fetched or built.
const LEFT_OUT: [&str; 6] = ["target", "node_modules", "venv", "vendor", "dist", "build"];

/// A program, and how to build, start and measure it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Program {
    /// The description for the user: `a Rust program that uses Wasmtime: edge`.
    pub what: String,
    /// The program and its arguments, with `{n}` in the place of N.
    pub command: Vec<String>,
    /// The command that builds the program. Empty if nothing has to be built.
    pub build: Vec<String>,
    /// The variables that the program needs.
    pub environment: Vec<(&'static str, &'static str)>,
    /// The phases that its sources mark, and whether it waits for Loadline's answer to each marker.
    pub marks: Marks,
    /// Whether N is the number of its modules.
    pub has_wasmtime: bool,
}

impl Program {
    /// The phases to judge: those that are marked, or else the whole run.
    pub fn phases(&self) -> Vec<Phase> {
        match self.marks.phases.as_slice() {
            [] => vec![Phase::Run],
            phases => phases.to_vec(),
        }
    }
}

/// The files of a repository, relative to its root and sorted by name.
pub struct Files<'a> {
    /// The root of the repository.
    pub root: &'a Path,
    /// The paths of all files that belong to the repository itself.
    pub paths: Vec<PathBuf>,
}

impl<'a> Files<'a> {
    /// The files below `root`. Hidden, fetched and built files are left out.
    pub fn below(root: &'a Path) -> Files<'a> {
        Files { root, paths: files(root) }
    }

    /// Whether the repository has the file `path`.
    pub fn has(&self, path: &str) -> bool {
        self.root.join(path).is_file()
    }

    /// The text of the file `path`, or `None` if it cannot be read.
    pub fn text(&self, path: impl AsRef<Path>) -> Option<String> {
        fs::read_to_string(self.root.join(path)).ok()
    }

    /// The markers in all files that have one of these endings.
    pub fn marks(&self, endings: &[&str]) -> Marks {
        let is_source = |path: &&PathBuf| {
            path.extension().is_some_and(|ending| endings.iter().any(|known| ending == *known))
        };
        Marks::of(self.paths.iter().filter(is_source).filter_map(|path| self.text(path)))
    }
}

/// The files under `root`. Hidden, fetched and built files are left out.
fn files(root: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders, mut looked_at) = (Vec::new(), vec![PathBuf::new()], 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).into_iter().flatten().flatten() {
            looked_at += 1;
            if looked_at > PATIENCE {
                break;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            // This is the kind of the link itself, so no link leads out of the repository or in a circle.
            let Ok(kind) = entry.file_type() else { continue };
            let is_left_out = name.starts_with('.') || LEFT_OUT.contains(&name.as_str());
            if kind.is_dir() && !is_left_out {
                folders.push(folder.join(name));
            } else if kind.is_file() {
                found.push(folder.join(name));
            }
        }
    }
    found.sort();
    found
}

/// A path as scenario files have it.
pub fn shown(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}
