//! [`Artifact`]: a compiled module or component whose bytes can be trusted, in memory. [`ArtifactFile`] is an
//! artifact on disk. This module does all deserialization except that of packs, which deserialize in place.
//!
//! Wasmtime runs the machine code in an artifact without validating it, so deserializing is as dangerous as
//! executing a file (wasmtime 48 `runtime/module.rs`, `Module::deserialize`). Deserializing is safe only if
//! the bytes come from a trusted source. A value of these types guarantees that. There are three ways to get
//! one:
//! - compile in this process;
//! - verify bytes by the [`Digest`] or by the seal of an artifact that was compiled that way;
//! - call an `unsafe` constructor, whose caller guarantees that the bytes can be trusted.
//!
//! Safe code can change the bytes only through the two functions here, `apply` and `number`. So loading such
//! a value is safe.
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
    /// This release of Wasmtime produced the bytes, and only `apply` and `number` may have changed them.
    bytes: Vec<u8>,
    contents: Contents,
}

/// A compiled module or component in a file.
#[derive(Debug, Clone)]
pub struct ArtifactFile {
    /// The file at this path holds bytes that `Artifact::bytes` could hold.
    path: PathBuf,
    contents: Contents,
}

/// A loaded module or component.
#[derive(Debug, Clone)]
pub enum Loaded {
    /// A core module.
    Module(Module),
    /// A component.
    Component(Component),
}

impl Loaded {
    /// Returns the core module, or `None` for a component.
    pub fn module(&self) -> Option<&Module> {
        match self {
            Loaded::Module(module) => Some(module),
            Loaded::Component(_) => None,
        }
    }

    /// Returns the component, or `None` for a core module.
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

    /// Creates an artifact from bytes that the caller guarantees, such as the content of a `.cwasm` file.
    ///
    /// # Errors
    ///
    /// The errors of [`Contents::of`]. Bytes that are truncated or clearly no artifact are rejected. This
    /// check does not replace the contract below.
    ///
    /// # Safety
    ///
    /// `bytes` must be unchanged output of exactly the release of Wasmtime that this program links. That
    /// output comes from `Engine::precompile_module`, `Module::serialize` and the like, or from
    /// [`Artifact::bytes`] in a program that links the same release. A different patch release is a different
    /// release. Wasmtime's own check is not enough: it compares the major version only, and
    /// `Config::module_version` can turn it off.
    pub unsafe fn trusted(bytes: Vec<u8>) -> Result<Artifact, Error> {
        Artifact::with_contents(bytes)
    }

    /// Reads the contents of `bytes`. The field `bytes` documents which bytes are allowed.
    fn with_contents(bytes: Vec<u8>) -> Result<Artifact, Error> {
        let contents = Contents::of(&bytes)?;
        Ok(Artifact { bytes, contents })
    }

    /// Does the same as [`Artifact::trusted`], but does not read the bytes. `contents` must be the contents
    /// that were read from the bytes before they were saved.
    ///
    /// # Safety
    ///
    /// The contract of [`Artifact::trusted`].
    pub(crate) unsafe fn recorded(bytes: Vec<u8>, contents: Contents) -> Artifact {
        Artifact { bytes, contents }
    }

    /// Creates an artifact from untrusted bytes, if they have the digest of an artifact.
    ///
    /// The digest is computed over exactly the bytes that will be loaded, in memory that no other process can
    /// write to.
    ///
    /// # Errors
    ///
    /// [`Error::Altered`] if the digest differs.
    pub fn verified(bytes: Vec<u8>, digest: &Digest) -> Result<Artifact, Error> {
        let found = Digest::of(&bytes);
        if found != *digest {
            let (expected, found) = (digest.to_string(), found.to_string());
            return Err(Error::Altered { expected, found });
        }
        // A `Digest` is only computed from an artifact of this release, so the field allows its bytes. No two
        // byte strings with the same BLAKE3 digest are known.
        Artifact::with_contents(bytes)
    }

    /// Returns the bytes of the artifact, for saving.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Consumes the artifact and returns its bytes, so that their memory can be reused.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Returns the contents of the artifact.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Returns the digest that [`Artifact::verified`] needs to recognise these bytes.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }

    /// Applies an unwind policy to the artifact itself. The setting of the loading engine has no influence on
    /// the unwind tables of an artifact.
    ///
    /// With [`UnwindPolicy::Strip`], Wasmtime registers nothing for this artifact (`tables.rs` describes the
    /// mechanism and its price). On Windows artifacts every policy has no effect, because their tables are
    /// part of the ABI. [`Contents::has_tables`] stays true for them.
    ///
    /// # Errors
    ///
    /// [`Error::TablesPresent`] if the policy is [`UnwindPolicy::RequireAbsent`] and the artifact has tables.
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

