//! Writes files safely: a regular file is replaced whole or not at all, a device or pipe is written in place.

use crate::{Context, Result, bail};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The kind of file at a path that Loadline is about to write.
enum Target {
    /// A regular file, or no file yet; links are resolved.
    File(PathBuf),
    /// A device, a pipe or the like, which is written in place and never replaced.
    Special,
}

/// Writes `bytes` to `path`. A reader of a regular file sees either the whole old content or the whole new
/// content. A link stays a link, and its target is written. A device or a pipe is written in place.
///
/// # Errors
/// Returns an error if `path` cannot be written. A regular file keeps its old content then.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let shown = path.display();
    let file = match target(path)? {
        Target::File(file) => file,
        Target::Special => {
            let opened = File::options().append(true).open(path);
            let written = opened.and_then(|mut file| file.write_all(bytes));
            return written.with_context(|| format!("cannot write {shown}"));
        }
    };
    let folder = folder_of(&file);
    let mut new = next_to(&file)?;
    new.write_all(bytes)
        .and_then(|()| new.as_file().sync_all())
        .with_context(|| format!("cannot write {shown} (the old file is unchanged)"))?;
    if let Ok(old) = fs::metadata(&file) {
        new.as_file().set_permissions(old.permissions())?;
    }
    new.persist(&file).with_context(|| format!("cannot replace {shown}"))?;
    sync_folder(folder);
    Ok(())
}

/// Checks that `path` can be written, without changing anything.
///
/// # Errors
/// Returns an error if `path` cannot be written.
pub fn check(path: &Path) -> Result<()> {
    match target(path)? {
        Target::File(file) => next_to(&file).map(drop),
        // Opening a pipe would wait for its reader.
        Target::Special if is_pipe(path) => Ok(()),
        Target::Special => {
            let opened = File::options().append(true).open(path);
            opened.map(drop).with_context(|| format!("cannot write {}", path.display()))
        }
    }
}

/// Checks that the file `name` can be written in `folder`, which need not exist yet. Creates nothing that
/// stays.
///
/// # Errors
/// Returns an error if the file cannot be written.
pub fn check_made(folder: &Path, name: &str) -> Result<()> {
    let there = folder.ancestors().find(|folder| folder.is_dir());
    check(&there.unwrap_or(folder).join(name))
}

fn target(path: &Path) -> Result<Target> {
    let shown = path.display();
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => bail!("cannot write {shown}: it is a folder"),
        Ok(found) if !found.is_file() => Ok(Target::Special),
        Ok(_) if is_open_file(path) => Ok(Target::Special),
        Ok(_) => {
            let file = fs::canonicalize(path);
            Ok(Target::File(file.with_context(|| format!("cannot find {shown}"))?))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => match fs::read_link(path) {
            // The link points to a file that does not exist yet.
            Ok(to) => Ok(Target::File(folder_of(path).join(to))),
            Err(_) => Ok(Target::File(path.to_owned())),
        },
        Err(error) => Err(error).with_context(|| format!("cannot inspect {shown}")),
    }
}

/// Whether `path` names an open file of a process, such as `/dev/stdout`. Other processes may hold that file
/// too.
fn is_open_file(path: &Path) -> bool {
    ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc"].iter().any(|of| path.starts_with(of))
}

#[cfg(unix)]
fn is_pipe(path: &Path) -> bool {
    use std::os::unix::fs::FileTypeExt;
    fs::metadata(path).is_ok_and(|found| found.file_type().is_fifo())
}

#[cfg(not(unix))]
fn is_pipe(_: &Path) -> bool {
    false
}

/// Creates `folder` and its missing parent folders. Only the user and the user's group can write to new
/// folders, whatever the umask.
///
/// # Errors
/// Returns an error if the folder cannot be created.
pub fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o775);
    builder.recursive(true).create(folder)
}

/// Returns options to open a file with. No other user can write to a new file, whatever the umask.
pub fn options() -> fs::OpenOptions {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o644);
    options
}

/// Creates a temporary file next to `file`. The temporary file is deleted unless it replaces `file`.
fn next_to(file: &Path) -> Result<tempfile::NamedTempFile> {
    let folder = folder_of(file);
    let mut builder = tempfile::Builder::new();
    // Temporary files are private, but a file that replaces one of the repository must be readable by others.
    #[cfg(unix)]
    let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    #[cfg(unix)]
    builder.permissions(permissions);
    builder.tempfile_in(folder).with_context(|| format!("cannot write in {}", folder.display()))
}

fn folder_of(file: &Path) -> &Path {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// Makes the entries of `folder` survive a power cut, where the system offers that.
pub fn sync_folder(folder: &Path) {
    if cfg!(unix) {
        // Some file systems cannot sync a folder; they keep its entries as well as they can.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A reader sees the whole old file or the whole new file. In a read-only folder, the old file stays.
    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("file");
        check(&path).unwrap();
        assert!(!path.exists(), "a check leaves nothing");
        replace(&path, b"old").unwrap();
        let mut permissions = fs::metadata(&path).unwrap().permissions();
        let reader = File::open(&path).unwrap();
        permissions.set_readonly(true);
        fs::set_permissions(&path, permissions.clone()).unwrap();
        check(&path).unwrap();
        replace(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(std::io::read_to_string(reader).unwrap(), "old");
        assert_eq!(fs::metadata(&path).unwrap().permissions(), permissions);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        for nowhere in [folder.path().join("gone/file"), folder.path().to_owned()] {
            assert!(check(&nowhere).is_err());
            assert!(replace(&nowhere, b"new").is_err());
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_stays_and_what_it_leads_to_is_written() {
        let folder = tempfile::TempDir::new().unwrap();
        let [link, file] = ["link", "file"].map(|name| folder.path().join(name));
        std::os::unix::fs::symlink("file", &link).unwrap();
        for text in ["made", "replaced"] {
            check(&link).unwrap();
            replace(&link, text.as_bytes()).unwrap();
            assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_or_a_device_is_written_to_and_stays() {
        let folder = tempfile::TempDir::new().unwrap();
        let pipe = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status();
        assert!(made.unwrap().success());
        // There is no reader yet.
        check(&pipe).unwrap();
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        replace(&pipe, b"report").unwrap();
        assert_eq!(reader.join().unwrap(), b"report");
        assert!(is_pipe(&pipe));
        // The path is a link, because taking the device for a file would then replace only the link.
        let null = folder.path().join("null");
        std::os::unix::fs::symlink("/dev/null", &null).unwrap();
        check(&null).unwrap();
        replace(&null, b"report").unwrap();
        assert!(fs::symlink_metadata(&null).unwrap().is_symlink());
        if cfg!(target_os = "linux") {
            let full = folder.path().join("full");
            std::os::unix::fs::symlink("/dev/full", &full).unwrap();
            let error = format!("{:#}", replace(&full, b"report").unwrap_err());
            assert!(error.contains("No space left"), "{error}");
            assert!(fs::symlink_metadata(&full).unwrap().is_symlink());
        }
    }
}
