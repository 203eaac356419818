//! Calls that load many modules at once.

use std::ops::ControlFlow;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use super::lease::Lease;
use super::load::Loader;
use crate::artifact::Artifact;
use crate::error::Error;
#[cfg(unix)]
use crate::pack::opened::Pack;
use crate::parallel;
#[cfg(feature = "compile")]
use crate::store::open::ArtifactStore;

/// The progress of a call that loads many modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The number of loads that have ended, with or without success.
    pub done: usize,
    /// The number of requested loads.
    pub total: usize,
}

/// The files of a folder, sorted by name, with the result of each load.
#[cfg(feature = "compile")]
pub type LoadedFiles = Vec<(std::path::PathBuf, Result<Lease, Error>)>;

impl Loader {
    /// Loads many artifacts, and returns the results in the order of `artifacts`.
    ///
    /// The loader calls `progress` after each load, on the thread that loaded. If `progress` returns `Break`,
    /// no further load begins. Loads that have not begun return [`Error::Cancelled`].
    pub fn load_many(
        &self,
        artifacts: &[Artifact],
        progress: impl Fn(Progress) -> ControlFlow<()> + Sync,
    ) -> Vec<Result<Lease, Error>> {
        self.each(artifacts.len(), progress, |index| self.load(&artifacts[index]))
    }

    /// Loads all artifacts of a pack like [`Loader::load_many`], in the order of the pack's entries.
    #[cfg(unix)]
    pub fn load_pack(
        &self,
        pack: &Pack,
        progress: impl Fn(Progress) -> ControlFlow<()> + Sync,
    ) -> Vec<Result<Lease, Error>> {
        self.each(pack.entries().len(), progress, |index| self.load_packed_at(pack, index))
    }

    /// Loads every `.wasm` and `.wat` file of a folder like [`Loader::load_many`], sorted by name, with the
    /// help of a store. Subfolders are not searched.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if the folder cannot be read. The result of each file holds that file's own error.
    #[cfg(feature = "compile")]
    pub fn load_folder(
        &self,
        store: &ArtifactStore,
        folder: impl AsRef<std::path::Path>,
        progress: impl Fn(Progress) -> ControlFlow<()> + Sync,
    ) -> Result<LoadedFiles, Error> {
        let folder = folder.as_ref();
        let failed = |source| Error::Read { path: folder.to_owned(), source };
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let is_wasm = path.extension().is_some_and(|end| end == "wasm" || end == "wat");
            if is_wasm && path.is_file() {
                paths.push(path);
            }
        }
        paths.sort();
        let loaded = self.each(paths.len(), progress, |index| {
            let path = &paths[index];
            let wasm = std::fs::read(path);
            let wasm = wasm.map_err(|source| Error::Read { path: path.clone(), source })?;
            let name = path.to_string_lossy();
            self.load_named_wasm(Some(&name), store, &wasm).map_err(|error| error.in_file(path))
        });
        Ok(paths.into_iter().zip(loaded).collect())
    }

    fn each(
        &self,
        total: usize,
        progress: impl Fn(Progress) -> ControlFlow<()> + Sync,
        load: impl Fn(usize) -> Result<Lease, Error> + Sync,
    ) -> Vec<Result<Lease, Error>> {
        let results: Vec<OnceLock<Result<Lease, Error>>> =
            (0..total).map(|_| OnceLock::new()).collect();
        let n_done = AtomicU64::new(0);
        parallel::each(total, self.inner.options.threads, |index| {
            let _ = results[index].set(load(index));
            let done = n_done.fetch_add(1, Ordering::Relaxed) as usize + 1;
            progress(Progress { done, total }).is_continue()
        });
        let results = results.into_iter();
        results.map(|result| result.into_inner().unwrap_or(Err(Error::Cancelled))).collect()
    }
}