    /// Makes the bytes differ from those of all other copies without changing their meaning. The number is
    /// appended to the image, where no section reaches.
    ///
    /// Use this function for a corpus that has fewer files than modules. A number in a custom section of the
    /// wasm would not survive compilation.
    pub fn number(&mut self, number: u64) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
        self.contents.bytes = self.bytes.len();
    }

    /// Writes the artifact to `path` atomically. The bytes go into a temporary file in the same folder, which
    /// is synced to disk and then renamed. Only the current user can read the file.
    ///
    /// # Errors
    ///
    /// [`Error::Write`]. An older file at `path` is then unchanged.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.write(path.as_ref(), File::sync_all)
    }

    /// Writes the artifact to `path` like [`Artifact::save`], but does not wait for the disk. Every process
    /// sees the whole file or none, but the file may be lost after a power failure.
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

    /// Loads the module or component. Wasmtime copies the bytes and does not keep a reference to these.
    ///
    /// # Errors
    ///
    /// [`Error::Deserialize`] if the artifact is for another target, or if the settings of `engine` do not
    /// match the machine code.
    pub fn load(&self, engine: &Engine) -> Result<Loaded, Error> {
        // SAFETY: this release of Wasmtime produced `bytes` (see the field). Two functions may have changed
        // them. `apply` sets the size of `.eh_frame` to 0. Wasmtime then finds an artifact compiled without
        // unwind tables, which its compiler offers as a setting. `number` appends bytes at the end. Wasmtime
        // finds everything through the section headers, and no header points there.
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
    /// Names a file that the caller guarantees, without opening it. `contents` must be the contents of the
    /// artifact that was saved there.
    ///
    /// # Safety
    ///
    /// The file at `path` must hold bytes that [`Artifact::bytes`] may hold (see [`Artifact::trusted`]). The
    /// file must stay unchanged while this value lives. It must also stay unchanged while anything lives that
    /// was loaded through [`ArtifactFile::map`], because Wasmtime then reads the pages of the file when it
    /// needs them. A usual way to guarantee this is a folder that only this user can write to, in which
    /// programs replace files by renaming.
    pub unsafe fn trusted(path: impl Into<PathBuf>, contents: Contents) -> ArtifactFile {
        ArtifactFile { path: path.into(), contents }
    }

    /// Names a file that the caller guarantees, and reads its contents.
    ///
    /// # Errors
    ///
    /// The errors of [`Contents::of`], or [`Error::Read`].
    ///
    /// # Safety
    ///
    /// The contract of [`ArtifactFile::trusted`].
    pub unsafe fn inspected(path: impl Into<PathBuf>) -> Result<ArtifactFile, Error> {
        let path = path.into();
        let bytes = read(&path, Vec::new())?;
        let contents = Contents::of(&bytes).map_err(|error| error.in_file(&path))?;
        Ok(ArtifactFile { path, contents })
    }

    /// Returns the path of the artifact.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the contents of the artifact.
    pub fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Compares the whole file with the digest of the artifact that was saved there.
    ///
    /// # Errors
    ///
    /// [`Error::Altered`] if the digest differs, or [`Error::Read`].
    pub fn verify(&self, digest: &Digest) -> Result<(), Error> {
        let bytes = read(&self.path, Vec::new())?;
        Artifact::verified(bytes, digest).map_err(|error| error.in_file(&self.path))?;
        Ok(())
    }

    /// Reads the artifact into `buffer`. The old content of `buffer` is lost.
    ///
    /// # Errors
    ///
    /// [`Error::Read`], or [`Error::Length`] if the length of the file has changed.
    pub fn read(&self, buffer: Vec<u8>) -> Result<Artifact, Error> {
        let bytes = read(&self.path, buffer)?;
        let (expected, found) = (self.contents.bytes, bytes.len());
        if expected != found {
            return Err(Error::Length { expected, found });
        }
        // The callers of the constructors guaranteed the file, and so these bytes.
        Ok(Artifact { bytes, contents: self.contents })
    }

    /// Maps the file and loads the module or component from the mapping. The module keeps the mapping, and
    /// Wasmtime keeps a file descriptor, until the module is dropped.
    ///
    /// # Errors
    ///
    /// [`Error::Deserialize`], as in [`Artifact::load`] or if the file cannot be mapped.
    pub fn map(&self, engine: &Engine) -> Result<Loaded, Error> {
        // SAFETY: the file holds bytes as in `Artifact::load`, and it stays unchanged while the module lives.
        // The callers of the constructors guaranteed both.
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
    // `read_to_end` asks for the length of the file and reserves that much at once.
    File::open(path).and_then(|mut file| file.read_to_end(&mut buffer)).map_err(failed)?;
    Ok(buffer)
}

impl Digest {
    /// Turns saved bytes from [`Digest::to_bytes`] back into a digest.
    ///
    /// # Safety
    ///
    /// The bytes must be the digest of an [`Artifact`], computed by a process that links the same release of
    /// Wasmtime. No user may have been able to replace the bytes, unless that user may choose the machine
    /// code that this process runs.
    pub const unsafe fn recorded(bytes: [u8; 32]) -> Digest {
        Digest(bytes)
    }
}
