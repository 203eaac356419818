//! A store: compiled artifacts on disk, found by what they were compiled from.
//!
//! Any number of threads and processes use one folder at the same time. What one of them compiles,
//! none of them compiles again.
//!
//! ```
//! # #[cfg(feature = "compile")]
//! # fn main() -> Result<(), loadline_loader::Error> {
//! use loadline_loader::wasmtime::Engine;
//! use loadline_loader::{Store, StoreOptions};
//!
//! # let home = tempfile::tempdir().unwrap();
//! # let folder = home.path().join("artifacts");
//! let engine = Engine::default();
//! let store = Store::open(&folder, StoreOptions::new())?;
//! let wasm = br#"(module (func (export "double") (param i32) (result i32)
//!                  (i32.shl (local.get 0) (i32.const 1))))"#;
//! let first = store.load(&engine, wasm)?;
//! let again = store.load(&engine, wasm)?;
//! assert_eq!((store.counts().compiled, store.counts().found), (1, 1));
//! assert!(first.module().is_some() && again.module().is_some());
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "compile"))]
//! # fn main() {}
//! ```
//!
//! # What makes an entry trusted
//!
//! Wasmtime runs the code in an artifact unseen. So the folder, those above it and each entry must
//! belong to this user or root, and nobody else may be able to write to them, nor to the symbolic links
//! on the way to the folder; and each entry carries
//! a seal over its name and its bytes, which is compared over the very bytes that Wasmtime is given.
//! With a [`Key`](crate::Key) only its holders can make entries at all. Systems other than Unix do not
//! tell whose a folder is, so a store there needs a key. Each entry also carries the full version of
//! Wasmtime that made it; those of another release are never loaded. What is damaged, cut off, exchanged, a
//! link, or somebody else's, is set aside and compiled again where the wasm is at hand. At most 32
//! of such entries are kept.
//!
//! # What a crash leaves
//!
//! The old entry or the new one: entries are written to a temporary file, synced (unless
//! [`StoreOptions::unsynced`] was asked for), and renamed. Locks
//! are the kernel's and end with their holder. [`Store::gc`] removes what writers left that were
//! killed.

mod entry;
mod evict;
mod hold;
mod key;
mod options;

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::artifact::Artifact;
#[cfg(feature = "compile")]
use crate::artifact::Loaded;
use crate::error::Error;
use crate::files::{sync_folder, temporary};
use crate::guard;
use crate::watch::Warning;
use entry::{Failure, Seals};

pub use hold::Hold;
pub use key::StoreKey;
pub use options::StoreOptions;

/// How long the note of when an entry was last used may be behind: writing it at each use would
/// make every load a write.
const USE_NOTED_AFTER: Duration = Duration::from_secs(60);

/// Artifacts in a folder. Cheap to clone; all clones are the same store.
#[derive(Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

struct Inner {
    folder: PathBuf,
    /// The folder of the entries.
    entries: PathBuf,
    options: StoreOptions,
    found: AtomicU64,
    compiled: AtomicU64,
    set_aside: AtomicU64,
    evicted: AtomicU64,
    /// Bytes that this process wrote since it last added up what is there.
    unaccounted: AtomicU64,
}

/// What a store did since this process opened it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StoreCounts {
    /// Artifacts that were there.
    pub found: u64,
    /// Artifacts that had to be compiled.
    pub compiled: u64,
    /// Entries that were not what had been written.
    pub set_aside: u64,
    /// Entries that were removed to make room.
    pub evicted: u64,
}

/// What [`Store::verify`] found.
#[derive(Debug, Default)]
pub struct Verified {
    /// Entries that are what was written.
    pub sound: usize,
    /// Entries that were not, and have been set aside: their file names, and what was wrong.
    pub set_aside: Vec<(String, Error)>,
}

/// What [`Store::gc`] removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Collected {
    /// Temporary files of writers that were killed.
    pub temporary: usize,
    /// Entries that had been set aside.
    pub set_aside: usize,
    /// Entries unused for longest, beyond the limit.
    pub evicted: usize,
}

/// What a look at an entry's place found.
enum Look {
    Sound(Artifact),
    Nothing,
    Unsound(Error),
}

impl Store {
    /// Opens the store in a folder, which is made where there is none (the folder above it must be
    /// there).
    ///
    /// # Errors
    ///
    /// [`Error::Exposed`] where others could write to it, and outside Unix where there is no key;
    /// [`Error::Write`] where it cannot be made.
    pub fn open(folder: impl Into<PathBuf>, options: StoreOptions) -> Result<Store, Error> {
        let folder = folder.into();
        for path in [folder.clone()].into_iter().chain(FOLDERS.map(|name| folder.join(name))) {
            let made = guard::new_folder(&path, options.is_shared);
            made.map_err(|source| Error::Write { path: path.clone(), source })?;
            options.guard.folder(options.key.as_ref(), &path)?;
        }
        let [found, compiled, set_aside, evicted] = [const { AtomicU64::new(0) }; 4];
        // As if a limit's worth had been written: the first write adds up what is there.
        let unaccounted = AtomicU64::new(options.max_bytes.unwrap_or(0));
        let entries = folder.join(ENTRIES);
        let inner =
            Inner { folder, entries, options, found, compiled, set_aside, evicted, unaccounted };
        Ok(Store { inner: Arc::new(inner) })
    }

