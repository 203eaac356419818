//! [`Source`]: an artifact that a workload loads, in a file or in memory.

use std::borrow::Cow;
use std::path::Path;

use loadline_loader::wasmtime::Engine;
use loadline_loader::{Artifact, ArtifactFile, Contents, Loaded, UnwindPolicy};
use loadline_scenario::Tables;

use crate::error::Error;

/// An artifact that [`drive`](crate::drive) can load.
pub trait Source: Sync {
    /// Returns the contents of the artifact.
    fn contents(&self) -> &Contents;

    /// Returns the path of the artifact's file, or `None` if it has no file.
    fn path(&self) -> Option<&Path>;

    /// Returns the artifact in memory. Reads it into `buffer` unless it is in memory already.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    fn read(&self, buffer: Vec<u8>) -> Result<Cow<'_, Artifact>, Error>;

    /// Maps the file of the artifact and loads the module from the mapping.
    ///
    /// # Errors
    ///
    /// [`Error::NotInFile`], or an error if Wasmtime rejects the file.
    fn map(&self, engine: &Engine) -> Result<Loaded, Error>;
}

impl Source for ArtifactFile {
    fn contents(&self) -> &Contents {
        self.contents()
    }

    fn path(&self) -> Option<&Path> {
        Some(self.path())
    }

    fn read(&self, buffer: Vec<u8>) -> Result<Cow<'_, Artifact>, Error> {
        Ok(Cow::Owned(self.read(buffer)?))
    }

    fn map(&self, engine: &Engine) -> Result<Loaded, Error> {
        Ok(self.map(engine)?)
    }
}

impl Source for Artifact {
    fn contents(&self) -> &Contents {
        self.contents()
    }

    fn path(&self) -> Option<&Path> {
        None
    }

    fn read(&self, _: Vec<u8>) -> Result<Cow<'_, Artifact>, Error> {
        Ok(Cow::Borrowed(self))
    }

    fn map(&self, _: &Engine) -> Result<Loaded, Error> {
        Err(Error::NotInFile)
    }
}

/// Returns the loader's unwind policy for a scenario that keeps or strips unwind tables.
pub fn unwind_policy(tables: Tables) -> UnwindPolicy {
    match tables {
        Tables::Keep => UnwindPolicy::Keep,
        Tables::Strip => UnwindPolicy::Strip,
    }
}
