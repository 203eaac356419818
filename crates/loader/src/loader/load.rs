//! [`Loader`]: loads modules for one engine and drops them on a background thread.

use std::fmt;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, Instant};

use wasmtime::Engine;

use super::lease::Lease;
use super::options::LoaderOptions;
use super::shared::{Counters, Identity, Inner, lock};
use super::unloading::Unloader;
use crate::artifact::contents::{Contents, Image};
use crate::artifact::policy::UnwindPolicy;
use crate::artifact::{Artifact, Loaded};
use crate::error::Error;
use crate::headroom::ledger::Ledger;
use crate::headroom::resource::Amounts;
#[cfg(unix)]
use crate::pack::opened::Pack;
use crate::parallel;
#[cfg(feature = "compile")]
use crate::store::open::Store;
use crate::watch::{LoadRecord, Origin};

/// Loads modules and components for one engine. Clones are cheap, and all clones are the same loader.
///
/// ```
/// # #[cfg(feature = "compile")]
/// # fn main() -> Result<(), loadline_loader::Error> {
/// use loadline_loader::wasmtime::Engine;
/// use loadline_loader::{Loader, LoaderOptions, compile};
///
/// let engine = Engine::default();
/// let text = r#"(module (func (export "double") (param i32) (result i32)
///                 (i32.shl (local.get 0) (i32.const 1))))"#;
/// let artifact = compile::bytes(&engine, text.as_bytes())?;
///
/// let loader = Loader::new(&engine, LoaderOptions::new());
/// let one = loader.load(&artifact)?;
/// let other = loader.load(&artifact)?; // The same module.
/// drop((one, other)); // Another thread unloads it.
/// loader.flush();
/// assert_eq!(loader.population().modules, 0);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "compile"))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct Loader {
    inner: Arc<Inner>,
}

/// The modules that a loader has loaded and that still have handles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Population {
    /// The number of modules and components.
    pub modules: u64,
    /// The number of modules whose unwind tables are registered.
    pub with_tables: u64,
    /// The number of frame description entries of those modules.
    pub fdes: u64,
    /// The total length of all artifacts in bytes.
    pub bytes: u64,
}

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

/// The facts about an artifact that must be known before it is loaded.
struct Prepared {
    contents: Contents,
    identity: Option<Identity>,
    need: Amounts,
}

impl Loader {
    /// Creates a loader for `engine`, and starts the thread that unloads.
    pub fn new(engine: &Engine, options: LoaderOptions) -> Loader {
        let inner = Inner {
            engine: engine.clone(),
            ledger: options.reserve.map(Ledger::new),
            unloader: Unloader::start(Arc::clone(&options.observer)),
            modules: Mutex::default(),
            n_loaded: AtomicU64::new(0),
            population: Counters::default(),
            has_warned: AtomicBool::new(false),
            options,
        };
        Loader { inner: Arc::new(inner) }
    }

    /// Loads an artifact. If an identical artifact is loaded already, returns a handle of that module.
    ///
    /// # Errors
    ///
    /// [`Error::Headroom`] if the module would not fit. [`Error::TablesPresent`] if the policy forbids unwind
    /// tables. [`Error::Deserialize`].
    pub fn load(&self, artifact: &Artifact) -> Result<Lease, Error> {
        self.load_bytes(None, artifact, Origin::Bytes, Instant::now())
    }

    /// Compiles `wasm` with this loader's engine, or reads the compiled artifact from a store, and loads it.
    ///
    /// # Errors
    ///
    /// The errors of [`Store::load`](crate::Store::load) and [`Loader::load`]. If Wasmtime rejects an entry
    /// of the store, the store compiles it again.
    #[cfg(feature = "compile")]
    pub fn load_wasm(&self, store: &Store, wasm: &[u8]) -> Result<Lease, Error> {
        self.load_named_wasm(None, store, wasm)
    }

