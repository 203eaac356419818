//! Makes artifacts: from a seed, or from the user's own files.

use std::fs;
use std::path::Path;

use loadline_scenario::{Corpus, Generated};
use wasmtime::Engine;

use crate::artifact::Artifact;
use crate::contents::ArtifactKind;
use crate::engine;
use crate::error::Error;
use crate::generate::wasm;

/// Compiles wasm, in binary or text form, module or component.
///
/// # Errors
///
/// [`Error::Text`] or [`Error::Compile`]; [`Error::Precompiled`] where it is compiled already.
pub fn bytes(engine: &Engine, source: &[u8]) -> Result<Artifact, Error> {
    if Engine::detect_precompiled(source).is_some() {
        return Err(Error::Precompiled);
    }
    let wasm = wat::parse_bytes(source).map_err(|source| Error::Text { source })?;
    let kind = if is_component(&wasm) { ArtifactKind::Component } else { ArtifactKind::Module };
    Artifact::compile(engine, kind, &wasm)
}

/// Compiles module `index` of a generated corpus.
///
/// # Errors
///
/// [`Error::Compile`] where the axes ask for more than Wasmtime accepts, such as a million types.
pub fn generated(engine: &Engine, axes: &Generated, index: usize) -> Result<Artifact, Error> {
    bytes(engine, &wasm(axes, index))
}

/// Compiles the user's own `.wasm`, `.wat` or component file.
///
/// # Errors
///
/// As [`bytes`], with the file's path.
pub fn file(engine: &Engine, path: impl AsRef<Path>) -> Result<Artifact, Error> {
    let path = path.as_ref();
    bytes(engine, &read(path)?).map_err(|error| error.in_file(path))
}

/// Whether binary wasm is a component: the version field's second half is the layer
/// (component model `Binary.md`: 0 a core module, 1 a component).
fn is_component(wasm: &[u8]) -> bool {
    wasm.get(6..8) == Some(&[1, 0])
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}

/// Makes the artifacts of a corpus, one by one and in any order, on as many threads as like.
#[derive(Debug)]
pub enum Workshop {
    /// Modules from a seed.
    Generating {
        /// As [`engine::generating`] gives it.
        engine: Engine,
        /// What the modules are like.
        axes: Generated,
    },
    /// Copies of the same few artifacts, in turn.
    Copying(Vec<Artifact>),
}

impl Workshop {
    /// Gets ready to make artifacts for `corpus`: compiles the user's files, once each.
    ///
    /// # Errors
    ///
    /// As [`file()`], so [`Error::Precompiled`] for a `.cwasm`: whoever vouches for one reads it by
    /// [`Artifact::trusted`] and puts it into [`Workshop::Copying`]. [`Error::EmptyCorpus`] where no
    /// file is named.
    pub fn open(corpus: &Corpus) -> Result<Workshop, Error> {
        match corpus {
            Corpus::Generated(axes) => {
                Ok(Workshop::Generating { engine: engine::generating()?, axes: *axes })
            }
            Corpus::Files(paths) => {
                let engine = engine::compiling()?;
                let artifacts = paths.iter().map(|path| file(&engine, path));
                artifacts.collect::<Result<_, _>>().map(Workshop::Copying)
            }
        }
    }

    /// The artifact of module `index`.
    ///
    /// A generated one is compiled now. The user's files take turns, compiled once each and then
    /// copied: compiling the same wasm again would give the same bytes. The copies are
    /// [numbered](Artifact::number), so that no two artifacts of a corpus are the same.
    ///
    /// # Errors
    ///
    /// As [`generated`], or [`Error::EmptyCorpus`].
    pub fn artifact(&self, index: usize) -> Result<Artifact, Error> {
        match self {
            Workshop::Generating { engine, axes } => generated(engine, axes, index),
            Workshop::Copying(artifacts) => {
                let turn = index.checked_rem(artifacts.len()).ok_or(Error::EmptyCorpus)?;
                let mut artifact = artifacts[turn].clone();
                artifact.number(index as u64);
                Ok(artifact)
            }
        }
    }
}
