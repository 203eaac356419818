//! One load: looks for the module among the loaded ones, admits it, and loads it.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::lease::Lease;
use super::load::Loader;
use super::request::{Identity, Request};
use super::shared::Shared;
use crate::artifact::contents::{Contents, Image};
use crate::artifact::policy::UnwindPolicy;
use crate::artifact::{Artifact, Loaded};
use crate::error::Error;
use crate::headroom::resource::Amounts;
#[cfg(unix)]
use crate::pack::opened::Pack;
use crate::watch::{Eviction, LoadRecord, Origin};

impl Loader {
    /// Returns a handle of a module that is loaded already.
    pub(super) fn find(&self, request: Request<'_>) -> Option<Lease> {
        let identity = request.identity?;
        let slot = self.inner.modules.lock().get(&identity).cloned()?;
        let found = slot.lock().upgrade();
        drop(slot);
        if found.is_none() {
            // The last handle may have been dropped while this thread used the slot.
            self.inner.forget(identity);
        }
        found.map(|shared| self.shared(request, shared))
    }

    #[cfg(unix)]
    pub(super) fn load_packed_at(&self, pack: &Pack, index: usize) -> Result<Lease, Error> {
        let entry = pack.entry(index);
        let (image, need) = pack.plan_at(index)?;
        let contents = *entry.contents();
        let request = Request {
            name: Some(entry.name()),
            origin: Origin::Pack,
            identity: Some(Identity::Image(image)),
            began: Instant::now(),
        };
        self.share_or_load(request, contents, need, || {
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

    pub(super) fn load_bytes(
        &self,
        request: Request<'_>,
        artifact: &Artifact,
    ) -> Result<Lease, Error> {
        let mut artifact = std::borrow::Cow::Borrowed(artifact);
        match self.inner.options.policy {
            UnwindPolicy::Keep => {}
            UnwindPolicy::Strip if artifact.contents().fdes == 0 => {}
            policy => artifact.to_mut().apply(policy)?,
        }
        let contents = *artifact.contents();
        // Parse the image only if there is a ledger that needs to know.
        let has_data_segments = self.inner.ledger.is_some()
            && Image::parse(artifact.bytes()).is_ok_and(|image| image.has_data_segments());
        // The image, and Wasmtime's own records, which take about as much memory again.
        let need = Amounts {
            mappings: MAPPINGS_FROM_BYTES,
            descriptors: descriptors(has_data_segments),
            bytes: 2 * contents.bytes as u64,
        };
        self.share_or_load(request, contents, need, || {
            Ok((artifact.load(&self.inner.engine)?, request.origin))
        })
    }

    /// Loads a module. If it does not fit, drops modules that only the budget keeps, and tries again. Other
    /// threads may take the room before this one, hence the number of tries.
    fn share_or_load(
        &self,
        request: Request<'_>,
        contents: Contents,
        need: Amounts,
        load: impl Fn() -> Result<(Loaded, Origin), Error>,
    ) -> Result<Lease, Error> {
        self.inner.unloader.make_room();
        let mut loaded = self.load_once(request, contents, need, &load);
        for _ in 0..MOST_TRIES {
            let does_not_fit = matches!(loaded, Err(Error::Headroom { .. }));
            if !does_not_fit || !self.relieve() {
                break;
            }
            loaded = self.load_once(request, contents, need, &load);
        }
        loaded
    }

    fn load_once(
        &self,
        request: Request<'_>,
        contents: Contents,
        need: Amounts,
        load: impl Fn() -> Result<(Loaded, Origin), Error>,
    ) -> Result<Lease, Error> {
        let own = request.identity.map(|identity| {
            let mut modules = self.inner.modules.lock();
            Arc::clone(modules.entry(identity).or_default())
        });
        let mut slot = own.as_deref().map(|slot| slot.lock());
        if let Some(shared) = slot.as_deref().and_then(Weak::upgrade) {
            drop(slot);
            return Ok(self.shared(request, shared));
        }
        let (prepare, began) = (request.began.elapsed(), Instant::now());
        let (loaded, origin) = match self.inner.admit(need).and_then(|()| load()) {
            Ok(loaded) => loaded,
            Err(error) => {
                drop(slot);
                drop(own);
                request.identity.into_iter().for_each(|identity| self.inner.forget(identity));
                return Err(error);
            }
        };
        let deserialize = began.elapsed();
        let shared = self.inner.arrived(loaded, contents, request.identity);
        if let Some(slot) = &mut slot {
            **slot = Arc::downgrade(&shared);
        }
        drop(slot);
        self.inner.options.observer.loaded(&LoadRecord {
            name: request.name,
            number: shared.number,
            origin,
            contents,
            is_shared: false,
            registrations: self.inner.registrations(&contents),
            mappings: if origin == Origin::Pack { 0 } else { MAPPINGS_FROM_BYTES },
            prepare,
            deserialize,
        });
        self.inner.warn_of_tables();
        Ok(self.lease(shared))
    }

    /// Reports that a module is loaded already, and returns a handle of it.
    fn shared(&self, request: Request<'_>, shared: Arc<Shared>) -> Lease {
        self.inner.options.observer.loaded(&LoadRecord {
            name: request.name,
            number: shared.number,
            origin: request.origin,
            contents: shared.contents,
            is_shared: true,
            registrations: Some(0),
            mappings: 0,
            prepare: request.began.elapsed(),
            deserialize: Duration::ZERO,
        });
        self.lease(shared)
    }

    /// Returns a handle of a module, which the budget keeps from now on. Other modules may have to go.
    fn lease(&self, shared: Arc<Shared>) -> Lease {
        if let Some(kept) = &self.kept
            && shared.identity.is_some()
        {
            self.evict(kept.used(&shared));
        }
        Lease { shared }
    }

    /// Drops some modules that only the budget keeps, and unloads them. Returns false if there are none.
    fn relieve(&self) -> bool {
        let evicted = self.kept.as_ref().map(|kept| kept.some()).unwrap_or_default();
        let is_any = !evicted.is_empty();
        self.evict(evicted);
        if is_any {
            self.inner.unloader.unload_now();
        }
        is_any
    }

    /// Drops modules that the budget no longer keeps. No lock may be held.
    pub(super) fn evict(&self, modules: Vec<Arc<Shared>>) {
        for module in modules {
            let (number, bytes) = (module.number, module.contents.bytes as u64);
            self.inner.options.observer.evicted(&Eviction::Module { number, bytes });
        }
    }
}

/// How often a load that does not fit makes room and tries again.
const MOST_TRIES: usize = 8;

/// `Module::deserialize` makes one mapping per image. Changing the protection of the code splits it in two.
const MAPPINGS_FROM_BYTES: u64 = 2;

/// Returns the number of file descriptors that a module needs. The first instance of a module with data
/// segments takes one, and the module keeps it (wasmtime 48 `runtime/vm/cow.rs`). Loading takes none.
fn descriptors(has_data_segments: bool) -> u64 {
    u64::from(has_data_segments)
}
