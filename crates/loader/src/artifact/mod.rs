//! [`Artifact`]: a compiled module or component whose bytes can be trusted; in memory, or as an
//! [`ArtifactFile`] on disk. All deserialization happens here, but for packs, which do it in place.
//!
//! Wasmtime runs the machine code in an artifact without looking at it, so deserializing is as
//! dangerous as executing a file (wasmtime 48 `runtime/module.rs`, `Module::deserialize`). What
//! makes it safe is where the bytes come from. A value of these types stands for that: it is made
//! by compiling in this process, by a [`Digest`] or a seal of an artifact that was so made, or by `unsafe`
//! code whose author vouches for the bytes. Nothing else makes one, and nothing in safe code
//! changes its bytes but the two functions here. So loading one is safe.
#![allow(unsafe_code)]

#[cfg(feature = "compile")]
pub mod compile;
pub(crate) mod contents;
pub(crate) mod digest;
pub(crate) mod policy;
pub(crate) mod release;
pub(crate) mod tables;

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use wasmtime::component::Component;
use wasmtime::{Engine, Module};

use crate::artifact::contents::{ArtifactKind, Contents};
use crate::artifact::digest::Digest;
use crate::artifact::policy::UnwindPolicy;
use crate::error::Error;
use crate::files::folder_of;

/// A compiled module or component in memory.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// Produced by this release of Wasmtime, and then at most changed by `apply` and `number`.
    bytes: Vec<u8>,
    contents: Contents,
}

/// A compiled module or component in a file.
#[derive(Debug, Clone)]
pub struct ArtifactFile {
    /// A file that holds what `Artifact::bytes` may hold.
    path: PathBuf,
    contents: Contents,
}

/// A module or component that is loaded and ready.
#[derive(Debug, Clone)]
pub enum Loaded {
    /// A core module.
    Module(Module),
    /// A component.
    Component(Component),
}

impl Loaded {
    /// The core module; `None` for a component.
    pub fn module(&self) -> Option<&Module> {
        match self {
            Loaded::Module(module) => Some(module),
            Loaded::Component(_) => None,
        }
    }

    /// The component; `None` for a core module.
    pub fn component(&self) -> Option<&Component> {
        match self {
            Loaded::Module(_) => None,
            Loaded::Component(component) => Some(component),
        }
    }
}

impl Artifact {
    /// Compiles binary wasm with `engine`.
    #[cfg(feature = "compile")]
    pub(crate) fn compile(
        engine: &Engine,
        kind: ArtifactKind,
        wasm: &[u8],
    ) -> Result<Artifact, Error> {
        let bytes = match kind {
            ArtifactKind::Module => engine.precompile_module(wasm),
            ArtifactKind::Component => engine.precompile_component(wasm),
        };
        let bytes = bytes.map_err(|source| Error::Compile { source })?;
        // Wasmtime has just produced these bytes.
        Artifact::with_contents(bytes)
    }

    /// Takes bytes that someone vouches for, such as the content of a `.cwasm` file.
    ///
    /// # Errors
    ///
    /// As [`Contents::of`]: what is plainly no artifact, or cut off, is refused. This is a courtesy
    /// and no check of the contract below.
    ///
    /// # Safety
    ///
    /// `bytes` must be what the very release of Wasmtime that this program links wrote
    /// (`Engine::precompile_module`, `Module::serialize` and the like), or what [`Artifact::bytes`]
    /// returned in a program that links it, unchanged. Another patch release is another release.
    /// Wasmtime's own check does not suffice: it compares the major version, and
    /// `Config::module_version` can turn it off.
    pub unsafe fn trusted(bytes: Vec<u8>) -> Result<Artifact, Error> {
        Artifact::with_contents(bytes)
    }

    /// Reads what is in bytes that may be an artifact's. See the field for which may be.
    fn with_contents(bytes: Vec<u8>) -> Result<Artifact, Error> {
        let contents = Contents::of(&bytes)?;
        Ok(Artifact { bytes, contents })
    }

    /// As [`Artifact::trusted`], without a look at the bytes: `contents` is what was found in them
    /// before they were written down.
    ///
    /// # Safety
    ///
    /// As [`Artifact::trusted`].
    pub(crate) unsafe fn recorded(bytes: Vec<u8>, contents: Contents) -> Artifact {
        Artifact { bytes, contents }
    }

