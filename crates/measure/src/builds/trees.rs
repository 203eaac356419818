//! The trees that other builds are made in: worktrees of a revision, and copies of the workspace.

use loadline_record::{Context, Error, Exit, Result};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::builds::wasmtime::{Wasmtime, on_wasmtime};
use crate::project::git;
use loadline_record::atomic::make_folder;

/// The commit that the revision `asked` means in the repository of `sources`.
///
/// # Errors
/// When there is no such revision.
pub fn commit(sources: &Path, asked: &str) -> Result<String> {
    let shown = sources.display();
    let why = match git::commit(sources, asked) {
        Ok(Some(commit)) => return Ok(commit),
        Ok(None) if git::is_shallow(sources) => format!(
            "there is no such revision in {shown}, which is a shallow clone (git fetch --unshallow brings the rest of the history)"
        ),
        Ok(None) => {
            format!(
                "there is no such revision in {shown} (git fetch gets revisions of other clones)"
            )
        }
        Err(failure) => failure.to_string(),
    };
    Err(Error::new(Exit::Usage, format!("cannot use --against {asked}: {why}")))
}

/// The commit that is checked out at `sources`. `None` where a file has been changed since.
pub fn commit_of(sources: &Path) -> Option<String> {
    let changes = git::text(sources, &["status", "--porcelain"]).ok()?;
    if changes.is_empty() { commit(sources, "HEAD").ok() } else { None }
}

/// The files in which a repository's working tree differs from one of its commits.
#[derive(Debug, Clone, Default)]
pub struct Changes {
    /// The repository's top folder.
    pub top: PathBuf,
    /// The files that were changed, added or removed since the commit, relative to `top`. Files that git
    /// ignores are left out.
    pub files: Vec<PathBuf>,
}

impl Changes {
    /// Whether a changed file may be part of the runner that is built in the workspace `sources`.
    pub fn touch_runner(&self, sources: &Path) -> bool {
        const PARTS: [&str; 6] = [
            "crates",
            "Cargo.toml",
            "Cargo.lock",
            ".cargo",
            "rust-toolchain",
            "rust-toolchain.toml",
        ];
        self.files.iter().any(|file| {
            let place = self.top.join(file);
            PARTS.iter().any(|part| place.starts_with(sources.join(part)))
        })
    }
}

/// Finds the differences between `commit` and the working tree around `sources`.
///
/// # Errors
/// When git fails.
pub fn changes(sources: &Path, commit: &str) -> Result<Changes> {
    let top = git::path(sources, &["rev-parse", "--show-toplevel"])?;
    let top = top.canonicalize().unwrap_or(top);
    let tracked = git::bytes(&top, &["diff", "--name-only", "--no-renames", "-z", commit, "--"])?;
    let others = git::bytes(&top, &["ls-files", "--others", "--exclude-standard", "-z"])?;
    let names = [tracked, others].concat();
    let names = names.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let files = names.map(|name| PathBuf::from(String::from_utf8_lossy(name).into_owned()));
    Ok(Changes { files: files.collect(), top })
}

/// A checked-out revision. Dropping this value removes the files.
#[derive(Debug)]
pub struct Checkout {
    tree: Tree,
    _folder: tempfile::TempDir,
}

impl Checkout {
    /// Checks `commit` out into a new folder under `folder`.
    ///
    /// # Errors
    /// When the folder cannot be written, or git refuses.
    pub fn of(workspace: &Path, commit: &str, folder: &Path) -> Result<Checkout> {
        let shown = folder.display();
        make_folder(folder).with_context(|| format!("cannot make folder {shown}"))?;
        let place = tempfile::TempDir::with_prefix_in("revision-", folder);
        let place = place.with_context(|| format!("cannot write in {shown}"))?;
        let mut tree = Tree::at(&place.path().join("tree"))?;
        tree.check_out(workspace, commit)?;
        Ok(Checkout { tree, _folder: place })
    }

    /// The path of the workspace inside the checkout.
    pub fn workspace(&self) -> &Path {
        &self.tree.workspace
    }
}

/// A tree of sources. Dropping this value removes the files.
#[derive(Debug)]
pub struct Tree {
    place: PathBuf,
    /// The path of the workspace inside the tree.
    pub workspace: PathBuf,
    /// The repository in which git has registered the tree as a worktree.
    repository: Option<PathBuf>,
}

impl Tree {
    /// Makes `place` an empty tree, and removes what a killed session left there.
    ///
    /// # Errors
    /// When the old files cannot be removed.
    pub fn at(place: &Path) -> Result<Tree> {
        if place.exists() {
            fs::remove_dir_all(place)
                .with_context(|| format!("cannot remove {}", place.display()))?;
        }
        let (place, workspace) = (place.to_owned(), place.to_owned());
        Ok(Tree { place, workspace, repository: None })
    }

