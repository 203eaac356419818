//! Makes every call of git, in one environment, with one clear message for each way in which git refuses.

use loadline_record::{Error, Result};
use std::ffi::OsStr;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The variables by which a hook ties git to its own repository (`git rev-parse --local-env-vars`). They are
/// removed. Settings from the environment, like `safe.directory`, stay.
const OF_ANOTHER_REPOSITORY: [&str; 8] = [
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_COMMON_DIR",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_PREFIX",
    "GIT_NAMESPACE",
];

/// The reason why git gave no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// git is not installed.
    Missing,
    /// The folder is not in a repository.
    NoRepository(PathBuf),
    /// The repository belongs to another user, so git reads nothing from it.
    OwnedByAnother(PathBuf),
    /// git cannot be started in this folder, for this reason.
    NotStarted(PathBuf, String),
    /// Any other failure, in git's words.
    Said(String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Missing => {
                f.write_str("git cannot be started: it is not in PATH (install git)")
            }
            Failure::NotStarted(folder, why) => {
                write!(f, "git cannot be started in {}: {why}", folder.display())
            }
            Failure::NoRepository(folder) => {
                write!(f, "{} is in no git repository", folder.display())
            }
            Failure::OwnedByAnother(folder) => {
                let folder = folder.display();
                write!(
                    f,
                    "git refuses to read {folder}, which another user owns (git config --global --add safe.directory {folder})"
                )
            }
            Failure::Said(said) => write!(f, "git says: {said}"),
        }
    }
}

impl std::error::Error for Failure {}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        Error::foreign(&failure)
    }
}

/// What git prints when it is called with `arguments` in `folder`.
///
/// # Errors
/// When git cannot be started, or refuses.
pub fn bytes<A: AsRef<OsStr>>(folder: &Path, arguments: &[A]) -> Result<Vec<u8>, Failure> {
    let mut git = Command::new("git");
    // The code below recognises git's messages by their English words. The user's index must not change.
    git.env("LC_ALL", "C").env("GIT_OPTIONAL_LOCKS", "0");
    OF_ANOTHER_REPOSITORY.iter().for_each(|name| {
        git.env_remove(name);
    });
    git.args(["-c", "i18n.logOutputEncoding=UTF-8"]).args(arguments);
    let output = git.current_dir(folder).stdin(Stdio::null()).output();
    let output = output.map_err(|error| match error.kind() {
        // A missing folder gives the same error as a missing git.
        ErrorKind::NotFound if folder.is_dir() => Failure::Missing,
        _ => Failure::NotStarted(folder.to_owned(), error.to_string()),
    })?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("dubious ownership") {
        return Err(Failure::OwnedByAnother(repository_of(&said, folder)));
    }
    if said.contains("not a git repository") {
        return Err(Failure::NoRepository(folder.to_owned()));
    }
    let line = said.lines().map(str::trim).find(|line| !line.is_empty());
    Err(Failure::Said(line.map_or_else(|| output.status.to_string(), str::to_owned)))
}

/// What git prints, as text without surrounding white space. Bytes that are not UTF-8 are replaced.
///
/// # Errors
/// As for [`bytes`].
pub fn text<A: AsRef<OsStr>>(folder: &Path, arguments: &[A]) -> Result<String, Failure> {
    let bytes = bytes(folder, arguments)?;
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}

/// What git prints, as a path.
///
/// # Errors
/// As for [`bytes`].
#[cfg(unix)]
pub fn path<A: AsRef<OsStr>>(folder: &Path, arguments: &[A]) -> Result<PathBuf, Failure> {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = bytes(folder, arguments)?;
    bytes.pop_if(|byte| *byte == b'\n');
    Ok(PathBuf::from(std::ffi::OsString::from_vec(bytes)))
}

/// What git prints, as a path.
///
/// # Errors
/// As for [`bytes`].
#[cfg(not(unix))]
pub fn path<A: AsRef<OsStr>>(folder: &Path, arguments: &[A]) -> Result<PathBuf, Failure> {
    text(folder, arguments).map(PathBuf::from)
}

/// The repository that git names in `detected dubious ownership in repository at 'FOLDER'`.
fn repository_of(said: &str, folder: &Path) -> PathBuf {
    let quoted = said.split_once("repository at '").and_then(|(_, rest)| rest.split_once('\''));
    quoted.map_or_else(|| folder.to_owned(), |(named, _)| PathBuf::from(named))
}

/// The commit that `revision` means in the repository around `folder`. `None` if there is no such commit.
///
/// # Errors
/// When git cannot be called.
pub fn commit(folder: &Path, revision: &str) -> Result<Option<String>, Failure> {
    if revision.starts_with('-') {
        return Ok(None);
    }
    match text(folder, &["rev-parse", "--verify", "--quiet", &format!("{revision}^{{commit}}")]) {
        Ok(commit) => Ok(Some(commit).filter(|commit| commit.len() >= 40)),
        Err(Failure::Said(_)) => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Whether the repository around `folder` is a shallow clone.
pub fn is_shallow(folder: &Path) -> bool {
    text(folder, &["rev-parse", "--is-shallow-repository"]).is_ok_and(|said| said == "true")
}

#[cfg(all(test, unix))]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Calls git as a user has it, in a repository of its own.
    pub fn git(folder: &Path, arguments: &[&str]) -> String {
        let own = ["-c", "user.name=n", "-c", "user.email=e", "-c", "protocol.file.allow=always"];
        text(folder, &[&own, arguments].concat()).unwrap()
    }

    /// Makes a repository with one empty commit.
    pub fn repository(folder: &Path) {
        std::fs::create_dir_all(folder).unwrap();
        git(folder, &["init", "--quiet"]);
        git(folder, &["commit", "--quiet", "--allow-empty", "--message", "one"]);
    }

    #[test]
    fn a_revision_that_is_not_there_is_no_failure_of_git() {
        let folder = tempfile::TempDir::new().unwrap();
        repository(folder.path());
        assert_eq!(commit(folder.path(), "HEAD").unwrap().unwrap().len(), 40);
        for none in ["nonsense", "HEAD~1", "--all", ""] {
            assert_eq!(commit(folder.path(), none), Ok(None), "{none}");
        }
        assert!(!is_shallow(folder.path()));
    }

    #[test]
    fn a_folder_outside_of_any_repository_is_named() {
        let failure = commit(Path::new("/"), "HEAD").unwrap_err();
        assert_eq!(failure, Failure::NoRepository("/".into()));
        assert_eq!(failure.to_string(), "/ is in no git repository");
    }

    #[test]
    fn the_repository_of_another_user_is_named_as_git_names_it() {
        let said = "fatal: detected dubious ownership in repository at '/builds/x y'\nTo add …";
        assert_eq!(repository_of(said, Path::new("/builds/x y/z")), Path::new("/builds/x y"));
    }
}
