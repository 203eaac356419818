//! Stores compiled artifacts between processes. Each corpus has one folder, with one file per artifact and a
//! manifest of their contents and digests.
//!
//! [`prepare`] checks every file against the manifest, and makes missing or changed files again. So a
//! measured run need not check the files. The run trusts the folder, which is in the user's own target
//! directory.

#![allow(unsafe_code)]

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use loadline_loader::{Artifact, ArtifactFile, ArtifactKind, Contents, Digest, compile};
use loadline_scenario::{Collector, Corpus, Prepare, Tables};
use serde::{Deserialize, Serialize};

use super::source::unwind_policy;
use super::workshop::Workshop;
use crate::engine;
use crate::error::Error;

/// The folder of one corpus.
#[derive(Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// One artifact in the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Row {
    digest: [u8; 32],
    is_component: bool,
    bytes: usize,
    functions: usize,
    fdes: usize,
    has_tables: bool,
}

impl Row {
    fn of(artifact: &Artifact) -> Row {
        let contents = artifact.contents();
        Row {
            digest: artifact.digest().to_bytes(),
            is_component: contents.kind == ArtifactKind::Component,
            bytes: contents.bytes,
            functions: contents.functions,
            fdes: contents.fdes,
            has_tables: contents.has_tables,
        }
    }

    fn contents(&self) -> Contents {
        let kind = if self.is_component { ArtifactKind::Component } else { ArtifactKind::Module };
        let Row { bytes, functions, fdes, has_tables, .. } = *self;
        Contents { kind, bytes, functions, fdes, has_tables }
    }

    fn digest(&self) -> Digest {
        // SAFETY: `Row::of` computed it from an artifact, and the manifest is in a folder that belongs to the
        // user who starts this program, like the program itself.
        unsafe { Digest::recorded(self.digest) }
    }
}

impl Cache {
    /// Returns the folder for `corpus` with `tables` under `root`. The name of the folder depends on
    /// everything that shapes an artifact: the corpus, the content of the user's files, and the engine of the
    /// collector.
    pub fn of(
        root: &Path,
        corpus: &Corpus,
        tables: Tables,
        collector: Collector,
    ) -> Result<Cache, Error> {
        let mut key = blake3::Hasher::new();
        let engine = engine::generating(collector)?;
        let mut compatibility = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut compatibility);
        key.update(&compatibility.finish().to_le_bytes());
        key.update(env!("CARGO_PKG_VERSION").as_bytes());
        match corpus {
            Corpus::Generated(axes) => {
                key.update(&serde_json::to_vec(axes).expect("axes are plain data"));
            }
            Corpus::Files(paths) => {
                for path in paths {
                    key.update(digest_of(path)?.as_bytes()).update(&[u8::from(is_artifact(path))]);
                }
            }
        }
        let name = &key.finalize().to_hex()[..16];
        Ok(Cache { folder: root.join(format!("{name}-{}", tables.name())) })
    }

    /// Returns the first `modules` artifacts, as they were prepared.
    pub fn artifacts(&self, modules: usize) -> Result<Vec<ArtifactFile>, Error> {
        let rows = self.rows()?;
        if rows.len() < modules {
            let (folder, found) = (self.folder.clone(), rows.len());
            return Err(Error::NotPrepared { folder, found, wanted: modules });
        }
        let file = |(index, row): (usize, &Row)| {
            // SAFETY: `prepare` wrote the file, or found that it has this digest. The folder belongs to the
            // user, and files in it are replaced only by renaming.
            unsafe { ArtifactFile::trusted(self.path(index), row.contents()) }
        };
        Ok(rows.iter().take(modules).enumerate().map(file).collect())
    }

    fn path(&self, index: usize) -> PathBuf {
        self.folder.join(format!("{index:06}.cwasm"))
    }

    fn manifest(&self) -> PathBuf {
        self.folder.join("manifest.json")
    }

    /// Returns the rows of the manifest. If there is no readable manifest, there are no rows, and all
    /// artifacts are made again.
    fn rows(&self) -> Result<Vec<Row>, Error> {
        let path = self.manifest();
        match fs::read(&path) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(read_error(path, source)),
        }
    }

    fn save(&self, rows: &[Row]) -> Result<(), Error> {
        let path = self.manifest();
        let failed = |source| Error::Write { path: path.clone(), source };
        let mut file = tempfile::NamedTempFile::new_in(&self.folder).map_err(failed)?;
        let bytes = serde_json::to_vec(rows).expect("rows are plain data");
        file.write_all(&bytes).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(())
    }
}