    #[cfg(feature = "compile")]
    fn load_named_wasm(
        &self,
        name: Option<&str>,
        store: &Store,
        wasm: &[u8],
    ) -> Result<Lease, Error> {
        let began = Instant::now();
        store.load_by(&self.inner.engine, wasm, |artifact| {
            self.load_bytes(name, artifact, Origin::Store, began)
        })
    }

    /// Loads an artifact of a pack, in place if possible.
    ///
    /// One image can only be one module at a time. If another module of the same image is alive that this
    /// loader has no handle of, the loader copies the artifact. There are three such cases: an instance
    /// outlives the last [`Lease`], the module is not unloaded yet, or another loader or engine uses the
    /// image. A copy takes two mappings, and native backtraces have no frames for it. Its record says
    /// [`Origin::PackCopy`]. A copy does not keep the pack open. This function never waits for another
    /// module.
    ///
    /// # Errors
    ///
    /// The errors of [`Pack::load`](crate::pack::Pack::load) except [`Error::Loaded`], and of
    /// [`Loader::load`].
    #[cfg(unix)]
    pub fn load_packed(&self, pack: &Pack, name: &str) -> Result<Lease, Error> {
        let missing = || Error::NoSuchEntry { name: name.to_owned(), path: pack.path().to_owned() };
        self.load_packed_at(pack, pack.find(name).ok_or_else(missing)?)
    }

    #[cfg(unix)]
    fn load_packed_at(&self, pack: &Pack, index: usize) -> Result<Lease, Error> {
        let began = Instant::now();
        let entry = pack.entry(index);
        let (contents, need) = (*entry.contents(), pack.need_at(index));
        let identity = Some(Identity::Image(pack.image_id(index)));
        let prepared = Prepared { contents, identity, need };
        self.share_or_load(Some(entry.name()), Origin::Pack, prepared, began, || {
            if !pack.is_copied(index) {
                let origin = |is_copy| if is_copy { Origin::PackCopy } else { Origin::Pack };
                match pack.load_and_tell(&self.inner.engine, index) {
                    Err(Error::Loaded { .. }) => {}
                    loaded => return loaded.map(|(loaded, is_copy)| (loaded, origin(is_copy))),
                }
            }
            // The loader admitted a module in place above. A copy needs more.
            let bytes = contents.bytes as u64;
            self.inner.admit(Amounts { mappings: MAPPINGS_FROM_BYTES, descriptors: 0, bytes })?;
            Ok((pack.copy_at(&self.inner.engine, index)?, Origin::PackCopy))
        })
    }

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
        store: &Store,
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

    /// Waits until every module is unloaded whose last handle was dropped before this call.
    ///
    /// An observer may call this function while it is notified of an unload. The function then returns at
    /// once, because it would wait for itself.
    pub fn flush(&self) {
        self.inner.unloader.flush(None);
    }

    /// Waits like [`Loader::flush`], but at most for `patience`. Returns false if some modules are not
    /// unloaded.
    pub fn flush_for(&self, patience: Duration) -> bool {
        self.inner.unloader.flush(Some(patience))
    }

    /// Returns the number and size of the modules that are loaded and still have handles.
    pub fn population(&self) -> Population {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Counters { modules, with_tables, fdes, bytes } = &self.inner.population;
        Population {
            modules: read(modules),
            with_tables: read(with_tables),
            fdes: read(fdes),
            bytes: read(bytes),
        }
    }

