//! [`Pack`]: an opened pack, from which modules are loaded.
#![allow(unsafe_code)]

use std::fmt;
use std::fs::File;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::component::Component;
use wasmtime::{Engine, Module};

use super::index::Index;
use super::memory::{self, Claim, Images};
use super::open::{self, Opened};
use super::options::{Digests, PackOptions};
use super::record::Record;
use super::state::{State, StillLoaded};
use super::writer::PackWriter;
use crate::artifact::contents::{ArtifactKind, Contents};
use crate::artifact::{Artifact, Loaded};
use crate::error::Error;
use crate::headroom::resource::Amounts;
use crate::locks::Mutex;
use crate::parallel;
use crate::trust::seal::Key;

/// Many artifacts in one mapping, opened from a file.
pub struct Pack {
    path: PathBuf,
    state: State,
    is_lazy: bool,
    index: Index,
    /// The file from which images are read when they are first loaded.
    file: Option<File>,
    key: Option<Key>,
    digests: Digests,
    number: u64,
}

/// One image in one opened pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ImageId {
    /// The number of the pack among all packs that this process has opened.
    pack: u64,
    slot: usize,
}

/// One artifact in a pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    name: &'a str,
    contents: Contents,
}

impl<'a> Entry<'a> {
    /// Returns the name by which the artifact is loaded.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Returns the contents of the artifact.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }
}

impl Pack {
    /// Writes a pack of the given artifacts. [`PackWriter`] does the same with one artifact at a time.
    ///
    /// # Errors
    ///
    /// The errors of [`PackWriter::add`] and [`PackWriter::finish`].
    pub fn build<'a, N: Into<String>>(
        path: impl Into<PathBuf>,
        key: Option<Key>,
        artifacts: impl IntoIterator<Item = (N, &'a Artifact)>,
    ) -> Result<(), Error> {
        let mut writer = PackWriter::create(path, key)?;
        for (name, artifact) in artifacts {
            writer.add(name, artifact)?;
        }
        writer.finish()
    }

    /// Copies a pack into memory, checks it according to `options`, and makes it executable. This takes at
    /// most two mappings for any number of artifacts. Later changes of the file have no effect.
    ///
    /// With [`PackOptions::lazy`], this only reads and checks the index. Each artifact is copied when it is
    /// first loaded. Later changes of the file then make the first load of an artifact fail, if they change
    /// that artifact.
    ///
    /// # Errors
    ///
    /// - [`Error::Exposed`] if another user could have written the file.
    /// - [`Error::Altered`] if the index differs from what was written or was sealed with another key. With
    ///   [`Digests::AtOpen`], this also applies to the artifacts.
    /// - [`Error::OtherRelease`], in an [`Error::File`], if the pack was built with another release of
    ///   Wasmtime.
    /// - [`Error::NotAPack`], [`Error::Read`] or [`Error::Map`].
    /// - [`Error::Headroom`] if there is not enough memory or address space, or if less than
    ///   [`RESERVE`](crate::headroom::RESERVE) would be left.
    pub fn open(path: impl Into<PathBuf>, options: PackOptions) -> Result<Pack, Error> {
        let path = path.into();
        let file = options.guard.open(options.key.is_some(), &path)?;
        let opened = open::file(file, &options, &path)?;
        Ok(Pack::of(path, options, opened))
    }

    pub(super) fn of(path: PathBuf, options: PackOptions, opened: Opened) -> Pack {
        let Opened { index, pages, region, are_checked, file } = opened;
        let records = (0..index.len()).map(|at| index.record(at));
        let indexes = records.map(|record| (record.image(), record.frames()));
        let images = Images::publish(region, pages, index.len(), are_checked, indexes);
        static OPENED: AtomicU64 = AtomicU64::new(0);
        let number = OPENED.fetch_add(1, Ordering::Relaxed);
        let PackOptions { key, digests, .. } = options;
        let is_lazy = images.region().is_filled_on_demand();
        let state = State::open(images);
        Pack { path, state, is_lazy, index, file, key, digests, number }
    }

