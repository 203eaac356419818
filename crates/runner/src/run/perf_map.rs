//! An engine that reports each image to Linux perf, through a file in a private folder.
//!
//! Wasmtime writes `/tmp/perf-PID.map` and no other path, and does not delete the file (wasmtime 48
//! `profiling_agent/perfmap.rs`). It opens the file once, when the process creates the first such engine. So
//! this module creates a link of that name just before, and removes the link afterwards.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use loadline_workload::loader::wasmtime::{Config, Engine, ProfilingStrategy};
use tempfile::TempDir;

use crate::error::Error;

/// An engine with its perf map, which is deleted with the engine.
pub struct PerfMapped {
    /// The engine, which loads like the engine of `loadline_workload::engine::loading`.
    pub engine: Engine,
    _folder: TempDir,
}

impl PerfMapped {
    /// Creates the engine, and a new folder under `folder` for the map.
    ///
    /// # Errors
    /// If the folder, the link or the engine cannot be created. If the file with this process's id exists
    /// already, it belongs to another program and is not touched.
    pub fn new(folder: &Path) -> Result<PerfMapped, Error> {
        let write = |path: &Path, source| Error::Write { path: path.to_owned(), source };
        let made = TempDir::with_prefix_in("perf-map-", folder);
        let private = made.map_err(|source| write(folder, source))?;
        let map = private.path().join("perf.map");
        let link = PathBuf::from(format!("/tmp/perf-{}.map", std::process::id()));
        symlink(&map, &link).map_err(|source| write(&link, source))?;
        let mut config = Config::new();
        config.profiler(ProfilingStrategy::PerfMap);
        let engine = Engine::new(&config);
        let removed = fs::remove_file(&link).map_err(|source| write(&link, source));
        let failed = |source| loadline_workload::Error::Engine { source };
        let engine = engine.map_err(failed)?;
        removed?;
        if !map.exists() {
            return Err(Error::PerfMapElsewhere { link });
        }
        Ok(PerfMapped { engine, _folder: private })
    }
}

#[cfg(unix)]
fn symlink(file: &Path, link: &Path) -> io::Result<()> {
    // Create the file first, because Wasmtime opens it through the link and expects it to exist.
    fs::File::create(file)?;
    std::os::unix::fs::symlink(file, link)
}

#[cfg(not(unix))]
fn symlink(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