    /// The folder it is in.
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// What it did since this process opened it.
    pub fn counts(&self) -> StoreCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        StoreCounts {
            found: read(&self.inner.found),
            compiled: read(&self.inner.compiled),
            set_aside: read(&self.inner.set_aside),
            evicted: read(&self.inner.evicted),
        }
    }

    /// The artifact that `engine` compiles `wasm` to (binary or text, module or component), from
    /// the store, or compiled now and kept. While one thread of one process compiles it, all others
    /// that ask for it wait.
    ///
    /// # Errors
    ///
    /// As [`compile::bytes`](crate::compile::bytes) and [`Artifact::apply`]; [`Error::Read`] or
    /// [`Error::Write`] where the folder cannot be used. What could be compiled and not written, as in
    /// a folder that this user may only read, is returned all the same, with a
    /// [`Warning::NotStored`].
    #[cfg(feature = "compile")]
    pub fn artifact(&self, engine: &wasmtime::Engine, wasm: &[u8]) -> Result<Artifact, Error> {
        match self.kept_artifact(engine, wasm) {
            Err(error) if is_forbidden(&error) => {
                let artifact = self.compile(engine, wasm)?;
                let reason = crate::error::told(&error);
                self.inner.options.observer.warn(&Warning::NotStored { reason });
                Ok(artifact)
            }
            found => found,
        }
    }

    #[cfg(feature = "compile")]
    fn kept_artifact(&self, engine: &wasmtime::Engine, wasm: &[u8]) -> Result<Artifact, Error> {
        let name = StoreKey::of(engine, wasm, self.inner.options.policy);
        if let Look::Sound(artifact) = self.look(&name)? {
            return Ok(self.found(artifact));
        }
        let mut turn = self.lock(&name)?;
        match self.look(&name)? {
            // Another was quicker.
            Look::Sound(artifact) => return Ok(self.found(artifact)),
            Look::Nothing => {}
            Look::Unsound(reason) => turn.set_aside(&name.to_string(), &reason)?,
        }
        let artifact = self.compile(engine, wasm)?;
        if let Err(error) = self.write(&name, &artifact) {
            turn.warnings.push(Warning::NotStored { reason: crate::error::told(&error) });
            return Ok(artifact);
        }
        drop(turn);
        self.make_room();
        Ok(artifact)
    }

    /// As [`Store::artifact`], made ready.
    ///
    /// An artifact that Wasmtime refuses although its seal is right, such as one that another
    /// program's release of Wasmtime left under this key, is set aside and compiled again, once.
    ///
    /// # Errors
    ///
    /// As [`Store::artifact`], or [`Error::Deserialize`].
    #[cfg(feature = "compile")]
    pub fn load(&self, engine: &wasmtime::Engine, wasm: &[u8]) -> Result<Loaded, Error> {
        self.load_by(engine, wasm, |artifact| artifact.load(engine))
    }

    /// As [`Store::load`], by what `load` makes of an artifact.
    #[cfg(feature = "compile")]
    pub(crate) fn load_by<T>(
        &self,
        engine: &wasmtime::Engine,
        wasm: &[u8],
        load: impl Fn(&Artifact) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let refused = match load(&self.artifact(engine, wasm)?) {
            Err(error @ Error::Deserialize { .. }) => error,
            loaded => return loaded,
        };
        let name = StoreKey::of(engine, wasm, self.inner.options.policy);
        self.lock(&name)?.set_aside(&name.to_string(), &refused)?;
        load(&self.artifact(engine, wasm)?)
    }

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

    /// Keeps an artifact under a key. An older entry of that key gives way at once, and readers of
    /// it are not disturbed.
    ///
    /// # Errors
    ///
    /// [`Error::Write`].
    pub fn put(&self, name: &StoreKey, artifact: &Artifact) -> Result<(), Error> {
        let lock = self.lock(name)?;
        self.write(name, artifact)?;
        drop(lock);
        self.make_room();
        Ok(())
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

    fn found(&self, artifact: Artifact) -> Artifact {
        self.inner.found.fetch_add(1, Ordering::Relaxed);
        artifact
    }

    #[cfg(feature = "compile")]
    fn compile(&self, engine: &wasmtime::Engine, wasm: &[u8]) -> Result<Artifact, Error> {
        let mut artifact = crate::compile::bytes(engine, wasm)?;
        artifact.apply(self.inner.options.policy)?;
        self.inner.compiled.fetch_add(1, Ordering::Relaxed);
        Ok(artifact)
    }

    /// Opens an entry once, and judges and reads what was opened.
    fn look(&self, name: &StoreKey) -> Result<Look, Error> {
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

    /// Writes an entry; its key must be locked.
    fn write(&self, name: &StoreKey, artifact: &Artifact) -> Result<(), Error> {
        let path = self.entry(&name.to_string());
        let written = (|| {
            let mut file =
                temporary(&self.inner.folder.join(TEMPORARY), self.inner.options.is_shared)?;
            // Tells `gc` that the writer lives.
            file.as_file().lock()?;
            entry::write(file.as_file_mut(), name, self.inner.options.key.as_ref(), artifact)?;
            if self.inner.options.is_synced {
                file.as_file().sync_all()?;
            }
            file.persist(&path).map_err(|error| error.error)?.unlock()?;
            if self.inner.options.is_synced {
                sync_folder(&self.inner.folder.join(ENTRIES))?;
            }
            Ok(())
        })();
        written.map_err(|source| Error::Write { path, source })?;
        let bytes = (artifact.bytes().len() + entry::HEADER_BYTES) as u64;
        self.inner.unaccounted.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Moves an entry out of the way, and returns what the observer is to be told.
    fn set_aside(&self, file_name: &str, reason: &Error) -> Result<Option<Warning>, Error> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let entry = self.entry(file_name);
        let to = self.inner.folder.join(ASIDE);
        let to = to.join(format!("{file_name}-{}-{number}", std::process::id()));
        match fs::rename(&entry, &to) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(Error::Write { path: entry, source }),
        }
        self.inner.set_aside.fetch_add(1, Ordering::Relaxed);
        self.bound_aside();
        Ok(Some(Warning::SetAside { entry, to, reason: crate::error::told(reason) }))
    }

    /// Waits until nobody else writes, or sets aside, entries whose keys begin alike.
    fn lock(&self, name: &StoreKey) -> Result<Turn<'_>, Error> {
        let file = self.lock_file(&format!("{:02x}", name.as_bytes()[0]))?;
        file.lock()
            .map_err(|source| Error::Write { path: self.inner.folder.join(LOCKS), source })?;
        Ok(Turn { store: self, lock: Some(file), warnings: Vec::new() })
    }

    fn lock_file(&self, name: &str) -> Result<File, Error> {
        let path = self.inner.folder.join(LOCKS).join(name);
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        let options = {
            use std::os::unix::fs::OpenOptionsExt;
            let mode = if self.inner.options.is_shared { 0o666 } else { 0o600 };
            options.custom_flags(libc::O_NOFOLLOW).mode(mode)
        };
        // A lock of somebody else's file that one may only read is a lock, too.
        let opened = options.open(&path).or_else(|error| match is_refused(&error) {
            true => guard::open(&path).map_err(|_| error),
            false => Err(error),
        });
        opened.map_err(|source| Error::Write { path, source })
    }

    fn entry(&self, file_name: &str) -> PathBuf {
        self.inner.entries.join(file_name)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut store = f.debug_struct("Store");
        store.field("folder", &self.inner.folder).field("counts", &self.counts());
        store.finish_non_exhaustive()
    }
}

