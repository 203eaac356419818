//! [`Source`]: an artifact wherever it is, as a workload loads it.

use std::borrow::Cow;
use std::path::Path;

use loadline_loader::wasmtime::Engine;
use loadline_loader::{Artifact, ArtifactFile, Contents, Loaded, UnwindPolicy};
use loadline_scenario::Tables;

use crate::error::Error;

/// An artifact that [`drive`](crate::drive) can load.
pub trait Source: Sync {
    /// What the artifact holds.
    fn contents(&self) -> &Contents;

    /// The path of the artifact's file, if it has one.
    fn path(&self) -> Option<&Path>;

    /// Returns the artifact in memory. It is read into `buffer` unless it is in memory already.
    ///
    /// # Errors
    ///
    /// Where the file cannot be read.
    fn read(&self, buffer: Vec<u8>) -> Result<Cow<'_, Artifact>, Error>;

    /// Maps the artifact's file and makes the module ready from there.
    ///
    /// # Errors
    ///
    /// [`Error::NotInFile`], and where Wasmtime refuses the file.
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

/// The loader's policy for unwind tables that a scenario keeps or strips.
pub fn unwind_policy(tables: Tables) -> UnwindPolicy {
    match tables {
        Tables::Keep => UnwindPolicy::Keep,
        Tables::Strip => UnwindPolicy::Strip,
    }
}
