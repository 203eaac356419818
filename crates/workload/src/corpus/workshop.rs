//! [`Workshop`]: makes the artifacts of a corpus.

use loadline_loader::wasmtime::Engine;
use loadline_loader::{Artifact, compile};
use loadline_scenario::{Collector, Generated};

use crate::engine;
use crate::error::Error;
use crate::generate;

/// Makes the artifacts of a corpus one by one, in any order and on any number of threads.
#[derive(Debug)]
pub enum Workshop {
    /// Compiles modules that are generated from a seed.
    Generating {
        /// An engine as [`engine::generating`] makes it.
        engine: Engine,
        /// The properties of the modules.
        axes: Generated,
    },
    /// Copies the same few artifacts in turn.
    Copying(Vec<Artifact>),
}

impl Workshop {
    /// Makes a workshop for generated modules that run as `collector` says.
    ///
    /// # Errors
    ///
    /// [`Error::Engine`].
    pub fn generating(axes: Generated, collector: Collector) -> Result<Workshop, Error> {
        Ok(Workshop::Generating { engine: engine::generating(collector)?, axes })
    }

    /// Makes the artifact of module `index`.
    ///
    /// A generated module is compiled now. The user's files were compiled once each, and are copied
    /// in turn: compiling the same wasm again would give the same bytes. The copies are
    /// [numbered](Artifact::number), so that no two artifacts of a corpus are the same.
    ///
    /// # Errors
    ///
    /// Where the axes ask for more than Wasmtime accepts, such as a million types; or
    /// [`Error::EmptyCorpus`].
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
