//! [`PackMemory`]: publishes code for engines, and knows which addresses are in packs.
//!
//! Code in a pack is executable from the start, so publishing it only changes counts. Code elsewhere really
//! gets its protection changed, because an ordinary `Module::new` on the same engine must work.
//!
//! The counts tell whether a pack is in use. A type cannot tell this, because `Module` is `Clone` and stores
//! keep modules alive. Wasmtime withdraws code in `Drop for CodeMemory`, after its last read of the image
//! except for the deregistration of unwind tables (wasmtime 48 `runtime/code_memory.rs`). Images in packs
//! have no tables that Wasmtime knows of, and [`registers_hidden_tables`] checks that. So when the count is back at zero, nothing can read the memory any
//! more. No memory is unmapped during a withdrawal.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use wasmtime::{Config, CustomCodeMemory, format_err};

use crate::locks::{Mutex, RwLock};
use crate::pack::index::Pages;
use crate::pack::region::{self, Region};
use crate::unwinder;

/// Configures engines so that they can load from packs. One call is enough for all packs, including packs
/// that are opened later.
///
/// `Module::new` and `Module::deserialize` work as usual on the same engine. This call replaces an earlier
/// `Config::with_custom_code_memory`.
///
/// ```
/// # #[cfg(unix)]
/// # fn main() -> Result<(), wasmtime::Error> {
/// # use loadline_loader::wasmtime;
/// use wasmtime::{Config, Engine};
///
/// let mut config = Config::new();
/// loadline_loader::pack::configure(&mut config);
/// let engine = Engine::new(&config)?;
/// # let _ = engine;
/// # Ok(())
/// # }
/// # #[cfg(not(unix))]
/// # fn main() {}
/// ```
pub fn configure(config: &mut Config) {
    config.with_custom_code_memory(Some(Arc::new(PackMemory)));
}

/// Publishes code for Wasmtime, in packs and elsewhere.
struct PackMemory;

impl CustomCodeMemory for PackMemory {
    fn required_alignment(&self) -> usize {
        region::page_bytes()
    }

    fn publish_executable(&self, base: *const u8, bytes: usize) -> wasmtime::Result<()> {
        match in_pack(base.addr(), Slot::publish) {
            Some(Ok(())) => {
                PUBLISHED.set(base.addr());
                Ok(())
            }
            Some(Err(())) => Err(format_err!(
                "this image of a pack is not being loaded by the pack, or is loaded already"
            )),
            // SAFETY: Wasmtime owns these pages, has filled them, and hands them over to be executed and no
            // longer written (`CustomCodeMemory::publish_executable`).
            None => Ok(unsafe { region::executable(base, bytes) }?),
        }
    }

    fn unpublish_executable(&self, base: *const u8, _: usize) -> wasmtime::Result<()> {
        match in_pack(base.addr(), Slot::withdraw) {
            // Wasmtime withdraws only images that it has published.
            Some(_) => Ok(()),
            // Wasmtime unmaps these pages next. Without a custom code memory, it does not change their
            // protection first either (wasmtime 48 `runtime/code_memory.rs`, `drop`). A failure here would
            // cause a panic there.
            None => Ok(()),
        }
    }
}

thread_local! {
    /// The address of the code in a pack that this thread has published last.
    static PUBLISHED: Cell<usize> = const { Cell::new(0) };
}

/// Returns whether Wasmtime registers unwind tables that are hidden, which no supported release does. An
/// unwinder that has such tables would read them after their pack is unmapped.
///
/// The first call in a process asks the unwinder about the code that this thread has published last. Wasmtime
/// treats all images alike, so later calls return the same answer. An image that is not known to have hidden
/// tables proves nothing about the others, so there is one answer for each of the two. If the unwinder cannot
/// be asked, the answer is no.
pub(crate) fn registers_hidden_tables(has_tables: bool) -> bool {
    static ANSWERS: [OnceLock<bool>; 2] = [const { OnceLock::new() }; 2];
    static ASKING: Mutex<()> = Mutex::new(());
    *ANSWERS[usize::from(has_tables)].get_or_init(|| {
        let _alone = ASKING.lock();
        unwinder::is_registered(PUBLISHED.get()).unwrap_or(false)
    })
}

