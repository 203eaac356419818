//! [`State`]: whether a pack is open, and with which memory.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use super::memory::Images;
use crate::error::Error;

/// The memory of a pack, until it is closed.
#[derive(Debug)]
pub(super) struct State(RwLock<Memory>);

#[derive(Debug)]
enum Memory {
    Open(Arc<Images>),
    Closed { counts: (u64, u64) },
}

/// The error of closing a pack while some of its modules are live or being loaded.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot close {}: {modules} of its modules live (drop them, their clones, and the stores that have instances of them)",
    path.display()
)]
pub struct StillLoaded {
    /// The path of the pack's file.
    pub path: PathBuf,
    /// The number of live modules and components, or of those being loaded if that is more.
    pub modules: usize,
}

impl State {
    pub(super) fn open(images: Arc<Images>) -> State {
        State(RwLock::new(Memory::Open(images)))
    }

    /// Returns the images. While a caller has them, the pack cannot be closed.
    pub(super) fn images(&self, path: &Path) -> Result<Arc<Images>, Error> {
        match &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            Memory::Open(images) => Ok(Arc::clone(images)),
            Memory::Closed { .. } => Err(Error::Closed { path: path.to_owned() }),
        }
    }

    pub(super) fn counts(&self) -> (u64, u64) {
        match &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            Memory::Open(images) => images.counts(),
            Memory::Closed { counts } => *counts,
        }
    }

    /// Frees the memory, unless something uses it.
    pub(super) fn close(&self, path: &Path) -> Result<(), StillLoaded> {
        let mut memory = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let Memory::Open(images) = &*memory else { return Ok(()) };
        // The list of all packs has one handle, and this pack another. Each load in progress has one more.
        let loading = Arc::strong_count(images).saturating_sub(2);
        if loading > 0 || !images.close() {
            let modules = images.n_live().max(loading);
            return Err(StillLoaded { path: path.to_owned(), modules });
        }
        *memory = Memory::Closed { counts: images.counts() };
        Ok(())
    }
}

/// The memory of a pack in use stays until its last module is dropped.
impl Drop for State {
    fn drop(&mut self) {
        if let Memory::Open(images) = self.0.get_mut().unwrap_or_else(PoisonError::into_inner) {
            images.abandon();
        }
    }
}
