//! Each crate that can be published says what it is, on crates.io and on docs.rs.

use std::fs;
use std::path::{Path, PathBuf};

/// The folders of the crates that can be published.
fn published() -> Vec<PathBuf> {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folders = fs::read_dir(crates).unwrap().map(|entry| entry.unwrap().path());
    let is_published = |folder: &PathBuf| !manifest(folder).contains("\npublish = false");
    let mut folders: Vec<PathBuf> = folders.filter(is_published).collect();
    folders.sort();
    folders
}

fn manifest(folder: &Path) -> String {
    fs::read_to_string(folder.join("Cargo.toml")).unwrap()
}

#[test]
fn every_published_crate_has_a_readme_and_metadata() {
    let folders = published();
    let names: Vec<&str> =
        folders.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["callgrind", "growth", "harness", "loader", "probe"]);
    for (name, folder) in names.iter().zip(&folders) {
        let manifest = manifest(folder);
        for key in ["description", "readme", "keywords", "categories", "[package.metadata.docs.rs]"]
        {
            assert!(manifest.contains(&format!("\n{key}")), "{name}: no {key} in its manifest");
        }
        assert!(folder.join("README.md").is_file(), "{name}: no README");
    }
}

/// `.ci/run` packages what can be published.
#[test]
fn ci_packages_every_published_crate() {
    let ci = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.ci/run");
    let ci = fs::read_to_string(ci).unwrap();
    for folder in published() {
        let name = folder.file_name().unwrap().to_str().unwrap();
        assert!(ci.contains(&format!("-p loadline-{name}")), ".ci/run does not package {name}");
    }
}