/// Makes the artifacts of `request` that are missing or damaged. If another process prepares the same corpus
/// at the same time, this waits for it.
pub fn prepare(request: &Prepare, progress: &(dyn Fn(usize) + Sync)) -> Result<(), Error> {
    let of = |tables| Cache::of(&request.cache, &request.corpus, tables, request.collector);
    let cache = of(request.tables)?;
    let folder = &cache.folder;
    make_folder(folder).map_err(|source| Error::Write { path: folder.clone(), source })?;
    let _lock = lock(&folder.join("lock"))?;
    let known = cache.rows()?;
    let kept = match request.tables {
        Tables::Keep => None,
        Tables::Strip => Some(of(Tables::Keep)?),
    };
    let kept = kept.map(|kept| Ok::<_, Error>((kept.rows()?, kept))).transpose()?;
    let workshop = std::sync::OnceLock::new();
    let make = |index: usize| -> Result<Row, Error> {
        let path = cache.path(index);
        if let Some(row) = known.get(index)
            && verified(&path, row).is_some()
        {
            return Ok(row.clone());
        }
        let from_kept =
            kept.as_ref().and_then(|(rows, kept)| verified(&kept.path(index), rows.get(index)?));
        let mut artifact = match from_kept {
            Some(artifact) => artifact,
            None => {
                let workshop = workshop.get_or_init(|| open(&request.corpus, request.collector));
                workshop
                    .as_ref()
                    .map_err(|error| Error::Corpus(error.to_string()))?
                    .artifact(index)?
            }
        };
        artifact.apply(unwind_policy(request.tables))?;
        artifact.save_unsynced(&path)?;
        Ok(Row::of(&artifact))
    };
    let mut rows = in_parallel(request.modules, make, progress)?;
    rows.extend(known.into_iter().skip(request.modules));
    cache.save(&rows)
}

/// Returns whether the file name is that of a file with machine code.
fn is_artifact(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "cwasm")
}

/// Computes the digest of a file in pieces. A buffer of the size of the file would have a side effect after
/// it is freed. It would raise the size from which this process's allocator asks the kernel for memory, and
/// that is part of a later measurement.
fn digest_of(path: &Path) -> Result<blake3::Hash, Error> {
    let mut digest = blake3::Hasher::new();
    let file = File::open(path).and_then(|mut file| std::io::copy(&mut file, &mut digest));
    file.map_err(|source| read_error(path, source))?;
    Ok(digest.finalize())
}

/// Returns the artifact at `path` if it has the digest in the manifest.
fn verified(path: &Path, row: &Row) -> Option<Artifact> {
    Artifact::verified(fs::read(path).ok()?, &row.digest()).ok()
}

/// Creates `folder` and its missing parents. With any umask, only the user and the user's group can write to
/// them.
///
/// # Errors
/// If a folder cannot be created.
pub fn make_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o775);
    builder.recursive(true).create(folder)
}

/// Takes a lock that is held until it is dropped or the process ends.
fn lock(path: &Path) -> Result<File, Error> {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o644);
    let open = options.create(true).truncate(false).write(true).open(path);
    let locked = open.and_then(|file| file.lock().map(|()| file));
    locked.map_err(|source| Error::Write { path: path.to_owned(), source })
}

fn open(corpus: &Corpus, collector: Collector) -> Result<Workshop, Error> {
    let paths = match corpus {
        Corpus::Generated(axes) => {
            return Workshop::generating(*axes, collector);
        }
        Corpus::Files(paths) => paths,
    };
    let engine = engine::compiling(collector)?;
    let artifact = |path: &PathBuf| -> Result<Artifact, Error> {
        if !is_artifact(path) {
            return Ok(compile::file(&engine, path)?);
        }
        let bytes = fs::read(path).map_err(|source| read_error(path, source))?;
        // SAFETY: the user put the path of an artifact into a scenario so that it is run, and no other user
        // can guarantee it. README.md says so in the description of scenarios.
        let artifact = unsafe { Artifact::trusted(bytes) };
        artifact.map_err(|error| Error::Corpus(format!("{}: {error}", path.display())))
    };
    let artifacts = in_parallel(paths.len(), |index| artifact(&paths[index]), &|_| {})?;
    Ok(Workshop::Copying(artifacts))
}

/// Makes the items `0..total` on all CPUs, and stops at the first error.
fn in_parallel<T: Send>(
    total: usize,
    make: impl Fn(usize) -> Result<T, Error> + Sync,
    progress: &(dyn Fn(usize) + Sync),
) -> Result<Vec<T>, Error> {
    let rows = Mutex::new((0..total).map(|_| None).collect::<Vec<_>>());
    let failure = Mutex::new(None);
    let (next, done, stopped) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let work = || {
        while !stopped.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= total {
                break;
            }
            match make(index) {
                Ok(row) => {
                    rows.lock().unwrap_or_else(PoisonError::into_inner)[index] = Some(row);
                    progress(done.fetch_add(1, Ordering::Relaxed) + 1);
                }
                Err(error) => {
                    stopped.store(true, Ordering::Relaxed);
                    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            }
        }
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let started: Vec<_> = (0..processors).map(|_| scope.spawn(work)).collect();
        // The scope alone would let threads exist a little longer, and a count of live memory would see them.
        for thread in started {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        }
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => {
            let rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
            Ok(rows
                .into_iter()
                .map(|row| row.expect("without an error every row was made"))
                .collect())
        }
    }
}

fn read_error(path: impl Into<PathBuf>, source: std::io::Error) -> Error {
    Error::Read { path: path.into(), source }
}
