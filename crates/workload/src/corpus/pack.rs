//! A corpus in one pack: thousands of modules in one mapping. The pack is made and opened before the
//! measurement begins.
#![allow(unsafe_code)]

use std::borrow::Cow;
use std::path::Path;

use loadline_loader::pack::{self, Pack, PackOptions, PackWriter};
use loadline_loader::wasmtime::{Config, Engine};
use loadline_loader::{Artifact, ArtifactFile, Contents, Loaded, native_unwind};
use loadline_scenario::Tables;
use tempfile::TempDir;

use super::source::Source;
use crate::error::Error;

/// Artifacts in a pack, and the engine that loads from it.
pub struct PackedCorpus {
    /// Declared first, so that it is dropped before the folder of its file.
    pack: Pack,
    engine: Engine,
    _folder: TempDir,
}

/// One module of a pack, as a source for a load order.
pub struct Packed<'a> {
    pack: &'a Pack,
    index: usize,
    contents: Contents,
}

impl PackedCorpus {
    /// Writes `artifacts` into a pack in a new folder under `folder`, and opens the pack. If `tables` are
    /// kept, unwinders find them through the index of the pack.
    ///
    /// # Errors
    /// If an artifact cannot be read, or the pack cannot be written or opened. If tables cannot be kept in
    /// this process.
    pub fn make(
        artifacts: &[ArtifactFile],
        folder: &Path,
        tables: Tables,
    ) -> Result<PackedCorpus, Error> {
        if tables == Tables::Keep {
            native_unwind::enable().map_err(|reason| Error::TablesNotKept { reason })?;
        }
        let made = TempDir::with_prefix_in("pack-", folder);
        let failed = |source| loadline_loader::Error::Read { path: folder.to_owned(), source };
        let folder = made.map_err(failed)?;
        let path = folder.path().join("corpus.pack");
        let mut writer = PackWriter::create(&path, None)?;
        for (index, file) in artifacts.iter().enumerate() {
            writer.add(index.to_string(), &file.read(Vec::new())?)?;
        }
        writer.finish()?;
        // SAFETY: this program is in the target directory of the user's own build. So everyone who may write
        // to that directory may choose what this program does (as for the cache, `cache.rs`).
        let options = unsafe { PackOptions::new().vouched() };
        let pack = Pack::open(&path, options)?;
        let mut config = Config::new();
        pack::configure(&mut config);
        let engine = Engine::new(&config).map_err(|source| Error::Engine { source })?;
        Ok(PackedCorpus { pack, engine, _folder: folder })
    }

    /// Returns the engine that loads from the pack.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Returns the modules of the pack, in the order of the artifacts.
    pub fn sources(&self) -> Vec<Packed<'_>> {
        let in_order = (0..self.pack.entries().len()).map(|number| {
            let index = self.pack.find(&number.to_string()).expect("`make` gave these names");
            let contents = *self.pack.entry(index).contents();
            Packed { pack: &self.pack, index, contents }
        });
        in_order.collect()
    }

    /// Closes the pack, which frees the mapping.
    ///
    /// # Errors
    /// If a module in the pack is still live, so not all modules were released.
    pub fn close(self) -> Result<(), Error> {
        let still = |still: pack::StillLoaded| Error::StillPacked { modules: still.modules };
        self.pack.close().map_err(still)
    }
}

impl Source for Packed<'_> {
    fn contents(&self) -> &Contents {
        &self.contents
    }

    fn path(&self) -> Option<&Path> {
        Some(self.pack.path())
    }

    /// Returns an error, because the pack is in memory already.
    fn read(&self, _: Vec<u8>) -> Result<Cow<'_, Artifact>, Error> {
        Err(Error::NotInFile)
    }

    fn map(&self, engine: &Engine) -> Result<Loaded, Error> {
        Ok(self.pack.load_at(engine, self.index)?)
    }
}