    /// Returns the engine that this loader loads for.
    pub fn engine(&self) -> &Engine {
        &self.inner.engine
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

    fn load_bytes(
        &self,
        name: Option<&str>,
        artifact: &Artifact,
        origin: Origin,
        began: Instant,
    ) -> Result<Lease, Error> {
        let mut artifact = std::borrow::Cow::Borrowed(artifact);
        match self.inner.options.policy {
            UnwindPolicy::Keep => {}
            UnwindPolicy::Strip if artifact.contents().fdes == 0 => {}
            policy => artifact.to_mut().apply(policy)?,
        }
        let contents = *artifact.contents();
        let identity =
            (self.inner.options.is_sharing).then(|| Identity::Digest(artifact.digest().to_bytes()));
        // Parse the image only if there is a ledger that needs to know.
        let has_data_segments = self.inner.ledger.is_some()
            && Image::parse(artifact.bytes()).is_ok_and(|image| image.has_data_segments());
        // The image, and Wasmtime's own records, which take about as much memory again.
        let need = Amounts {
            mappings: MAPPINGS_FROM_BYTES,
            descriptors: descriptors(has_data_segments),
            bytes: 2 * contents.bytes as u64,
        };
        let prepared = Prepared { contents, identity, need };
        self.share_or_load(name, origin, prepared, began, || {
            Ok((artifact.load(&self.inner.engine)?, origin))
        })
    }

    fn share_or_load(
        &self,
        name: Option<&str>,
        origin: Origin,
        prepared: Prepared,
        began: Instant,
        load: impl FnOnce() -> Result<(Loaded, Origin), Error>,
    ) -> Result<Lease, Error> {
        self.inner.unloader.make_room();
        let own = prepared.identity.map(|identity| {
            let mut modules = lock(&self.inner.modules);
            Arc::clone(modules.entry(identity).or_default())
        });
        let mut slot = own.as_deref().map(lock);
        let (contents, prepare) = (prepared.contents, began.elapsed());
        let mut record = LoadRecord {
            name,
            origin,
            contents,
            is_shared: false,
            registrations: Some(0),
            mappings: 0,
            prepare,
            deserialize: Duration::ZERO,
        };
        if let Some(shared) = slot.as_deref().and_then(Weak::upgrade) {
            drop(slot);
            record.is_shared = true;
            self.inner.options.observer.loaded(&record);
            return Ok(Lease { shared });
        }
        let began = Instant::now();
        let loaded = match self.inner.admit(prepared.need).and_then(|()| load()) {
            Ok((loaded, origin)) => {
                record.origin = origin;
                record.mappings = if origin == Origin::Pack { 0 } else { MAPPINGS_FROM_BYTES };
                loaded
            }
            Err(error) => {
                drop(slot);
                drop(own);
                prepared.identity.into_iter().for_each(|identity| self.inner.forget(identity));
                return Err(error);
            }
        };
        record.deserialize = began.elapsed();
        let shared = self.inner.arrived(loaded, contents, prepared.identity);
        if let Some(slot) = &mut slot {
            **slot = Arc::downgrade(&shared);
        }
        drop(slot);
        record.registrations = self.inner.registrations(&contents);
        self.inner.options.observer.loaded(&record);
        self.inner.warn_of_tables();
        Ok(Lease { shared })
    }
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader").field("population", &self.population()).finish_non_exhaustive()
    }
}

/// `Module::deserialize` makes one mapping per image. Changing the protection of the code splits it in two.
const MAPPINGS_FROM_BYTES: u64 = 2;

/// Returns the number of file descriptors that a module needs. The first instance of a module with data
/// segments takes one, and the module keeps it (wasmtime 48 `runtime/vm/cow.rs`). Loading takes none.
fn descriptors(has_data_segments: bool) -> u64 {
    u64::from(has_data_segments)
}

#[cfg(all(test, feature = "compile"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::artifact::compile;

    #[test]
    fn nothing_is_remembered_of_what_is_gone_or_never_came() {
        let compiling = Engine::default();
        let artifact = compile::bytes(&compiling, b"(module (func))").unwrap();
        let loader = Loader::new(&Engine::default(), LoaderOptions::new());
        let leases = [(), ()].map(|()| loader.load(&artifact).unwrap());
        assert_eq!(lock(&loader.inner.modules).len(), 1);
        drop(leases);
        assert_eq!(lock(&loader.inner.modules).len(), 0);
        let reserve = Amounts { bytes: u64::MAX / 2, ..Amounts::default() };
        let full = Loader::new(&compiling, LoaderOptions::new().reserve(Some(reserve)));
        if cfg!(target_os = "linux") {
            assert!(matches!(full.load(&artifact), Err(Error::Headroom { .. })));
        }
        assert_eq!(lock(&full.inner.modules).len(), 0);
    }
}
