//! [`Workshop`]: makes the artifacts of a corpus.

use loadline_loader::wasmtime::Engine;
use loadline_loader::{Artifact, compile};
use loadline_scenario::{Collector, Generated};

use crate::engine;
use crate::error::Error;
use crate::generate;

/// Makes the artifacts of a corpus one at a time, in any order and on any number of threads.
#[derive(Debug)]
pub enum Workshop {
    /// Compiles modules that are generated from a seed.
    Generating {
        /// An engine from [`engine::generating`].
        engine: Engine,
        /// The properties of the modules.
        axes: Generated,
    },
    /// Copies the same few artifacts in turn.
    Copying(Vec<Artifact>),
}

impl Workshop {
    /// Creates a workshop for generated modules that run under `collector`.
    ///
    /// # Errors
    ///
    /// [`Error::Engine`].
    pub fn generating(axes: Generated, collector: Collector) -> Result<Workshop, Error> {
        Ok(Workshop::Generating { engine: engine::generating(collector)?, axes })
    }

    /// Makes the artifact of module `index`.
    ///
    /// A generated module is compiled now. The user's files were compiled once each, and their artifacts are
    /// copied in turn, because compiling the same wasm again would give the same bytes. Each copy gets a
    /// [number](Artifact::number), so that no two artifacts of a corpus are the same.
    ///
    /// # Errors
    ///
    /// The errors of the loader if the axes ask for more than Wasmtime accepts, such as a million types.
    /// [`Error::EmptyCorpus`] if there are no files.
    pub fn artifact(&self, index: usize) -> Result<Artifact, Error> {
        match self {
            Workshop::Generating { engine, axes } => {
                Ok(compile::bytes(engine, &generate::wasm(axes, index))?)
            }
            Workshop::Copying(artifacts) => {
                let turn = index.checked_rem(artifacts.len()).ok_or(Error::EmptyCorpus)?;
                let mut artifact = artifacts[turn].clone();
                artifact.number(index as u64);
                Ok(artifact)
            }
        }
    }
}
