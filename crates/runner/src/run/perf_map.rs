//! An engine that tells Linux perf of each image, whose file is nobody else's to find.
//!
//! Wasmtime writes `/tmp/perf-PID.map` and nowhere else, and leaves it there (wasmtime 48
//! `profiling_agent/perfmap.rs`). It opens the file once, when the process's first such engine is
//! made, so a link of that name is put in its way just then and taken away again.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use loadline_workload::loader::wasmtime::{Config, Engine, ProfilingStrategy};
use tempfile::TempDir;

use crate::error::Error;

/// An engine with its map, which goes with it.
pub struct PerfMapped {
    /// The engine; loads as `loadline_workload::engine::loading`'s does.
    pub engine: Engine,
    _folder: TempDir,
}

impl PerfMapped {
    /// Makes the engine, and a folder of its own under `folder` for the map.
    ///
    /// # Errors
    /// Where the folder, the link or the engine cannot be made. A file of this process's name that
    /// is there already is somebody else's, and is not touched.
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
    // The file first: what the link points to is opened through it, and so is there.
    fs::File::create(file)?;
    std::os::unix::fs::symlink(file, link)
}

#[cfg(not(unix))]
fn symlink(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
