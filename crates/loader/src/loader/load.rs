//! [`Loader`]: loads modules for one engine and drops them on a background thread.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use wasmtime::Engine;

use super::kept::Kept;
use super::lease::Lease;
use super::options::{Budget, LoaderOptions};
use super::request::{Identity, Request};
use super::shared::{Counters, Inner};
use super::unloading::Unloader;
use crate::artifact::Artifact;
use crate::error::Error;
use crate::headroom::ledger::Ledger;
use crate::locks::Mutex;
#[cfg(unix)]
use crate::pack::opened::Pack;
#[cfg(feature = "compile")]
use crate::store::key::EngineDigest;
use crate::store::key::StoreKey;
use crate::store::open::ArtifactStore;
use crate::watch::Origin;

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
    pub(super) inner: Arc<Inner>,
    /// Not in `Inner`, which each kept module keeps alive.
    pub(super) kept: Option<Arc<Kept>>,
}

/// The modules that a loader has loaded and that have leases, or that its budget keeps.
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

impl Loader {
    /// Creates a loader for `engine`, and starts the thread that unloads.
    pub fn new(engine: &Engine, options: LoaderOptions) -> Loader {
        let kept = options.budget.map(|budget| Arc::new(Kept::new(budget)));
        let inner = Inner {
            engine: engine.clone(),
            #[cfg(feature = "compile")]
            engine_digest: std::sync::OnceLock::new(),
            ledger: options.reserve.map(Ledger::new),
            unloader: Unloader::start(Arc::clone(&options.observer)),
            modules: Mutex::default(),
            population: Counters::default(),
            has_warned: AtomicBool::new(false),
            options,
        };
        Loader { inner: Arc::new(inner), kept }
    }

    /// Loads an artifact. If an identical artifact is loaded already, returns a handle of that module.
    ///
    /// # Errors
    ///
    /// [`Error::Headroom`] if the module would not fit. [`Error::TablesPresent`] if the policy forbids unwind
    /// tables. [`Error::Deserialize`].
    pub fn load(&self, artifact: &Artifact) -> Result<Lease, Error> {
        let began = Instant::now();
        let is_sharing = self.inner.options.is_sharing;
        let identity = is_sharing.then(|| Identity::Digest(artifact.digest().to_bytes()));
        let request = Request { name: None, origin: Origin::Bytes, identity, began };
        match self.find(request) {
            Some(lease) => Ok(lease),
            None => self.load_bytes(request, artifact),
        }
    }

    /// Compiles `wasm` with this loader's engine, or reads the compiled artifact from a store, and loads it.
    ///
    /// If the module is loaded already, this call hashes `wasm` and looks up its key. It reads no file.
    ///
    /// # Errors
    ///
    /// The errors of [`ArtifactStore::load`](crate::ArtifactStore::load) and [`Loader::load`]. If Wasmtime
    /// rejects an entry of the store, the store compiles it again.
    #[cfg(feature = "compile")]
    pub fn load_wasm(&self, store: &ArtifactStore, wasm: &[u8]) -> Result<Lease, Error> {
        self.load_named_wasm(None, store, wasm)
    }

    #[cfg(feature = "compile")]
    pub(super) fn load_named_wasm(
        &self,
        name: Option<&str>,
        store: &ArtifactStore,
        wasm: &[u8],
    ) -> Result<Lease, Error> {
        let began = Instant::now();
        let engine = self.inner.engine_digest.get_or_init(|| EngineDigest::of(self.engine()));
        let key = StoreKey::of_digest(engine, wasm, store.policy());
        let request = self.request(name, key, began);
        if let Some(lease) = self.find(request) {
            return Ok(lease);
        }
        store.load_by(&key, self.engine(), wasm, |artifact| self.load_bytes(request, artifact))
    }

    /// Loads the entry of a store that was saved under `key`. Returns `None` if there is no such entry. This
    /// works in programs that do not link the compiler.
    ///
    /// If the module is loaded already, this call looks up the key and reads no file. A key stands for one
    /// artifact: [`Loader::load_wasm`] returns the same module for the wasm of this key.
    ///
    /// # Errors
    ///
    /// The errors of [`ArtifactStore::get`](crate::ArtifactStore::get) and [`Loader::load`].
    pub fn load_key(&self, store: &ArtifactStore, key: &StoreKey) -> Result<Option<Lease>, Error> {
        let request = self.request(None, *key, Instant::now());
        if let Some(lease) = self.find(request) {
            return Ok(Some(lease));
        }
        let Some(artifact) = store.get(key)? else { return Ok(None) };
        self.load_bytes(request, &artifact).map(Some)
    }

    fn request<'a>(&self, name: Option<&'a str>, key: StoreKey, began: Instant) -> Request<'a> {
        let identity = self.inner.options.is_sharing.then_some(Identity::Key(key));
        Request { name, origin: Origin::Store, identity, began }
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

    /// Drops modules that have no lease, least recently used first, until no more than `budget` is loaded.
    /// `Budget { modules: 0, bytes: 0 }` drops all of them, for example before you close their pack. Does
    /// nothing if this loader was created without a budget, because it keeps no modules then.
    pub fn trim(&self, budget: Budget) {
        if let Some(kept) = &self.kept {
            self.evict(kept.beyond(budget));
        }
    }

    /// Returns the number and size of the modules that are loaded and have leases, or that the budget keeps.
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
}

impl fmt::Debug for Loader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader").field("population", &self.population()).finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "compile"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::artifact::compile;
    use crate::headroom::resource::Amounts;

    #[test]
    fn nothing_is_remembered_of_what_is_gone_or_never_came() {
        let compiling = Engine::default();
        let artifact = compile::bytes(&compiling, b"(module (func))").unwrap();
        let loader = Loader::new(&Engine::default(), LoaderOptions::new());
        let leases = [(), ()].map(|()| loader.load(&artifact).unwrap());
        assert_eq!(loader.inner.modules.lock().len(), 1);
        drop(leases);
        assert_eq!(loader.inner.modules.lock().len(), 0);
        let reserve = Amounts { bytes: u64::MAX / 2, ..Amounts::default() };
        let full = Loader::new(&compiling, LoaderOptions::new().reserve(Some(reserve)));
        if cfg!(target_os = "linux") {
            assert!(matches!(full.load(&artifact), Err(Error::Headroom { .. })));
        }
        assert_eq!(full.inner.modules.lock().len(), 0);
    }
}
