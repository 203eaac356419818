//! Reads entries and compares them with their seals.

use std::fs::{File, Metadata};
use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use super::entry::{self, Failure, Seals};
use super::key::StoreKey;
use super::open::{ArtifactStore, ENTRIES};
use super::options::StoreOptions;
use super::write::Turn;
use crate::artifact::Artifact;
use crate::error::Error;
use crate::trust::guard;

/// How old the recorded time of the last use of an entry may be. Recording every use would turn every load
/// into a write.
const USE_NOTED_AFTER: Duration = Duration::from_secs(60);

/// The result of [`ArtifactStore::verify`].
#[derive(Debug, Default)]
pub struct Verified {
    /// The number of entries that are unchanged since they were written.
    pub sound: usize,
    /// The file names of the entries that were set aside, and the reasons.
    pub set_aside: Vec<(String, Error)>,
}

/// The result of reading an entry.
pub(super) enum Look {
    Sound(Artifact),
    Nothing,
    Unsound(Error),
}

impl ArtifactStore {
    /// Returns the artifact of a key, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// If the entry is unusable, the store sets it aside and returns the reason as an [`Error::File`].
    /// [`Error::Read`] if the folder cannot be used.
    pub fn get(&self, name: &StoreKey) -> Result<Option<Artifact>, Error> {
        match self.look(name)? {
            Look::Sound(artifact) => return Ok(Some(self.found(artifact))),
            Look::Nothing => return Ok(None),
            Look::Unsound(_) => {}
        }
        // Another process may have replaced the entry meanwhile. This is impossible under the lock.
        let mut turn = self.lock(name)?;
        match self.look(name)? {
            Look::Sound(artifact) => Ok(Some(self.found(artifact))),
            Look::Nothing => Ok(None),
            Look::Unsound(reason) => {
                turn.set_aside(&name.to_string(), &reason)?;
                Err(reason.in_file(self.entry(&name.to_string())))
            }
        }
    }

    /// Reads every entry and compares it with its seal. Sets aside entries that differ.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] or [`Error::Write`] if the folder cannot be used.
    pub fn verify(&self) -> Result<Verified, Error> {
        let mut verified = Verified::default();
        for file in self.files(ENTRIES)? {
            let checked = match file.name.parse::<StoreKey>() {
                Ok(name) => {
                    let mut turn = self.lock(&name)?;
                    match self.look(&name)? {
                        Look::Sound(_) => Ok(()),
                        Look::Nothing => continue,
                        Look::Unsound(reason) => {
                            turn.set_aside(&file.name, &reason).map(|()| Err(reason))?
                        }
                    }
                }
                Err(reason) => {
                    let mut turn =
                        Turn { store: self, lock: None, compiled: None, warnings: vec![] };
                    turn.set_aside(&file.name, &reason).map(|()| Err(reason))?
                }
            };
            match checked {
                Ok(()) => verified.sound += 1,
                Err(reason) => verified.set_aside.push((file.name, reason)),
            }
        }
        Ok(verified)
    }

    pub(super) fn found(&self, artifact: Artifact) -> Artifact {
        self.inner.found.fetch_add(1, Ordering::Relaxed);
        artifact
    }

    /// Opens an entry once, then checks and reads the opened file.
    pub(super) fn look(&self, name: &StoreKey) -> Result<Look, Error> {
        let StoreOptions { key, guard, is_sealed, .. } = &self.inner.options;
        let path = self.entry(&name.hex());
        let mut file = match guard::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Look::Nothing),
            // An error such as too many open files is not the fault of the entry.
            Err(source) if is_ours(&source) => return Err(Error::Read { path, source }),
            Err(source) => return Ok(Look::Unsound(Error::Read { path, source })),
        };
        let found = match file.metadata() {
            Ok(found) => found,
            Err(source) => return Err(Error::Read { path, source }),
        };
        if let Err(error) = guard.file(&found, &path) {
            return Ok(Look::Unsound(error));
        }
        // Lock the file so that no process evicts it meanwhile. If an eviction has already begun, the open
        // file is still complete.
        let _ = file.try_lock_shared();
        let seals = if *is_sealed { Seals::Check(key.as_ref()) } else { Seals::Trust };
        match entry::read(&mut file, found.len(), name, seals) {
            Ok(artifact) => {
                note_use(&file, &found);
                Ok(Look::Sound(artifact))
            }
            Err(Failure::Unsound(error)) => Ok(Look::Unsound(error)),
            Err(Failure::Unreadable(source)) if source.kind() == io::ErrorKind::IsADirectory => {
                Ok(Look::Unsound(Error::Read { path, source }))
            }
            Err(Failure::Unreadable(source)) => Err(Error::Read { path, source }),
        }
    }
}

/// Records the use of an entry for eviction. A failure is ignored, because it must not make a load fail.
fn note_use(file: &File, found: &Metadata) {
    let now = SystemTime::now();
    let last = found.modified();
    if last.is_ok_and(|last| now.duration_since(last).is_ok_and(|age| age > USE_NOTED_AFTER)) {
        let _ = file.set_modified(now);
    }
}

/// Returns whether this process or the machine caused an error of opening, and not the entry.
fn is_ours(error: &io::Error) -> bool {
    #[cfg(unix)]
    {
        let all = [libc::EACCES, libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::EINTR, libc::EIO];
        error.raw_os_error().is_some_and(|code| all.contains(&code))
    }
    #[cfg(not(unix))]
    {
        error.kind() == io::ErrorKind::OutOfMemory
    }
}
