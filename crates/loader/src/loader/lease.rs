//! [`Lease`]: a handle of a loaded module or component.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::shared::Shared;
use crate::artifact::Loaded;
use crate::artifact::contents::Contents;

/// A handle of a loaded module or component. When the last handle of one is dropped, another thread
/// drops the module. The drop of a handle never waits and never unloads, also where it is the last
/// thing that is left of its loader. Where more than a thousand modules wait to be unloaded, each
/// load unloads some of them first.
///
/// It dereferences to [`Loaded`], from which plain `wasmtime` modules can be cloned. Such clones,
/// and stores with instances of it, keep the module as ever; only its end then happens where the
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
    /// What the artifact held, as it was loaded.
    pub fn contents(&self) -> &Contents {
        &self.shared.contents
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("contents", self.contents()).finish_non_exhaustive()
    }
}
