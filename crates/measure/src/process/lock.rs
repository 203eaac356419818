//! [`MachineLock`] allows one session at a time on a machine.
//!
//! Two sessions at once would disturb each other's measurements. The lock is the kernel's lock on a file that
//! all projects and users of a machine share. The kernel releases it when the process ends, so no lock is
//! ever left over. The file stays, and its text names the process that holds the lock. Containers that have
//! their own folder for temporary files do not see each other's lock.

use loadline_record::atomic;
use loadline_record::time;
use loadline_record::{Error, Exit, Result};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Seek, Write};
use std::path::Path;
use std::time::Duration;

use crate::out;
use crate::process::interrupt::Interrupt;
use crate::project::folders::Project;

/// The time between two attempts of a waiting session.
const PATIENCE: Duration = Duration::from_millis(100);

/// The right to measure on this machine, until it is dropped.
#[derive(Debug)]
pub struct MachineLock {
    /// `None` where the machine has no place for the lock.
    file: Option<File>,
}

impl MachineLock {
    /// Waits until no other session measures on this machine. With `no_wait` it refuses instead.
    ///
    /// If the lock's file cannot be used, a notice says so, and the session continues without the lock.
    ///
    /// # Errors
    /// When another session measures and `no_wait` is set, or when the program is interrupted.
    pub fn take(project: &Project, no_wait: bool, interrupt: &Interrupt) -> Result<MachineLock> {
        let path = std::env::temp_dir().join("loadline.lock");
        let without = |problem: &dyn std::fmt::Display| {
            let path = path.display();
            out::note(format_args!(
                "notice: cannot lock {path}: {problem}; another session can disturb this one"
            ));
            Ok(MachineLock { file: None })
        };
        let mut file = match open(&path) {
            Ok(file) => file,
            Err(error) => return without(&error),
        };
        let mut has_said_it = false;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return without(&error),
                Err(TryLockError::WouldBlock) if no_wait => {
                    let text = format!(
                        "another session measures on this machine ({}) and would disturb this one (wait for it, or leave out --no-wait)",
                        holder(&mut file)
                    );
                    return Err(Error::new(Exit::CouldNotMeasure, text));
                }
                Err(TryLockError::WouldBlock) => {
                    if !std::mem::replace(&mut has_said_it, true) {
                        let holder = holder(&mut file);
                        out::note(format_args!(
                            "waiting for another session on this machine to end ({holder})"
                        ));
                    }
                    interrupt.check()?;
                    std::thread::sleep(PATIENCE);
                }
            }
        }
        // The text only informs people; the lock works without it.
        let _ = sign(&mut file, &project.root);
        Ok(MachineLock { file: Some(file) })
    }
}

impl Drop for MachineLock {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // The next session must not read this session's text. Closing the file releases the lock.
            let _ = file.set_len(0);
        }
    }
}

/// Opens the lock's file, and makes it if it is missing. Other users may only read it, which is enough to
/// lock it.
fn open(path: &Path) -> std::io::Result<File> {
    let existing = options().open(path);
    let file = match existing.map_err(|error| (error.kind(), error)) {
        Ok(file) => Ok(file),
        Err((ErrorKind::NotFound, _)) => match options().create_new(true).open(path) {
            // Another session has made the file first.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => read_only().open(path),
            made => made,
        },
        Err((ErrorKind::PermissionDenied, _)) => read_only().open(path),
        Err((_, error)) => Err(error),
    }?;
    // This process writes to the file, and everybody may write to its folder. So the file must be neither a
    // symbolic link nor a second hard link to a file of the user.
    let found = file.metadata()?;
    if !found.is_file() || n_names(&found) > 1 {
        return Err(std::io::Error::new(
            ErrorKind::InvalidInput,
            "it is a link, or not a regular file",
        ));
    }
    Ok(file)
}

fn options() -> OpenOptions {
    let mut options = read_only();
    options.write(true);
    options
}

#[cfg(unix)]
fn read_only() -> OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;

    use rustix::fs::OFlags;

    let mut options = atomic::options();
    // Do not follow a link, and do not wait for the reader of a pipe.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    options.read(true).custom_flags(flags.bits() as i32);
    options
}

#[cfg(not(unix))]
fn read_only() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true);
    options
}

#[cfg(unix)]
fn n_names(found: &fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(found)
}

#[cfg(not(unix))]
fn n_names(_: &fs::Metadata) -> u64 {
    1
}

fn sign(file: &mut File, root: &Path) -> std::io::Result<()> {
    file.set_len(0)?;
    // A session that waited has read the text of the session before, up to its end.
    file.rewind()?;
    let (pid, since) = (std::process::id(), time::rfc3339(time::now()));
    file.write_all(format!("process {pid}, since {since}, in {}\n", root.display()).as_bytes())
}

/// The text of the file, which names the process that holds the lock.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    // On Windows no other process may read a locked file.
    let _ = file.take(1000).read_to_string(&mut text);
    match text.trim() {
        said if !said.is_empty() && is_alive(said) => said.to_owned(),
        // A holder that may not write here leaves the text of an earlier, killed holder.
        _ => "its process is unknown".to_owned(),
    }
}

/// Whether the process that wrote `said` may still run. Returns true where the system does not tell.
fn is_alive(said: &str) -> bool {
    let pid = said.strip_prefix("process ").and_then(|rest| rest.split_once(','));
    let Some((pid, _)) = pid.filter(|_| Path::new("/proc/self").exists()) else { return true };
    Path::new("/proc").join(pid).exists()
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_link_is_neither_followed_nor_written_to() {
        let folder = tempfile::TempDir::new().unwrap();
        let [mine, lock] = ["mine", "lock"].map(|name| folder.path().join(name));
        fs::write(&mine, "precious").unwrap();
        std::os::unix::fs::symlink(&mine, &lock).unwrap();
        assert!(open(&lock).is_err());
        fs::remove_file(&lock).unwrap();
        fs::hard_link(&mine, &lock).unwrap();
        assert_eq!(open(&lock).unwrap_err().to_string(), "it is a link, or not a regular file");
        assert_eq!(fs::read_to_string(&mine).unwrap(), "precious");
        fs::remove_file(&lock).unwrap();
        let mut file = open(&lock).unwrap();
        sign(&mut file, folder.path()).unwrap();
        assert!(holder(&mut open(&lock).unwrap()).starts_with("process "));
    }

    #[test]
    fn a_session_that_waited_signs_from_the_start_of_the_file() {
        let folder = tempfile::TempDir::new().unwrap();
        let lock = folder.path().join("lock");
        sign(&mut open(&lock).unwrap(), folder.path()).unwrap();
        let mut waited = open(&lock).unwrap();
        assert!(holder(&mut waited).starts_with("process "));
        sign(&mut waited, folder.path()).unwrap();
        let text = fs::read_to_string(&lock).unwrap();
        assert!(text.starts_with("process "), "{text:?}");
    }

    #[test]
    fn a_holder_that_is_gone_is_not_named() {
        let folder = tempfile::TempDir::new().unwrap();
        let lock = folder.path().join("lock");
        // No process has this number.
        fs::write(&lock, "process 999999999, since 2026-01-01, in /x").unwrap();
        let said = holder(&mut open(&lock).unwrap());
        let is_told = Path::new("/proc/self").exists();
        assert_eq!(said == "its process is unknown", is_told, "{said}");
    }
}
