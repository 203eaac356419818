//! Where runners of other trees are built, one at a time.
//!
//! The other build has a target directory of its own as well, `target/against/build`. Two trees in
//! one target directory would be mistaken for each other: Cargo names the output of a workspace's
//! crates by their path within the workspace and tells old from new by the time of the files. What
//! comes from the registry, Wasmtime above all, is the same for both and is linked over.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use xshell::{Shell, cmd};

use crate::interrupt::Interrupt;
use crate::out;
use crate::project::Project;
use crate::runner::build_in;
use crate::trees::copy;

/// `target/against`: where other builds are made, one at a time.
#[derive(Debug)]
pub struct Yard {
    /// It.
    pub folder: PathBuf,
    /// The project's own Cargo folder, from which libraries are taken.
    target: PathBuf,
    _lock: File,
}

impl Yard {
    /// Waits for its turn.
    ///
    /// # Errors
    /// When the folder cannot be written, or the program is interrupted.
    pub fn open(project: &Project, interrupt: &Interrupt) -> anyhow::Result<Yard> {
        let target = project.target();
        let folder = target.join("against");
        let shown = folder.display();
        fs::create_dir_all(&folder).with_context(|| format!("cannot make folder {shown}"))?;
        let lock = File::create(folder.join("lock"))
            .with_context(|| format!("cannot write in {shown}"))?;
        let mut has_waited = false;
        while let Err(fs::TryLockError::WouldBlock) = lock.try_lock() {
            if !has_waited {
                out::note(format_args!("waiting for another session's build in {shown}"));
            }
            has_waited = true;
            interrupt.check()?;
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        Ok(Yard { folder, target, _lock: lock })
    }

    /// The runner of a commit, built in the workspace that `lay_out` makes unless it has been built
    /// before. `cargo clean` forgets it.
    ///
    /// # Errors
    /// When it does not build, or what is built cannot be kept.
    pub fn build_once(
        &self,
        commit: &str,
        lay_out: impl FnOnce() -> anyhow::Result<PathBuf>,
    ) -> anyhow::Result<PathBuf> {
        let built = self.folder.join("built").join(format!("{commit}-{:016x}", toolchain()?));
        let program = built.join(format!("loadline-runner{}", std::env::consts::EXE_SUFFIX));
        if program.is_file() {
            return Ok(program);
        }
        let workspace = lay_out()?;
        let fresh = keep(&self.build(&workspace)?, &self.folder.join("fresh"))?;
        fs::create_dir_all(&built)?;
        fs::rename(&fresh, &program)
            .with_context(|| format!("cannot move a runner to {}", built.display()))?;
        Ok(program)
    }

    /// Builds the runner of `workspace`; the program, until the next build.
    ///
    /// # Errors
    /// When it does not build.
    pub fn build(&self, workspace: &Path) -> anyhow::Result<PathBuf> {
        let build = self.folder.join("build");
        let (from, to) = (self.target.join("debug"), build.join("debug"));
        forget_workspace_crates(&to)?;
        // A build that has to compile Wasmtime again is slow, not wrong.
        if let Err(error) = link_libraries(&from, &to) {
            out::note(format_args!("cannot take libraries over from {}: {error}", from.display()));
        }
        build_in(workspace, Some(&build))
    }
}

/// What decides beside its sources how a runner is built: the compiler and the flags for it.
fn toolchain() -> anyhow::Result<u64> {
    let shell = Shell::new().context("cannot start a shell")?;
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let mut hasher = DefaultHasher::new();
    cmd!(shell, "{rustc} -vV").quiet().read()?.hash(&mut hasher);
    let prefixes = ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_PROFILE_", "CARGO_BUILD_"];
    let is_flag = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let flags = std::env::vars_os().filter(|(name, _)| is_flag(&name.to_string_lossy()));
    std::collections::BTreeMap::from_iter(flags).hash(&mut hasher);
    Ok(hasher.finish())
}

/// Copies `program` into `folder`: what stands in Cargo's own place changes with the next build.
///
/// # Errors
/// When it cannot.
pub fn keep(program: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let name = program.file_name().context("the program has no name")?;
    let kept = folder.join(name);
    copy(program, &kept)
        .with_context(|| format!("cannot copy {} to {}", program.display(), kept.display()))?;
    ensure!(kept.is_file(), "{} has vanished", program.display());
    Ok(kept)
}

/// Whether Cargo made `name`, of the form `crate-hash`, for a crate of a workspace like this one.
fn is_of_workspace(name: &str) -> bool {
    name.starts_with("loadline") || name.starts_with("xtask")
}

/// Takes away what tells Cargo that the workspace's crates are built: they were, of another tree.
fn forget_workspace_crates(folder: &Path) -> std::io::Result<()> {
    let Ok(entries) = fs::read_dir(folder.join(".fingerprint")) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        if is_of_workspace(&entry.file_name().to_string_lossy()) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Takes over from the Cargo profile folder `from` every library that `to` does not have.
///
/// Libraries are linked: rustc replaces them and never writes into one. Everything small is copied
/// with its time, by which Cargo tells whether it is up to date; what makes a library count as
/// built comes last.
fn link_libraries(from: &Path, to: &Path) -> std::io::Result<()> {
    let (marks, known) = (from.join(".fingerprint"), to.join(".fingerprint"));
    if !marks.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(&known)?;
    fs::create_dir_all(to.join("deps"))?;
    let mut missing = Vec::new();
    for entry in fs::read_dir(&marks)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !is_of_workspace(&name) && !known.join(&name).exists() {
            missing.push(name);
        }
    }
    let hashes: std::collections::BTreeSet<&str> =
        missing.iter().filter_map(|name| name.rsplit('-').next()).collect();
    for entry in fs::read_dir(from.join("deps"))? {
        let name = entry?.file_name();
        let shown = name.to_string_lossy();
        let stem = shown.split('.').next().unwrap_or(&shown);
        if stem.rsplit('-').next().is_some_and(|hash| hashes.contains(hash)) {
            let (original, link) = (from.join("deps").join(&name), to.join("deps").join(&name));
            // What is there belongs to a build that was not finished.
            let _ = fs::remove_file(&link);
            if fs::hard_link(&original, &link).is_err() {
                copy_with_time(&original, &link)?;
            }
        }
    }
    for name in &missing {
        copy_with_time(&from.join("build").join(name), &to.join("build").join(name))?;
    }
    for name in &missing {
        let part = known.join(format!(".part-{name}"));
        copy_with_time(&marks.join(name), &part)?;
        fs::rename(&part, known.join(name))?;
    }
    Ok(())
}

/// Copies a file or folder, if it is there; the copies are as old as the originals.
fn copy_with_time(from: &Path, to: &Path) -> std::io::Result<()> {
    copy(from, to)?;
    let mut pending = vec![PathBuf::new()];
    while let Some(place) = pending.pop() {
        let (original, copied) = (from.join(&place), to.join(&place));
        if original.is_dir() {
            for entry in fs::read_dir(&original)? {
                pending.push(place.join(entry?.file_name()));
            }
        } else if original.is_file() {
            let times = fs::FileTimes::new().set_modified(fs::metadata(&original)?.modified()?);
            File::options().write(true).open(&copied)?.set_times(times)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Libraries are taken over once, with the time by which Cargo knows them; a workspace's own
    /// crates never are.
    #[test]
    fn libraries_are_taken_over_and_workspace_crates_are_not() {
        let folder = tempfile::TempDir::new().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let files = [
            ".fingerprint/anyhow-11/lib-anyhow",
            "build/anyhow-11/output",
            "deps/libanyhow-11.rlib",
            "deps/anyhow-11.d",
            ".fingerprint/loadline-loader-22/lib",
            "deps/libloadline_loader-22.rlib",
        ];
        let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1 << 30);
        for file in files {
            fs::create_dir_all(from.join(file).parent().unwrap()).unwrap();
            let file = File::create(from.join(file)).unwrap();
            file.set_modified(long_ago).unwrap();
        }
        link_libraries(&from, &to).unwrap();
        for file in files {
            let modified = fs::metadata(to.join(file)).and_then(|file| file.modified()).ok();
            let expected = (!file.contains("loadline")).then_some(long_ago);
            assert_eq!(modified, expected, "{file}");
        }
        // What has been built here since is not replaced.
        fs::write(to.join(files[2]), "newer").unwrap();
        fs::write(to.join(".fingerprint/anyhow-11/lib-anyhow"), "newer").unwrap();
        link_libraries(&from, &to).unwrap();
        assert_eq!(fs::read(to.join(files[1])).unwrap(), b"");
        assert_eq!(fs::read(to.join(".fingerprint/anyhow-11/lib-anyhow")).unwrap(), b"newer");
        forget_workspace_crates(&from).unwrap();
        assert!(!from.join(files[4]).exists() && from.join(files[0]).exists());
    }
}
