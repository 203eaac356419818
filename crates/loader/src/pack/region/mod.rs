//! The memory of a pack's images. No byte of it is executable before it was checked, and none changes
//! afterwards.
//!
//! The bytes are a copy of the file. A mapping of the file itself would be shared between processes, would be
//! read on demand, and would follow every change of the file. A writer could then change code that was
//! already checked. A truncation would end the process with SIGBUS at the next call into the code. Nothing
//! keeps another program of the same user from either, so no safe function could offer such a mapping.
//!
//! There are three kinds of copies:
//! - memory of this process, filled and checked before it becomes executable ([`Room`]);
//! - memory that is executable and filled image by image, through a second mapping (`filling.rs`);
//! - memory that several processes share, and that the kernel keeps all of them from changing
//!   (`shared.rs`).
#![allow(unsafe_code)]

mod filling;
#[cfg(target_os = "linux")]
pub(crate) mod sealing;

use std::io;
use std::ops::Range;
use std::slice;

use memmap2::{Mmap, MmapMut, MmapRaw};
use rustix::mm::{MprotectFlags, mprotect};

use self::filling::Filling;

/// Memory that is writable and not executable yet.
#[derive(Debug)]
pub(crate) struct Room(MmapMut);

/// Memory that is readable and executable. The bytes that it returns are never written again.
#[derive(Debug)]
pub(crate) struct Region {
    /// Without references to the whole mapping, because other parts of it may be filled meanwhile.
    memory: MmapRaw,
    /// The pages that are still to be filled. `None` if all bytes are final.
    filling: Option<Filling>,
}

impl Room {
    /// Maps `bytes` zero bytes. The number must be a multiple of the page size, and not zero.
    ///
    /// This does not use large pages. When memory has been in use for a while, the kernel takes longer to
    /// find large pages than to fill small ones. Loading is not faster with large pages.
    pub(crate) fn new(bytes: usize) -> io::Result<Room> {
        MmapMut::map_anon(bytes).map(Room)
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// Removes the permission to write and adds the permission to execute.
    pub(crate) fn close(self) -> io::Result<Region> {
        Region::of_final(self.0.make_read_only()?)
    }
}

impl Region {
    /// Makes memory executable. A [`Mmap`] guarantees that its bytes do not change.
    pub(crate) fn of_final(memory: Mmap) -> io::Result<Region> {
        let region = Region { memory: memory.into(), filling: None };
        region.protect(0..region.len())?;
        Ok(region)
    }

    /// Maps zeros that can be executed, and that [`Region::fill`] can replace once.
    ///
    /// # Errors
    ///
    /// If the system cannot keep other processes from writing to the memory.
    pub(crate) fn to_fill(bytes: usize) -> io::Result<Region> {
        let (memory, filling) = Filling::new(bytes)?;
        let region = Region { memory, filling: Some(filling) };
        region.protect(0..bytes)?;
        Ok(region)
    }

    pub(crate) fn len(&self) -> usize {
        self.memory.len()
    }

    /// Returns the address of the first byte.
    pub(crate) fn start(&self) -> usize {
        self.memory.as_ptr().addr()
    }

    /// Returns whether parts of the memory are filled later than others.
    pub(crate) fn is_filled_on_demand(&self) -> bool {
        self.filling.is_some()
    }

    /// Returns bytes that are final, or `None` if they are not filled.
    pub(crate) fn bytes(&self, range: Range<usize>) -> Option<&[u8]> {
        assert!(range.start <= range.end && range.end <= self.len(), "{range:?} of {}", self.len());
        if self.filling.as_ref().is_some_and(|filling| !filling.has(&range)) {
            return None;
        }
        // SAFETY: the range is within the mapping, which lives as long as this value. Its bytes never change
        // again. Without `filling`, the memory came from a `Mmap` whose bytes do not change. With `filling`,
        // each page of the range was filled, which happens once. The bytes were written before `has` could
        // see that.
        Some(unsafe { slice::from_raw_parts(self.memory.as_ptr().add(range.start), range.len()) })
    }

