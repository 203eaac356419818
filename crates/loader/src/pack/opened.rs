//! [`Pack`]: an opened pack, from which modules are loaded.
#![allow(unsafe_code)]

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::component::Component;
use wasmtime::{Engine, Module};

use super::format::Record;
use super::memory::Images;
use super::open;
use super::options::{Digests, PackOptions};
use super::region::Room;
use super::writer::PackWriter;
use crate::artifact::contents::{ArtifactKind, Contents};
use crate::artifact::{Artifact, Loaded};
use crate::error::Error;
use crate::parallel;
use crate::trust::seal::{Key, Seal};

/// Many artifacts in one mapping, opened from a file.
pub struct Pack {
    path: PathBuf,
    images: Arc<Images>,
    entries: Vec<Entry>,
    by_name: HashMap<String, usize>,
    key: Option<Key>,
    digests: Digests,
    number: u64,
}

/// One image in one opened pack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct ImageId {
    /// The number of the pack among all packs that this process has opened.
    pack: u64,
    index: usize,
}

/// One artifact in a pack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    name: String,
    contents: Contents,
    seal: Seal,
    /// Whether the artifact works only in memory that Wasmtime owns.
    is_copied: bool,
    has_data_segments: bool,
    /// The range of the frame index in the pack.
    frames: std::ops::Range<usize>,
}

