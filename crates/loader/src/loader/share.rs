//! One load: looks for the module among the loaded ones, admits it, and loads it.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use super::lease::Lease;
use super::load::Loader;
use super::shared::{Identity, lock};
use crate::artifact::contents::{Contents, Image};
use crate::artifact::policy::UnwindPolicy;
use crate::artifact::{Artifact, Loaded};
use crate::error::Error;
use crate::headroom::resource::Amounts;
#[cfg(unix)]
use crate::pack::opened::Pack;
use crate::watch::{LoadRecord, Origin};

/// The facts about an artifact that must be known before it is loaded.
struct Prepared {
    contents: Contents,
    identity: Option<Identity>,
    need: Amounts,
}

impl Loader {
    #[cfg(unix)]
    pub(super) fn load_packed_at(&self, pack: &Pack, index: usize) -> Result<Lease, Error> {
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

    pub(super) fn load_bytes(
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

/// `Module::deserialize` makes one mapping per image. Changing the protection of the code splits it in two.
const MAPPINGS_FROM_BYTES: u64 = 2;

/// Returns the number of file descriptors that a module needs. The first instance of a module with data
/// segments takes one, and the module keeps it (wasmtime 48 `runtime/vm/cow.rs`). Loading takes none.
fn descriptors(has_data_segments: bool) -> u64 {
    u64::from(has_data_segments)
}
