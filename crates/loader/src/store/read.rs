//! Entries that are read, and compared with their seals.

use std::fs::{File, Metadata};
use std::io;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use super::entry::{self, Failure, Seals};
use super::key::StoreKey;
use super::open::{ENTRIES, Store};
use super::options::StoreOptions;
use super::write::Turn;
use crate::artifact::Artifact;
use crate::error::Error;
use crate::trust::guard;

/// How long the note of when an entry was last used may be behind: writing it at each use would
/// make every load a write.
const USE_NOTED_AFTER: Duration = Duration::from_secs(60);

/// What [`Store::verify`] found.
#[derive(Debug, Default)]
pub struct Verified {
    /// Entries that are what was written.
    pub sound: usize,
    /// Entries that were not, and have been set aside: their file names, and what was wrong.
    pub set_aside: Vec<(String, Error)>,
}

/// What a look at an entry's place found.
pub(super) enum Look {
    Sound(Artifact),
    Nothing,
    Unsound(Error),
}

impl Store {
    /// The artifact under a key, where there is one.
    ///
    /// # Errors
    ///
    /// What is wrong with the entry, which has then been set aside, as an [`Error::File`];
    /// [`Error::Read`] where the folder cannot be used.
    pub fn get(&self, name: &StoreKey) -> Result<Option<Artifact>, Error> {
        match self.look(name)? {
            Look::Sound(artifact) => return Ok(Some(self.found(artifact))),
            Look::Nothing => return Ok(None),
            Look::Unsound(_) => {}
        }
        // Somebody may have replaced it meanwhile; under the lock nobody does.
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

    /// Reads every entry and compares it with its seal; sets aside what differs.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] or [`Error::Write`] where the folder cannot be used.
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
                    let mut turn = Turn { store: self, lock: None, warnings: Vec::new() };
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

    /// Opens an entry once, and judges and reads what was opened.
    pub(super) fn look(&self, name: &StoreKey) -> Result<Look, Error> {
        let StoreOptions { key, guard, is_sealed, .. } = &self.inner.options;
        let path = self.entry(&name.hex());
        let mut file = match guard::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Look::Nothing),
            // Too many open files are no fault of the entry.
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
        // So that nobody evicts it meanwhile. Where that is happening already, it is still whole.
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

/// Notes that an entry was used, for whoever makes room. Not being able to is no reason to fail.
fn note_use(file: &File, found: &Metadata) {
    let now = SystemTime::now();
    let last = found.modified();
    if last.is_ok_and(|last| now.duration_since(last).is_ok_and(|age| age > USE_NOTED_AFTER)) {
        let _ = file.set_modified(now);
    }
}

/// Whether an error of opening is this process's or the machine's, not the entry's.
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