/// All mapped packs, sorted by address. Closing a pack removes it under the write lock, so no callback of
/// Wasmtime uses it any more.
static OPEN: RwLock<Vec<Arc<Images>>> = RwLock::new(Vec::new());

/// The mapped images of a pack and their states.
#[derive(Debug)]
pub(crate) struct Images {
    /// Declared before the region, so that unwinders stop using the images before the region is unmapped.
    #[cfg(feature = "native-unwind")]
    _frames: Option<crate::native_unwind::Entered>,
    region: Region,
    /// The state of each entry's image. Entries with equal artifacts use the slot of the first of them.
    slots: Box<[Slot]>,
    pages: Pages,
    n_live: AtomicUsize,
    n_published: AtomicU64,
    n_withdrawn: AtomicU64,
    /// Whether the pack was dropped and only live modules keep the images.
    is_abandoned: AtomicBool,
}

/// One image.
#[derive(Debug)]
pub(crate) struct Slot {
    /// The state in the lowest two bits, and the number of the current claim above them. The number makes
    /// sure that an old claim is not mistaken for the next one.
    state: AtomicU64,
    /// Whether the image was compared with its seal after it had reached the region.
    is_checked: AtomicBool,
}

const FREE: u64 = 0;
/// Wasmtime was given the image, but has not published it yet.
const LOADING: u64 = 1;
/// A live module uses the image.
const LIVE: u64 = 2;
const STATE: u64 = 3;
/// Added to a state, this gives the same state under the next claim.
const NEXT_CLAIM: u64 = 4;

fn in_pack<T>(address: usize, then: fn(&Slot, &Images) -> T) -> Option<T> {
    let open = OPEN.read();
    let images = open[..open.partition_point(|images| images.region.start() <= address)].last()?;
    let offset = address - images.region.start();
    // Nothing is published between the images.
    let slot = images.pages.image_at(offset)?;
    images.slots.get(slot).map(|slot| then(slot, images))
}

impl Slot {
    fn publish(&self, images: &Images) -> Result<(), ()> {
        self.change(LOADING, LIVE)?;
        images.n_live.fetch_add(1, Ordering::Relaxed);
        images.n_published.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn withdraw(&self, images: &Images) -> Result<(), ()> {
        self.change(LIVE, FREE)?;
        images.n_withdrawn.fetch_add(1, Ordering::Relaxed);
        // Everything that Wasmtime did with the image happens before this, and so before a thread that reads
        // a zero here unmaps the image.
        images.n_live.fetch_sub(1, Ordering::Release);
        Ok(())
    }

    fn change(&self, from: u64, to: u64) -> Result<(), ()> {
        let changed = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
            (state & STATE == from).then_some(state & !STATE | to)
        });
        changed.map(|_| ()).map_err(|_| ())
    }

    /// Begins a claim and returns its state.
    fn claim(&self) -> Option<u64> {
        let begun = self.state.fetch_update(Ordering::AcqRel, Ordering::Acquire, |state| {
            (state & STATE == FREE).then_some(state.wrapping_add(NEXT_CLAIM) | LOADING)
        });
        begun.ok().map(|state| state.wrapping_add(NEXT_CLAIM) | LOADING)
    }
}

impl Images {
    /// Registers the images of a pack with `n_entries` entries. `are_checked` says whether all of them were
    /// compared with their seals. `indexes` gives the range of each image, and of its frame index, which is
    /// empty if there is none.
    pub(crate) fn publish(
        region: Region,
        pages: Pages,
        n_entries: usize,
        are_checked: bool,
        indexes: impl Iterator<Item = (Range<usize>, Range<usize>)>,
    ) -> Arc<Images> {
        let slot = |_| {
            let is_checked = AtomicBool::new(are_checked);
            Slot { state: AtomicU64::new(FREE), is_checked }
        };
        let slots: Box<[Slot]> = (0..n_entries).map(slot).collect();
        #[cfg(feature = "native-unwind")]
        let frames = {
            use crate::native_unwind::{Directory, enter};

            let (start, bytes, page) = (region.start(), region.len(), pages.page());
            let indexes = indexes.map(|(image, index)| {
                let has_index = !index.is_empty();
                (image, has_index.then_some(index.start))
            });
            enter(start..start + bytes, || Directory::of(bytes, page, indexes))
        };
        #[cfg(not(feature = "native-unwind"))]
        drop(indexes);
        let images = Arc::new(Images {
            #[cfg(feature = "native-unwind")]
            _frames: frames,
            region,
            slots,
            pages,
            n_live: AtomicUsize::new(0),
            n_published: AtomicU64::new(0),
            n_withdrawn: AtomicU64::new(0),
            is_abandoned: AtomicBool::new(false),
        });
        let mut open = OPEN.write();
        let gone = take_abandoned(&mut open);
        let at = open.partition_point(|other| other.region.start() < images.region.start());
        open.insert(at, Arc::clone(&images));
        drop(open);
        // Unmap after unlocking, because unmapping is slow and every publishing thread would wait for the
        // lock.
        drop(gone);
        images
    }