    /// Takes bytes from anywhere, if they have the digest of an artifact.
    ///
    /// The digest is compared over the very bytes that will be loaded, in memory that nobody else
    /// can write to.
    ///
    /// # Errors
    ///
    /// [`Error::Altered`] where they do not.
    pub fn verified(bytes: Vec<u8>, digest: &Digest) -> Result<Artifact, Error> {
        let found = Digest::of(&bytes);
        if found != *digest {
            let (expected, found) = (digest.to_string(), found.to_string());
            return Err(Error::Altered { expected, found });
        }
        // A `Digest` is only ever taken of an artifact of this release, whose bytes may be here, and
        // no two byte strings with one BLAKE3 digest are known.
        Artifact::with_contents(bytes)
    }

    /// The artifact's bytes, to be written down.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The artifact's bytes, so that their memory can be used again.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// What the artifact holds.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// By what [`Artifact::verified`] will recognise these bytes.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// Applies an unwind policy to the artifact itself; the setting of the engine that will load
    /// it has no say in the matter.
    ///
    /// With [`UnwindPolicy::Strip`] Wasmtime will not register anything for it (the mechanism and
    /// its price: `tables.rs`). On Windows artifacts, whose tables are part of the ABI, every policy
    /// does nothing; [`Contents::has_tables`] stays true, so that nobody is misled.
    ///
    /// # Errors
    ///
    /// [`Error::TablesPresent`] where [`UnwindPolicy::RequireAbsent`] finds any.
    pub fn apply(&mut self, policy: UnwindPolicy) -> Result<(), Error> {
        match policy {
            UnwindPolicy::Keep => Ok(()),
            UnwindPolicy::Strip if !self.contents.has_tables => Ok(()),
            UnwindPolicy::Strip => {
                if tables::hide(&mut self.bytes)? {
                    self.contents.fdes = 0;
                    self.contents.has_tables = false;
                }
                Ok(())
            }
            UnwindPolicy::RequireAbsent if self.contents.fdes > 0 => {
                Err(Error::TablesPresent { fdes: self.contents.fdes })
            }
            UnwindPolicy::RequireAbsent => Ok(()),
        }
    }

    /// Makes the bytes differ from those of all other copies, without changing what they mean: a
    /// number is put behind the image, where no section reaches.
    ///
    /// For a corpus made of fewer files than modules. A number put into the wasm, in a custom
    /// section, would not survive compilation.
    pub fn number(&mut self, number: u64) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self.contents.bytes = self.bytes.len();
    }

    /// Writes the artifact to `path`, all of it or nothing: into a temporary file beside it, synced
    /// to disk and then renamed. Only this user can read it.
    ///
    /// # Errors
    ///
    /// [`Error::Write`]; an older file at `path` is then untouched.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.write(path.as_ref(), File::sync_all)
    }

    /// As [`Artifact::save`], without waiting for the disk: whole for every process that looks, and
    /// possibly gone after a power failure.
    pub fn save_unsynced(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.write(path.as_ref(), |_| Ok(()))
    }

    fn write(&self, path: &Path, sync: impl FnOnce(&File) -> io::Result<()>) -> Result<(), Error> {
        let failed = |source| Error::Write { path: path.to_owned(), source };
        let mut file = tempfile::NamedTempFile::new_in(folder_of(path)).map_err(failed)?;
        file.write_all(&self.bytes).map_err(failed)?;
        sync(file.as_file()).map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// Makes the module or component ready: Wasmtime copies the bytes and keeps none of these.
    ///
    /// # Errors
    ///
    /// [`Error::Deserialize`]: another target, or settings of `engine` that the machine code does not
    /// suit.
    pub fn load(&self, engine: &Engine) -> Result<Loaded, Error> {
        // SAFETY: `bytes` is what this release of Wasmtime produced (see the field), changed at most in two ways.
        // `apply` sets the size of `.eh_frame` to 0: Wasmtime then finds an artifact compiled
        // without unwind tables, which its compiler offers as a setting. `number` adds bytes at the
        // end: Wasmtime finds everything through the section headers, and none points there.
        let loaded = unsafe {
            match self.contents.kind {
                ArtifactKind::Module => {
                    Module::deserialize(engine, &self.bytes).map(Loaded::Module)
                }
                ArtifactKind::Component => {
                    Component::deserialize(engine, &self.bytes).map(Loaded::Component)
                }
            }
        };
        loaded.map_err(|source| Error::Deserialize { source })
    }
}