    /// Returns the artifacts in the pack, sorted by name.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = Entry<'_>> {
        (0..self.index.len()).map(|index| self.entry(index))
    }

    /// Returns the artifact at an index of [`Pack::entries`].
    ///
    /// # Panics
    ///
    /// If the index is out of range.
    pub fn entry(&self, index: usize) -> Entry<'_> {
        Entry { name: self.index.name(index), contents: self.index.record(index).contents() }
    }

    /// Returns the index in [`Pack::entries`] of the artifact with the given name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.index.find(name)
    }

    /// Returns whether artifacts are copied into memory when they are first loaded, as
    /// [`PackOptions::lazy`] asks for where the system can do it.
    pub fn is_lazy(&self) -> bool {
        self.is_lazy
    }

    /// Returns the path of the file that the pack was opened from. For shared memory, returns `memfd:` and the
    /// number of the descriptor that the pack was opened from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns how often Wasmtime has published and withdrawn images of this pack since it was opened.
    pub fn counts(&self) -> (u64, u64) {
        self.state.counts()
    }

    /// Returns the number of live modules and components of this pack, on any engine.
    pub fn n_live(&self) -> usize {
        self.images().map_or(0, |images| images.n_live())
    }

    fn images(&self) -> Result<Arc<Images>, Error> {
        self.state.images(&self.path)
    }

    /// Loads the artifact with the given name.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchEntry`], or the errors of [`Pack::load_at`].
    pub fn load(&self, engine: &Engine, name: &str) -> Result<Loaded, Error> {
        let index = self.find(name);
        let missing = || Error::NoSuchEntry { name: name.to_owned(), path: self.path.clone() };
        self.load_at(engine, index.ok_or_else(missing)?)
    }

    /// Loads the artifact at an index of [`Pack::entries`], without copying it.
    ///
    /// Two kinds of artifacts are copied nevertheless:
    /// - Artifacts without code to execute, such as a module without functions or a module for Wasmtime's
    ///   interpreter. Wasmtime would not notify the pack when such a module is dropped.
    /// - Artifacts that were compiled with `Config::guest_debug`. Wasmtime gives each instance its own copy
    ///   of the code, which it makes only from memory that it owns.
    ///
    /// Each load also checks what the memory of the pack relies on: Wasmtime has published the image once, uses
    /// it at its address, and has not registered its hidden unwind tables. If one of these is false, the artifact
    /// is copied.
    ///
    /// # Errors
    ///
    /// - [`Error::Closed`] if the pack is closed.
    /// - [`Error::Loaded`] if the artifact is loaded already, or an equal artifact under another name.
    /// - [`Error::Altered`] if the artifact is checked at this load and its digest differs.
    /// - [`Error::Read`] if the artifact is read at this load.
    /// - [`Error::NotConfigured`] if `engine` was created without [`configure`](super::configure).
    /// - [`Error::Deserialize`].
    ///
    /// # Panics
    ///
    /// If the index is out of range.
    pub fn load_at(&self, engine: &Engine, index: usize) -> Result<Loaded, Error> {
        self.load_and_tell(engine, index).map(|(loaded, _)| loaded)
    }

    /// Does the same as [`Pack::load_at`], and also returns whether the artifact was copied.
    pub(crate) fn load_and_tell(
        &self,
        engine: &Engine,
        index: usize,
    ) -> Result<(Loaded, bool), Error> {
        let record = self.index.record(index);
        if record.is_copied {
            return Ok((self.copy_at(engine, index)?, true));
        }
        let images = self.images()?;
        let loaded = || Error::Loaded { name: self.index.name(index).to_owned() };
        let claim = images.claim(slot(&images, &record)).ok_or_else(loaded)?;
        let within = |error| self.within(index, error);
        if self.in_memory(&images, &record).map_err(within)?.is_none() {
            let bytes = self.read(&record).map_err(within)?;
            let map = |source| self.not_mapped(&record, source);
            if !images.region().fill(record.image().start, &bytes).map_err(map)? {
                let image = &bytes[..record.image().len()];
                let copied = self.deserialize(engine, record.kind, image, None);
                return Ok((copied.map_err(within)?, true));
            }
        }
        let image = images.region().bytes(record.image()).expect("it is in memory now");
        let in_place = match self.deserialize(engine, record.kind, image, Some(&claim)) {
            Ok(in_place) => in_place,
            Err(error) => return Err(within(self.reason(engine, &record, image, error))),
        };
        let is_in_place = claim.is_published() && start(&in_place) == image.as_ptr();
        if is_in_place && !memory::registers_hidden_tables(record.has_frames()) {
            return Ok((in_place, false));
        }
        drop(in_place);
        // An engine with another custom code memory may have changed the protection of the image.
        let protected = images.region().protect(record.image());
        protected.map_err(|source| self.not_mapped(&record, source))?;
        Ok((self.copy_at(engine, index)?, true))
    }

    /// Loads a module or component from a copy of the artifact, which does not need the pack.
    pub(crate) fn copy_at(&self, engine: &Engine, index: usize) -> Result<Loaded, Error> {
        let record = self.index.record(index);
        let images = self.images()?;
        let copy = || match self.in_memory(&images, &record)? {
            Some(image) => self.deserialize(engine, record.kind, image, None),
            None => {
                let bytes = self.read(&record)?;
                self.deserialize(engine, record.kind, &bytes[..record.image().len()], None)
            }
        };
        copy().map_err(|error| self.within(index, error))
    }

    /// Makes a module or component from a checked image. If there is a claim, it must be the claim of that
    /// image in the pack's memory, and Wasmtime uses the image in place. Otherwise Wasmtime copies the image.
    fn deserialize(
        &self,
        engine: &Engine,
        kind: ArtifactKind,
        image: &[u8],
        claim: Option<&Claim<'_>>,
    ) -> Result<Loaded, Error> {
        // SAFETY: the bytes are what the pack's writer was given as an `Artifact`, in a program with this
        // release of Wasmtime, stripped. The seal over them has been compared. Opening the pack settled who
        // can have made the seal. In place, the bytes are readable, executable and never written to. They
        // stay until `close` or `abandon` has seen that nothing published is left. This image is published:
        // if it is not, `load_and_tell` drops the module before the claim ends.
        let loaded = unsafe {
            match (kind, claim) {
                (ArtifactKind::Module, Some(_)) => {
                    Module::deserialize_raw(engine, NonNull::from(image)).map(Loaded::Module)
                }
                (ArtifactKind::Component, Some(_)) => {
                    Component::deserialize_raw(engine, NonNull::from(image)).map(Loaded::Component)
                }
                (ArtifactKind::Module, None) => {
                    Module::deserialize(engine, image).map(Loaded::Module)
                }
                (ArtifactKind::Component, None) => {
                    Component::deserialize(engine, image).map(Loaded::Component)
                }
            }
        };
        loaded.map_err(|source| Error::Deserialize { source })
    }

    /// Returns the reason why Wasmtime did not load an image in place. If it loads a copy of the same bytes,
    /// the engine does not execute memory that Wasmtime does not own.
    fn reason(&self, engine: &Engine, record: &Record, image: &[u8], error: Error) -> Error {
        match error {
            Error::Deserialize { source }
                if self.deserialize(engine, record.kind, image, None).is_ok() =>
            {
                Error::NotConfigured { source }
            }
            error => error,
        }
    }

    /// Returns the image of an artifact, and what loading it in place takes, except time. Equal artifacts have
    /// the same image.
    pub(crate) fn plan_at(&self, index: usize) -> Result<(ImageId, Amounts), Error> {
        let record = self.index.record(index);
        let images = self.images()?;
        let is_filled = images.region().bytes(record.extent()).is_some();
        // Wasmtime's own records take about as much memory as the image.
        let bytes = if is_filled { record.bytes } else { record.bytes.saturating_mul(2) };
        // The first instance of a module with data segments takes a descriptor, and the module keeps it
        // (wasmtime 48 `runtime/vm/cow.rs`).
        let descriptors = u64::from(record.has_data_segments);
        let image = ImageId { pack: self.number, slot: slot(&images, &record) };
        Ok((image, Amounts { mappings: 0, descriptors, bytes }))
    }

    /// Returns whether an artifact is always loaded by a copy.
    pub(crate) fn is_copied(&self, index: usize) -> bool {
        self.index.record(index).is_copied
    }

    /// Returns an image that is in memory, after comparing it with its seal if that is still to be done.
    fn in_memory<'a>(
        &self,
        images: &'a Images,
        record: &Record,
    ) -> Result<Option<&'a [u8]>, Error> {
        let pages = images.pages_around(record.extent());
        let Some(bytes) = images.region().bytes(pages) else { return Ok(None) };
        let slot = slot(images, record);
        if self.digests == Digests::AtLoad || !images.is_checked(slot) {
            record.check(self.key.as_ref(), bytes)?;
            images.set_checked(slot);
        }
        Ok(Some(&bytes[..record.image().len()]))
    }

    /// Reads an image that is not in memory from the file, and compares it with its seal.
    fn read(&self, record: &Record) -> Result<Vec<u8>, Error> {
        let file =
            self.file.as_ref().expect("only a pack with a file has images that are not in memory");
        open::read_image(file, record, self.key.as_ref(), &self.path)
    }

    /// Loads all artifacts of the pack on at most `threads` threads. The results are in the order of
    /// [`Pack::entries`]. Equal artifacts become one module.
    pub fn load_all(&self, engine: &Engine, threads: NonZeroUsize) -> Vec<Result<Loaded, Error>> {
        let images = self.images().ok();
        // In a closed pack, each load fails by itself.
        let first = |index| {
            let images = images.as_ref();
            images.map_or(index, |images| slot(images, &self.index.record(index)))
        };
        let slots: Vec<Mutex<Option<_>>> =
            (0..self.index.len()).map(|_| Mutex::new(None)).collect();
        parallel::each(slots.len(), threads, |index| {
            if first(index) != index {
                return true;
            }
            let loaded = self.load_at(engine, index);
            *slots[index].lock() = Some(loaded);
            true
        });
        let mut results: Vec<Result<Loaded, Error>> = Vec::new();
        for (index, slot) in slots.into_iter().enumerate() {
            let loaded = slot.into_inner();
            results.push(loaded.unwrap_or_else(|| {
                results[first(index)]
                    .as_ref()
                    .map_or_else(|_| self.load_at(engine, index), |loaded| Ok(loaded.clone()))
            }));
        }
        results
    }

    /// Closes the pack and frees its memory. Later loads fail with [`Error::Closed`]. Closing a closed pack
    /// does nothing.
    ///
    /// # Errors
    ///
    /// [`StillLoaded`] while a module or component of the pack is live, in a clone or in a store, or while
    /// another thread loads one. The pack then stays open.
    pub fn close(&self) -> Result<(), StillLoaded> {
        self.state.close(&self.path)
    }

    fn within(&self, index: usize, error: Error) -> Error {
        let (name, path) = (self.index.name(index).to_owned(), self.path.clone());
        Error::Entry { name, path, source: Box::new(error) }
    }

    fn not_mapped(&self, record: &Record, source: std::io::Error) -> Error {
        Error::Map { path: self.path.clone(), bytes: record.image().len(), source }
    }
}

impl fmt::Debug for Pack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pack = f.debug_struct("Pack");
        pack.field("path", &self.path).field("entries", &self.index.len());
        pack.field("n_live", &self.n_live()).finish_non_exhaustive()
    }
}

fn slot(images: &Images, record: &Record) -> usize {
    images.slot_at(record.image().start)
}

/// Returns the address of a module's image.
fn start(loaded: &Loaded) -> *const u8 {
    match loaded {
        Loaded::Module(module) => module.image_range().start,
        Loaded::Component(component) => component.image_range().start,
    }
}