impl Entry {
    /// Returns the name by which the artifact is loaded.
    pub fn name(&self) -> &str {
        &self.name
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
    /// # Errors
    ///
    /// - [`Error::Exposed`] if another user could have written the file.
    /// - [`Error::Altered`] if the index differs from what was written or was sealed with another key. With
    ///   [`Digests::AtOpen`], this also applies to the artifacts.
    /// - [`Error::OtherRelease`], in an [`Error::File`], if the pack was built with another release of
    ///   Wasmtime.
    /// - [`Error::NotAPack`], [`Error::Read`] or [`Error::Map`].
    /// - [`Error::Headroom`] if there is not enough memory, or if less than
    ///   [`RESERVE`](crate::headroom::RESERVE) would be left.
    pub fn open(path: impl Into<PathBuf>, options: PackOptions) -> Result<Pack, Error> {
        let path = path.into();
        let PackOptions { key, digests, guard } = options;
        let file = guard.open(key.is_some(), &path)?;
        let (header, records) = open::read_index(&file, key.as_ref(), &path)?;
        let images_end = header.images_end as usize;
        let map = |source| Error::Map { path: path.clone(), bytes: images_end, source };
        let mut room = Room::new(images_end).map_err(map)?;
        open::fill(room.bytes_mut(), &file, &path)?;
        open::check_gaps(room.bytes_mut(), &header, &records, &path)?;
        if digests == Digests::AtOpen {
            open::check_all(room.bytes_mut(), &records, key.as_ref(), &path)?;
        }
        let region = room.close().map_err(map)?;
        let ranges = records.iter().map(|record| (open::range(record), open::frames(record)));
        let images = Images::publish(region, ranges);
        let entries: Vec<Entry> = records.into_iter().map(entry).collect();
        let names = entries.iter().enumerate();
        let by_name = names.map(|(index, entry)| (entry.name.clone(), index)).collect();
        static OPENED: AtomicU64 = AtomicU64::new(0);
        let number = OPENED.fetch_add(1, Ordering::Relaxed);
        Ok(Pack { path, images, entries, by_name, key, digests, number })
    }

    /// Returns the artifacts in the pack, in the order in which they were added.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns the index in [`Pack::entries`] of the artifact with the given name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Returns the path of the file that the pack was opened from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns how often Wasmtime has published and withdrawn images of this pack since it was opened.
    pub fn counts(&self) -> (u64, u64) {
        self.images.counts()
    }

    /// Returns the number of live modules and components of this pack, on any engine.
    pub fn n_live(&self) -> usize {
        self.images.n_live()
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
    /// # Errors
    ///
    /// - [`Error::Loaded`] if the artifact is loaded already.
    /// - [`Error::Altered`] if digests are checked at each load and the digest of this artifact differs.
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
        let entry = &self.entries[index];
        if entry.is_copied {
            return Ok((self.copy_at(engine, index)?, true));
        }
        let loaded = || Error::Loaded { name: entry.name.clone() };
        let claim = self.images.claim(index).ok_or_else(loaded)?;
        let image = self.checked(index)?;
        let kind = entry.contents.kind;
        // SAFETY: the bytes are what the pack's writer was given as an `Artifact`, in a program with this
        // release of Wasmtime, stripped. The seal over them has been compared, at open or just now. Opening
        // the pack settled who can have made the seal. The bytes are readable, executable and never written
        // to. They stay until `close` or `abandon` has seen that nothing published is left. This image is
        // published: if it is not, the module is dropped below, before the claim ends.
        let in_place = unsafe {
            let image = NonNull::from(image);
            match kind {
                ArtifactKind::Module => Module::deserialize_raw(engine, image).map(Loaded::Module),
                ArtifactKind::Component => {
                    Component::deserialize_raw(engine, image).map(Loaded::Component)
                }
            }
        };
        let in_place = in_place.map_err(|source| self.of(entry, not_configured(source)))?;
        if claim.is_published() {
            return Ok((in_place, false));
        }
        drop(in_place);
        // An engine with another custom code memory may have changed the protection of the image.
        let map = |source| Error::Map { path: self.path.clone(), bytes: image.len(), source };
        self.images.protect(index).map_err(map)?;
        Ok((self.copy_at(engine, index)?, true))
    }

    /// Loads a module or component from a copy of the artifact, which does not need the pack.
    pub(crate) fn copy_at(&self, engine: &Engine, index: usize) -> Result<Loaded, Error> {
        let entry = &self.entries[index];
        let image = self.checked(index)?;
        // SAFETY: the bytes are those of an artifact, as in `load_at`, and Wasmtime copies them.
        let copied = unsafe {
            match entry.contents.kind {
                ArtifactKind::Module => Module::deserialize(engine, image).map(Loaded::Module),
                ArtifactKind::Component => {
                    Component::deserialize(engine, image).map(Loaded::Component)
                }
            }
        };
        copied.map_err(|source| self.of(entry, Error::Deserialize { source }))
    }

    /// Returns whether an artifact is always loaded by a copy.
    pub(crate) fn is_copied(&self, index: usize) -> bool {
        self.entries[index].is_copied
    }

    /// Returns whether an artifact has data segments.
    pub(crate) fn has_data_segments(&self, index: usize) -> bool {
        self.entries[index].has_data_segments
    }

    /// Returns the bytes of an image. Compares them with their seal, unless that was done at open.
    fn checked(&self, index: usize) -> Result<&[u8], Error> {
        let (entry, image) = (&self.entries[index], self.images.image(index));
        if self.digests == Digests::AtLoad {
            let frames = &self.images.bytes()[entry.frames.clone()];
            let found = Seal::of(self.key.as_ref(), &[image, frames]);
            entry.seal.check(found).map_err(|error| self.of(entry, error))?;
        }
        Ok(image)
    }

    /// Loads all artifacts of the pack on at most `threads` threads. The results are in the order of
    /// [`Pack::entries`].
    pub fn load_all(&self, engine: &Engine, threads: NonZeroUsize) -> Vec<Result<Loaded, Error>> {
        let slots: Vec<Mutex<Option<_>>> = self.entries.iter().map(|_| Mutex::new(None)).collect();
        parallel::each(slots.len(), threads, |index| {
            let loaded = self.load_at(engine, index);
            *slots[index].lock().unwrap_or_else(PoisonError::into_inner) = Some(loaded);
            true
        });
        let results = slots.into_iter().map(|slot| {
            let loaded = slot.into_inner().unwrap_or_else(PoisonError::into_inner);
            loaded.expect("each index was visited")
        });
        results.collect()
    }

    /// Closes the pack and frees its memory.
    ///
    /// # Errors
    ///
    /// [`StillLoaded`], which contains the pack, while a module or component of the pack is live, in a clone
    /// or in a store. The pack is then unchanged.
    pub fn close(self) -> Result<(), StillLoaded> {
        if self.images.close() {
            return Ok(());
        }
        let modules = self.images.n_live();
        Err(StillLoaded { pack: Box::new(self), modules })
    }

    pub(crate) fn image_id(&self, index: usize) -> ImageId {
        ImageId { pack: self.number, index }
    }

    fn of(&self, entry: &Entry, error: Error) -> Error {
        Error::Entry { name: entry.name.clone(), path: self.path.clone(), source: Box::new(error) }
    }
}

impl Drop for Pack {
    fn drop(&mut self) {
        self.images.abandon();
    }
}

impl fmt::Debug for Pack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut pack = f.debug_struct("Pack");
        pack.field("path", &self.path).field("entries", &self.entries.len());
        pack.field("n_live", &self.n_live()).finish_non_exhaustive()
    }
}

/// The error of closing a pack while some of its modules are live.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot close {}: {modules} of its modules live (drop them, their clones, and the stores that have instances of them)",
    pack.path.display()
)]
pub struct StillLoaded {
    /// The pack, unchanged.
    pub pack: Box<Pack>,
    /// The number of live modules and components.
    pub modules: usize,
}

fn entry(record: Record) -> Entry {
    let frames = open::frames(&record);
    let contents = Contents {
        kind: record.kind,
        bytes: record.bytes as usize,
        functions: record.functions as usize,
        fdes: 0,
        has_tables: false,
    };
    let Record { name, seal, is_copied, has_data_segments, .. } = record;
    Entry { name, contents, seal, is_copied, has_data_segments, frames }
}

/// Wasmtime does not change the protection of memory that it does not own (wasmtime 48
/// `runtime/code_memory.rs`, `publish`). Its error message for that case talks about targets, so this
/// function recognises the message.
fn not_configured(source: wasmtime::Error) -> Error {
    if source.to_string().contains("requires virtual memory to be enabled") {
        return Error::NotConfigured { source };
    }
    Error::Deserialize { source }
}