    /// Fills a range that begins at a page with checked bytes. The rest of its last page stays zero. Returns
    /// false if the range cannot be filled: because it was filled or is being filled, or because this process
    /// is a fork of the one that mapped the memory.
    pub(crate) fn fill(&self, start: usize, bytes: &[u8]) -> io::Result<bool> {
        let Some(filling) = &self.filling else { return Ok(false) };
        let range = start..start + bytes.len();
        if !filling.write(range.clone(), bytes) {
            return Ok(false);
        }
        // The permissions are these already. This makes the bytes visible to the caches for instructions.
        self.protect(range.clone())?;
        filling.is_written(&range);
        Ok(true)
    }

    /// Makes a range that begins at a page readable and executable.
    pub(crate) fn protect(&self, range: Range<usize>) -> io::Result<()> {
        assert!(range.start <= range.end && range.end <= self.len(), "{range:?} of {}", self.len());
        // SAFETY: the pages belong to this value, which never writes to them through this mapping.
        unsafe { executable(self.memory.as_ptr().wrapping_add(range.start), range.len()) }
    }
}

/// Returns the page size in bytes.
pub(crate) fn page_bytes() -> usize {
    rustix::param::page_size()
}

/// Makes whole pages readable and executable, and flushes the instruction caches of the CPU. This function
/// does not turn on branch targets (BTI on arm64), because they would only forbid more.
///
/// # Safety
///
/// The pages that hold `base..base + bytes` must be mapped, and no code may write to them while they
/// are executable, nor rely on writing to them.
pub(crate) unsafe fn executable(base: *const u8, bytes: usize) -> io::Result<()> {
    use wasmtime_internal_jit_icache_coherence as icache;

    let pages = bytes.next_multiple_of(page_bytes());
    // SAFETY: the range is mapped and readable, and the caller guarantees that no code writes to it. The
    // caches are cleared before the protection changes, as Wasmtime does it (wasmtime 48
    // `runtime/vm/sys/unix/mmap.rs`, `make_executable`).
    unsafe {
        icache::clear_cache(base.cast(), bytes).map_err(io::Error::other)?;
        mprotect(base.cast_mut().cast(), pages, MprotectFlags::READ | MprotectFlags::EXEC)?;
    }
    icache::pipeline_flush_mt().map_err(io::Error::other)
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_page_is_filled_once_and_is_zero_before() {
        let page = page_bytes();
        let region = Region::to_fill(4 * page).unwrap();
        assert_eq!(region.bytes(0..1), None);
        assert!(region.fill(page, &vec![7; page + 1]).unwrap());
        assert_eq!(region.bytes(page..2 * page + 1).unwrap(), vec![7; page + 1]);
        assert_eq!(region.bytes(2 * page + 1..3 * page).unwrap(), vec![0; page - 1]);
        for missing in [0..2 * page, 2 * page..3 * page + 1, 3 * page..4 * page] {
            assert_eq!(region.bytes(missing.clone()), None, "{missing:?}");
        }
        for taken in [page, 2 * page] {
            assert!(!region.fill(taken, &[9]).unwrap());
        }
        assert!(region.fill(3 * page, &[1]).unwrap());
        assert_eq!(region.bytes(page..page + 1).unwrap(), [7]);
        let filled = Room::new(page).and_then(Room::close).unwrap();
        assert!(!filled.fill(0, &[1]).unwrap());
        assert_eq!(filled.bytes(0..page).unwrap(), vec![0; page]);
    }

    #[test]
    #[should_panic = " of "]
    fn nothing_is_filled_behind_the_end() {
        let region = Region::to_fill(page_bytes()).unwrap();
        let _ = region.fill(0, &vec![1; page_bytes() + 1]);
    }
}
