//! The memory of a pack's images. It is filled while it is not executable, and executed when it is no longer
//! writable.
//!
//! The bytes are a copy of the file. A mapping of the file itself would be shared between processes, would be
//! read on demand, and would follow every change of the file. A writer could then change code that was
//! already checked. A truncation would end the process with SIGBUS at the next call into the code. Nothing
//! keeps another program of the same user from either, so no safe function could offer such a mapping.
#![allow(unsafe_code)]

use std::io;
use std::ops::Range;

use memmap2::{Mmap, MmapMut};
use rustix::mm::{MprotectFlags, mprotect};

/// Memory that is writable and not executable yet.
#[derive(Debug)]
pub(crate) struct Room(MmapMut);

/// Memory that is readable and executable, and never written again.
#[derive(Debug)]
pub(crate) struct Region(Mmap);

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
        let region = Region(self.0.make_read_only()?);
        region.protect(0..region.0.len())?;
        Ok(region)
    }
}

impl Region {
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Returns the address of the first byte.
    pub(crate) fn start(&self) -> usize {
        self.0.as_ptr().addr()
    }

    /// Makes a range that begins at a page readable and executable.
    pub(crate) fn protect(&self, range: Range<usize>) -> io::Result<()> {
        let part = &self.0[range];
        // SAFETY: the pages belong to this value, and no other code writes to them.
        unsafe { executable(part.as_ptr(), part.len()) }
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