/// The lock of a key, and the warnings that its holder owes the observer. Unlocks first, then warns:
/// the observer may ask for the same key, and a lock of this file waits for any other, also of the
/// same thread.
struct Turn<'a> {
    store: &'a Store,
    lock: Option<File>,
    warnings: Vec<Warning>,
}

impl Turn<'_> {
    /// Moves an entry out of the way. Nobody replaces it meanwhile, since its key is locked.
    fn set_aside(&mut self, file_name: &str, reason: &Error) -> Result<(), Error> {
        self.warnings.extend(self.store.set_aside(file_name, reason)?);
        Ok(())
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        drop(self.lock.take());
        let observer = &self.store.inner.options.observer;
        self.warnings.iter().for_each(|warning| observer.warn(warning));
    }
}

const ENTRIES: &str = "entries";
const TEMPORARY: &str = "temporary";
const ASIDE: &str = "aside";
const LOCKS: &str = "locks";
const FOLDERS: [&str; 4] = [ENTRIES, TEMPORARY, ASIDE, LOCKS];

/// Notes that an entry was used, for whoever makes room. Not being able to is no reason to fail.
fn note_use(file: &File, found: &Metadata) {
    let now = SystemTime::now();
    let last = found.modified();
    if last.is_ok_and(|last| now.duration_since(last).is_ok_and(|age| age > USE_NOTED_AFTER)) {
        let _ = file.set_modified(now);
    }
}

/// Whether this user may not do to the store what it takes.
#[cfg(feature = "compile")]
fn is_forbidden(error: &Error) -> bool {
    matches!(error, Error::Read { source, .. } | Error::Write { source, .. } if is_refused(source))
}

fn is_refused(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
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