impl ArtifactFile {
    /// Names a file that someone vouches for, without opening it: `contents` is what the artifact
    /// said that was saved there.
    ///
    /// # Safety
    ///
    /// The file at `path` must hold what [`Artifact::bytes`] may hold (see [`Artifact::trusted`])
    /// and must stay as it is while this value lives, and while anything lives that was loaded
    /// through [`ArtifactFile::map`]: Wasmtime then reads the file's pages when it needs them. A
    /// folder that only this user can write to, and that programs replace files in by renaming, is
    /// the usual ground for saying so.
    pub unsafe fn trusted(path: impl Into<PathBuf>, contents: Contents) -> ArtifactFile {
        ArtifactFile { path: path.into(), contents }
    }

    /// Names a file that someone vouches for, and reads what it holds.
    ///
    /// # Errors
    ///
    /// As [`Contents::of`], or [`Error::Read`].
    ///
    /// # Safety
    ///
    /// As [`ArtifactFile::trusted`].
    pub unsafe fn inspected(path: impl Into<PathBuf>) -> Result<ArtifactFile, Error> {
        let path = path.into();
        let bytes = read(&path, Vec::new())?;
        let contents = Contents::of(&bytes).map_err(|error| error.in_file(&path))?;
        Ok(ArtifactFile { path, contents })
    }

    /// Where the artifact is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the artifact holds.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Compares the whole file with the digest of the artifact that was saved there.
    ///
    /// # Errors
    ///
    /// [`Error::Altered`] where they differ, or [`Error::Read`].
    pub fn verify(&self, digest: &Digest) -> Result<(), Error> {
        let bytes = read(&self.path, Vec::new())?;
        Artifact::verified(bytes, digest).map_err(|error| error.in_file(&self.path))?;
        Ok(())
    }

    /// Brings the artifact into memory, in `buffer`, whose old content is lost.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], and [`Error::Length`] where the file is not as long as it was.
    pub fn read(&self, buffer: Vec<u8>) -> Result<Artifact, Error> {
        let bytes = read(&self.path, buffer)?;
        let (expected, found) = (self.contents.bytes, bytes.len());
        if expected != found {
            return Err(Error::Length { expected, found });
        }
        // What the constructors were promised about the file now holds for the bytes.
        Ok(Artifact { bytes, contents: self.contents })
    }

    /// Maps the file and makes the module or component ready from there. It keeps the mapping, and
    /// Wasmtime a descriptor, until it is dropped.
    ///
    /// # Errors
    ///
    /// As [`Artifact::load`], or that the file cannot be mapped.
    pub fn map(&self, engine: &Engine) -> Result<Loaded, Error> {
        // SAFETY: as in `Artifact::load`, since the file holds such bytes; and it stays as it is
        // while the module lives. Both were promised to the constructors.
        let loaded = unsafe {
            match self.contents.kind {
                ArtifactKind::Module => {
                    Module::deserialize_file(engine, &self.path).map(Loaded::Module)
                }
                ArtifactKind::Component => {
                    Component::deserialize_file(engine, &self.path).map(Loaded::Component)
                }
            }
        };
        loaded.map_err(|source| Error::Deserialize { source })
    }
}

fn read(path: &Path, mut buffer: Vec<u8>) -> Result<Vec<u8>, Error> {
    let failed = |source| Error::Read { path: path.to_owned(), source };
    buffer.clear();
    // `read_to_end` asks for the file's length and reserves it in one go.
    File::open(path).and_then(|mut file| file.read_to_end(&mut buffer)).map_err(failed)?;
    Ok(buffer)
}

impl Digest {
    /// A digest that was written down earlier, from [`Digest::to_bytes`].
    ///
    /// # Safety
    ///
    /// It must have been taken of an [`Artifact`], by this process or another that links the same
    /// release of Wasmtime, and nobody who should not choose the machine code this process runs may have been able to replace it.
    pub const unsafe fn recorded(bytes: [u8; 32]) -> Digest {
        Digest(bytes)
    }
}
