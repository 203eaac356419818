//! `.ci/subjects` rejects long commit subjects, in commits after the one that added it.

#![cfg(unix)]
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A repository with a long subject, and a commit after it that adds the check.
fn repository(home: &TempDir) -> PathBuf {
    let folder = home.path().join("repository");
    fs::create_dir_all(folder.join(".ci")).unwrap();
    git(&folder, &["init", "--quiet"]);
    commit(&folder, &"x".repeat(100));
    let check = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.ci/subjects");
    fs::copy(check, folder.join(".ci/subjects")).unwrap();
    git(&folder, &["add", "."]);
    commit(&folder, "Check subjects");
    folder
}

fn git(folder: &Path, arguments: &[&str]) {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=a", "-c", "user.email=a@example.com"]).args(arguments);
    let output = git.current_dir(folder).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
}

fn commit(folder: &Path, subject: &str) {
    git(folder, &["commit", "--quiet", "--allow-empty", "--message", subject]);
}

fn check(folder: &Path) -> Output {
    Command::new(folder.join(".ci/subjects")).output().unwrap()
}

#[test]
fn a_subject_of_73_characters_is_rejected() {
    let home = TempDir::new().unwrap();
    let folder = repository(&home);
    assert!(check(&folder).status.success(), "{:?}", check(&folder));
    // Characters count, and not bytes.
    commit(&folder, &"ä".repeat(72));
    assert!(check(&folder).status.success(), "{:?}", check(&folder));
    commit(&folder, &"b".repeat(73));
    commit(&folder, "Say something short");
    let output = check(&folder);
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(errors.contains("the subject has 73 characters"), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
}

#[test]
fn a_shallow_clone_checks_the_commits_that_it_has() {
    let home = TempDir::new().unwrap();
    let folder = repository(&home);
    commit(&folder, &"b".repeat(73));
    commit(&folder, "Say something short");
    let clone = |depth: &str| {
        let place = home.path().join(format!("clone-{depth}"));
        let (url, place_text) = (format!("file://{}", folder.display()), place.display());
        git(home.path(), &["clone", "--quiet", "--depth", depth, &url, &place_text.to_string()]);
        check(&place).status.code()
    };
    // Two commits: the older one is where this clone begins, and may be the one that adds the check.
    assert_eq!(clone("2"), Some(0));
    assert_eq!(clone("3"), Some(1));
}
