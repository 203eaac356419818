//! [`State`]: whether a pack is open, and with which memory.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::memory::Images;
use crate::error::Error;
use crate::locks::RwLock;

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
        match &*self.0.read() {
            Memory::Open(images) => Ok(Arc::clone(images)),
            Memory::Closed { .. } => Err(Error::Closed { path: path.to_owned() }),
        }
    }

    pub(super) fn counts(&self) -> (u64, u64) {
        match &*self.0.read() {
            Memory::Open(images) => images.counts(),
            Memory::Closed { counts } => *counts,
        }
    }

    /// Frees the memory, unless something uses it.
    pub(super) fn close(&self, path: &Path) -> Result<(), StillLoaded> {
        let mut memory = self.0.write();
        let Memory::Open(images) = &*memory else { return Ok(()) };
        // The list of all packs has one handle, and this pack another. Each load in progress has one more.
        let loading = Arc::strong_count(images).saturating_sub(2);
        let Some(gone) = (loading == 0).then(|| images.close()).flatten() else {
            let modules = images.n_live().max(loading);
            return Err(StillLoaded { path: path.to_owned(), modules });
        };
        let counts = images.counts();
        let closed = std::mem::replace(&mut *memory, Memory::Closed { counts });
        drop(memory);
        // Unmap after unlocking, because threads that use the pack would wait for the lock.
        drop((closed, gone));
        Ok(())
    }
}

/// The memory of a pack in use stays until its last module is dropped.
impl Drop for State {
    fn drop(&mut self) {
        if let Memory::Open(images) = self.0.get_mut() {
            images.abandon();
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::locks::measured;
    use crate::pack::index::Pages;
    use crate::pack::region::{Room, page_bytes};

    /// Unmapping a large pack takes longer than everything else that closing does.
    #[test]
    fn a_pack_is_unmapped_without_a_lock() {
        if !loadline_testing::alone("pack::state::tests::a_pack_is_unmapped_without_a_lock") {
            return;
        }
        let page = page_bytes();
        let open = |n_pages: usize| {
            let mut room = Room::new(n_pages * page).unwrap();
            room.bytes_mut().chunks_mut(page).for_each(|page| page[0] = 1);
            let by_page = std::iter::once(None).chain((1..n_pages).map(|_| Some(0))).collect();
            let (region, pages) = (room.close().unwrap(), Pages::of(page, by_page));
            State::open(Images::publish(region, pages, 1, true, std::iter::empty()))
        };
        let (large, abandoned) = (open(1 << 16), open(1 << 16));
        let held = abandoned.images(Path::new("")).unwrap();
        let claim = held.claim(0).unwrap();
        held.publish_for_test(0);
        drop((claim, abandoned));
        held.withdraw_for_test(0);
        drop(held);
        measured::start();
        let began = Instant::now();
        large.close(Path::new("")).unwrap();
        let (took, held) = (began.elapsed().as_nanos() as u64, measured::FIGURES.hold.ns());
        assert!(held < took / 4, "a lock was held for {held} of {took} ns");
    }
}