    /// Checks `commit` of the repository of `sources` out into this tree.
    ///
    /// # Errors
    /// When git refuses.
    pub fn check_out(&mut self, sources: &Path, commit: &str) -> Result<()> {
        self.repository = Some(sources.to_owned());
        // Hooks are off, because a hook of the repository may do anything and is not meant for this tree.
        // `--force` replaces the worktree of a killed session.
        let add = "-c core.hooksPath=/dev/null worktree add --quiet --detach --force";
        let mut arguments: Vec<&OsStr> = add.split(' ').map(OsStr::new).collect();
        arguments.extend([self.place.as_os_str(), OsStr::new(commit)]);
        git::bytes(sources, &arguments)
            .with_context(|| format!("cannot make a worktree of {commit}"))?;
        self.workspace = self.place.join(git::path(sources, &["rev-parse", "--show-prefix"])?);
        if self.place.join(".gitmodules").is_file() {
            let update = ["submodule", "--quiet", "update", "--init", "--recursive"];
            git::bytes(&self.place, &update)
                .with_context(|| format!("cannot check out the submodules of {commit}"))?;
        }
        Ok(())
    }

    /// Copies the workspace `sources` into this tree, with manifests that ask for another Wasmtime.
    ///
    /// # Errors
    /// When the sources cannot be read, or the tree cannot be written.
    pub fn copy_with(&mut self, sources: &Path, wasmtime: &Wasmtime) -> Result<()> {
        let shown = self.place.display();
        for entry in ["Cargo.toml", "Cargo.lock", ".cargo", "crates", "xtask"] {
            copy(&sources.join(entry), &self.place.join(entry))
                .with_context(|| format!("cannot copy {entry} to {shown}"))?;
        }
        let path = self.place.join("Cargo.toml");
        let text = fs::read_to_string(&path)?;
        let text = on_wasmtime(&text, wasmtime).context("cannot change Cargo.toml")?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // The next session or `cargo clean` removes whatever cannot be removed now.
        let _ = fs::remove_dir_all(&self.place);
        if let Some(repository) = &self.repository {
            // Only this worktree is removed. The folder of another worktree may be on a disk that is not
            // mounted now.
            let remove = ["worktree", "remove", "--force"].map(OsStr::new);
            let _ =
                git::bytes(repository, &[&remove, [self.place.as_os_str()].as_slice()].concat());
        }
    }
}

/// Copies a file, or a folder with everything in it. Does nothing if `from` does not exist.
///
/// # Errors
/// When a file cannot be read or written.
pub fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if !from.exists() {
        return Ok(());
    }
    if !from.is_dir() {
        to.parent().map_or(Ok(()), make_folder)?;
        return fs::copy(from, to).map(drop);
    }
    make_folder(to)?;
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        copy(&from.join(&name), &to.join(&name))?;
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::project::git::tests::{git, repository};

    #[test]
    fn a_revision_that_a_shallow_clone_lacks_is_told_with_what_brings_it() {
        let folder = tempfile::TempDir::new().unwrap();
        let [own, clone] = ["own", "clone"].map(|name| folder.path().join(name));
        repository(&own);
        git(&own, &["commit", "--quiet", "--allow-empty", "--message", "two"]);
        let url = format!("file://{}", own.display());
        git(folder.path(), &["clone", "--quiet", "--depth", "1", &url, clone.to_str().unwrap()]);
        let said = |sources: &Path, asked| commit(sources, asked).unwrap_err().to_string();
        assert!(commit(&own, "HEAD~1").is_ok());
        let shallow = said(&clone, "HEAD~1");
        assert!(
            shallow.ends_with(
                "a shallow clone (git fetch --unshallow brings the rest of the history)"
            ),
            "{shallow}"
        );
        let gone = said(&own, "gone");
        assert!(gone.ends_with("(git fetch gets revisions of other clones)"), "{gone}");
        let outside = said(Path::new("/"), "HEAD");
        assert_eq!(outside, "cannot use --against HEAD: / is in no git repository");
    }

    /// A user's worktree may lie on a disk that is not mounted for the moment.
    #[test]
    fn other_worktrees_stay_registered_while_their_folders_are_away() {
        let folder = tempfile::TempDir::new().unwrap();
        let [own, user, away, place] =
            ["own", "user", "away", "place"].map(|name| folder.path().join(name));
        repository(&own);
        git(&own, &["worktree", "add", "--quiet", "--detach", user.to_str().unwrap()]);
        fs::rename(&user, &away).unwrap();
        let head = git(&own, &["rev-parse", "HEAD"]);
        // The second pass finds what a killed session has left.
        for _ in 0..2 {
            let mut tree = Tree::at(&place).unwrap();
            tree.check_out(&own, &head).unwrap();
            assert_eq!(git(&place, &["rev-parse", "HEAD"]), head);
            std::mem::forget(tree);
        }
        let mut tree = Tree::at(&place).unwrap();
        tree.check_out(&own, &head).unwrap();
        drop(tree);
        fs::rename(&away, &user).unwrap();
        assert_eq!(git(&user, &["rev-parse", "HEAD"]), head);
        let worktrees = git(&own, &["worktree", "list"]);
        assert!(!place.exists() && !worktrees.contains("place"), "{worktrees}");
    }
}
