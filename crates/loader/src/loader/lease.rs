//! [`Lease`]: a handle of a loaded module or component.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::shared::Shared;
use crate::artifact::Loaded;
use crate::artifact::contents::Contents;

/// A handle of a loaded module or component.
///
/// When the last handle of a module is dropped, another thread drops the module. Dropping a handle never
/// waits and never unloads, even if the loader itself was dropped before. If more than a thousand modules
/// wait to be unloaded, each load first unloads some of them.
///
/// A lease dereferences to [`Loaded`], from which you can clone plain `wasmtime` modules. Such clones, and
/// stores with instances of the module, keep the module alive as usual. The module is then freed where the
/// last of them is dropped.
#[derive(Clone)]
pub struct Lease {
    pub(super) shared: Arc<Shared>,
}

impl Deref for Lease {
    type Target = Loaded;

    fn deref(&self) -> &Loaded {
        self.shared.loaded.as_ref().expect("it is taken when the last handle is dropped")
    }
}

impl Lease {
    /// Returns the contents of the artifact, as it was loaded.
    pub fn contents(&self) -> &Contents {
        &self.shared.contents
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("contents", self.contents()).finish_non_exhaustive()
    }
}
