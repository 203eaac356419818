//! One session at a time on a machine: [`MachineLock`].
//!
//! Two sessions at once would each measure the other. The lock is the kernel's, on a file that all
//! projects and users of a machine share: it ends with the process that holds it, however that ends,
//! so none is ever left over. The file stays and says who holds it. Containers with a folder for
//! temporary files of their own do not see each other.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::time::Duration;

use crate::exit::{Exit, ended};
use crate::interrupt::Interrupt;
use crate::project::Project;
use crate::session;

/// How often a waiting session looks.
const PATIENCE: Duration = Duration::from_millis(100);

/// The right to measure on this machine, until it is dropped.
#[derive(Debug)]
pub struct MachineLock {
    /// Nothing where the machine has no place for the lock.
    file: Option<File>,
}

impl MachineLock {
    /// Waits until no other session measures on this machine; with `no_wait` it refuses instead.
    ///
    /// Where the lock's file cannot be used, a notice says so and the session goes on without.
    ///
    /// # Errors
    /// When another session measures and `no_wait` is asked for, or the program is interrupted.
    pub fn take(
        project: &Project,
        no_wait: bool,
        interrupt: &Interrupt,
    ) -> anyhow::Result<MachineLock> {
        let path = std::env::temp_dir().join("loadline.lock");
        let without = |problem: &dyn std::fmt::Display| {
            let path = path.display();
            eprintln!("notice: cannot lock {path}: {problem}; nothing keeps another session away");
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
                        "another session measures on this machine ({}); it would be measured along (wait for it, or leave out --no-wait)",
                        holder(&mut file)
                    );
                    return Err(ended(Exit::CouldNotMeasure, text));
                }
                Err(TryLockError::WouldBlock) => {
                    if !std::mem::replace(&mut has_said_it, true) {
                        let holder = holder(&mut file);
                        eprintln!("waiting for another session on this machine to end ({holder})");
                    }
                    interrupt.check()?;
                    std::thread::sleep(PATIENCE);
                }
            }
        }
        // For the reader alone; the lock holds without.
        let _ = sign(&mut file, &project.root);
        Ok(MachineLock { file: Some(file) })
    }
}

impl Drop for MachineLock {
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            // Who comes next must not read who was here last; the kernel unlocks as it closes.
            let _ = file.set_len(0);
        }
    }
}

/// The lock's file, made by whoever comes first. Others may only read it, which is enough to lock.
fn open(path: &Path) -> std::io::Result<File> {
    // Written to below: in a folder that everybody may write to, a link could lead anywhere.
    if fs::symlink_metadata(path).is_ok_and(|found| !found.is_file()) {
        return Err(std::io::Error::new(ErrorKind::InvalidInput, "it is no regular file"));
    }
    let existing = OpenOptions::new().read(true).write(true).open(path);
    match existing.map_err(|error| (error.kind(), error)) {
        Ok(file) => Ok(file),
        Err((ErrorKind::NotFound, _)) => {
            match OpenOptions::new().read(true).write(true).create_new(true).open(path) {
                // Another session was quicker.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => File::open(path),
                made => made,
            }
        }
        Err((ErrorKind::PermissionDenied, _)) => File::open(path),
        Err((_, error)) => Err(error),
    }
}

fn sign(file: &mut File, root: &Path) -> std::io::Result<()> {
    file.set_len(0)?;
    let (pid, since) = (std::process::id(), session::rfc3339(session::now()));
    file.write_all(format!("process {pid}, since {since}, in {}\n", root.display()).as_bytes())
}

/// What the file says about who holds it.
fn holder(file: &mut File) -> String {
    let mut text = String::new();
    // On Windows nobody else may read what is locked.
    let _ = file.take(1000).read_to_string(&mut text);
    match text.trim() {
        "" => "it has not said which".to_owned(),
        said => said.to_owned(),
    }
}