    /// Returns the memory of the images.
    pub(crate) fn region(&self) -> &Region {
        &self.region
    }

    /// Returns the slot of the image at an offset within the pack.
    pub(crate) fn slot_at(&self, offset: usize) -> usize {
        self.pages.image_at(offset).expect("the images of all entries have pages")
    }

    /// Returns the range of whole pages that contain the range of an image.
    pub(crate) fn pages_around(&self, range: Range<usize>) -> Range<usize> {
        self.pages.around(range)
    }

    pub(crate) fn is_checked(&self, slot: usize) -> bool {
        self.slots[slot].is_checked.load(Ordering::Acquire)
    }

    pub(crate) fn set_checked(&self, slot: usize) {
        self.slots[slot].is_checked.store(true, Ordering::Release);
    }

    /// Claims an image for loading. Returns `None` if it is loaded already.
    pub(crate) fn claim(&self, slot: usize) -> Option<Claim<'_>> {
        let slot = &self.slots[slot];
        slot.claim().map(|state| Claim { slot, state })
    }

    /// Returns the number of live modules in the images.
    pub(crate) fn n_live(&self) -> usize {
        self.n_live.load(Ordering::Acquire)
    }

    /// Returns how often Wasmtime has published and withdrawn images since the pack was opened.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.n_published.load(Ordering::Relaxed), self.n_withdrawn.load(Ordering::Relaxed))
    }

    /// Forgets the images, so that they are unmapped with the last handle. Returns other images that are
    /// gone, which the caller must drop without holding a lock. If modules in these images are live, returns
    /// `None` and does nothing.
    ///
    /// No other thread may have a handle of the images that it could claim one with.
    pub(crate) fn close(self: &Arc<Images>) -> Option<Vec<Arc<Images>>> {
        let mut open = OPEN.write();
        if self.n_live() != 0 {
            return None;
        }
        open.retain(|images| !Arc::ptr_eq(images, self));
        Some(take_abandoned(&mut open))
    }

    #[cfg(test)]
    pub(crate) fn publish_for_test(&self, slot: usize) {
        self.slots[slot].publish(self).expect("it is claimed");
    }

    #[cfg(test)]
    pub(crate) fn withdraw_for_test(&self, slot: usize) {
        self.slots[slot].withdraw(self).expect("it was published");
    }

    /// Forgets the images like [`Images::close`]. If modules in them are live, a later opening or closing of
    /// any pack forgets them.
    pub(crate) fn abandon(self: &Arc<Images>) {
        if self.close().is_none() {
            self.is_abandoned.store(true, Ordering::Release);
        }
    }
}

/// Frees the memory of packs that were dropped while modules of them were live, if those modules are gone.
///
/// Opening or closing any pack does the same, and so does a [`Loader`](crate::Loader) after it has unloaded
/// modules. Call this function in a program without a loader that drops packs in use.
pub fn sweep() {
    let gone = take_abandoned(&mut OPEN.write());
    drop(gone);
}

/// Removes abandoned images without live modules from `open`. The caller must drop them after `OPEN` is
/// unlocked.
fn take_abandoned(open: &mut Vec<Arc<Images>>) -> Vec<Arc<Images>> {
    let is_gone = |images: &mut Arc<Images>| {
        images.is_abandoned.load(Ordering::Acquire) && images.n_live() == 0
    };
    open.extract_if(.., is_gone).collect()
}

/// An image that is being loaded. Dropping the claim frees the image, unless Wasmtime has published it.
pub(crate) struct Claim<'a> {
    slot: &'a Slot,
    state: u64,
}

impl Claim<'_> {
    /// Returns whether Wasmtime has published the image, and so will withdraw it.
    pub(crate) fn is_published(&self) -> bool {
        self.slot.state.load(Ordering::Acquire) == self.state & !STATE | LIVE
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        let free = self.state & !STATE | FREE;
        let order = (Ordering::AcqRel, Ordering::Relaxed);
        let _ = self.slot.state.compare_exchange(self.state, free, order.0, order.1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::region::{Room, page_bytes};

    fn images(n: usize) -> Arc<Images> {
        let page = page_bytes();
        let room = Room::new((n + 1) * page).expect("there is memory");
        let region = room.close().expect("it may be executed");
        let by_page = std::iter::once(None).chain((0..n as u32).map(Some)).collect();
        Images::publish(region, Pages::of(page, by_page), n, true, std::iter::empty())
    }

    fn address(images: &Images, index: usize) -> (*const u8, usize) {
        let start = (index + 1) * page_bytes();
        let image = images.region().bytes(start..start + 100).expect("it is filled");
        (image.as_ptr(), image.len())
    }

    #[test]
    fn only_a_claimed_image_is_published_and_only_once() {
        let images = images(2);
        let (base, bytes) = address(&images, 1);
        assert!(PackMemory.publish_executable(base, bytes).is_err());
        let claim = images.claim(1).expect("no module has it");
        assert!(images.claim(1).is_none());
        assert!(!claim.is_published());
        PackMemory.publish_executable(base, bytes).expect("it is claimed");
        assert!(claim.is_published());
        assert!(PackMemory.publish_executable(base, bytes).is_err());
        drop(claim);
        assert!(images.claim(1).is_none());
        assert_eq!((images.n_live(), images.counts()), (1, (1, 0)));
        assert!(images.close().is_none());
        PackMemory.unpublish_executable(base, bytes).expect("it was published");
        assert_eq!((images.n_live(), images.counts()), (0, (1, 1)));
        drop(images.claim(1).expect("it is free again"));
        drop(images.claim(1).expect("and was not published"));
        assert!(images.close().is_some());
        assert_eq!(Arc::strong_count(&images), 1);
    }

    #[test]
    fn a_claim_that_has_ended_does_not_end_the_next() {
        let images = images(1);
        let (base, bytes) = address(&images, 0);
        let first = images.claim(0).expect("no module has it");
        PackMemory.publish_executable(base, bytes).expect("it is claimed");
        PackMemory.unpublish_executable(base, bytes).expect("it was published");
        let second = images.claim(0).expect("it is free again");
        assert!(!first.is_published());
        drop(first);
        PackMemory.publish_executable(base, bytes).expect("the second claim holds");
        assert!(second.is_published());
        PackMemory.unpublish_executable(base, bytes).expect("it was published");
    }

    /// For the code of an ordinary module, changing the protection costs a system call, and a failure is a
    /// panic.
    #[test]
    fn what_is_in_no_pack_is_left_as_it_is() {
        let region = Room::new(page_bytes()).and_then(Room::close).expect("there is memory");
        let base = region.bytes(0..1).expect("it is filled").as_ptr();
        let bytes = region.len();
        PackMemory.publish_executable(base, bytes).expect("it is mapped");
        PackMemory.unpublish_executable(base, bytes).expect("nothing is done");
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let of_it = maps.lines().find(|line| line.starts_with(&format!("{:x}-", base.addr())));
        assert!(of_it.is_none_or(|line| line.contains(" r-x")), "{of_it:?}");
        // It does not matter that the memory is no longer mapped.
        drop(region);
        PackMemory.unpublish_executable(base, bytes).expect("nothing is done");
    }

    #[test]
    fn what_is_abandoned_goes_with_its_last_module() {
        let left = images(1);
        let (base, bytes) = address(&left, 0);
        let claim = left.claim(0);
        PackMemory.publish_executable(base, bytes).expect("it is claimed");
        left.abandon();
        drop(claim);
        assert_eq!(Arc::strong_count(&left), 2);
        let other = images(1);
        sweep();
        assert_eq!(Arc::strong_count(&left), 2, "a module lives in it");
        PackMemory.unpublish_executable(base, bytes).expect("it was published");
        assert_eq!(Arc::strong_count(&left), 2, "nothing goes within a callback");
        sweep();
        assert_eq!(Arc::strong_count(&left), 1);
        assert!(other.close().is_some());
    }
}
