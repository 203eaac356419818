//! Memory that a pack's images live in: filled while it cannot be executed, executed once it cannot
//! be written any more.
//!
//! The bytes are a copy of the file. A mapping of the file itself would be shared between processes
//! and read on demand, and would follow every change of the file: a writer could change code that
//! was checked already, and a truncation would end the process with SIGBUS at the next call into
//! it. Nothing keeps another program of the same user from either, so no safe function could offer it.
#![allow(unsafe_code)]

use std::io;
use std::ops::Range;

use memmap2::{Mmap, MmapMut};
use rustix::mm::{MprotectFlags, mprotect};

/// Memory that is written to, and not yet executed.
#[derive(Debug)]
pub(crate) struct Room(MmapMut);

/// Memory that is read and executed, and never written to again.
#[derive(Debug)]
pub(crate) struct Region(Mmap);

impl Room {
    /// Maps so many zero bytes, a multiple of the page size and not none of them.
    ///
    /// There are no large pages: finding them takes the kernel longer than filling small ones, once
    /// memory has been in use for a while, and loading is no quicker with them.
    pub(crate) fn new(bytes: usize) -> io::Result<Room> {
        MmapMut::map_anon(bytes).map(Room)
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// Takes the permission to write away and gives the one to execute.
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

    /// The address of its first byte.
    pub(crate) fn start(&self) -> usize {
        self.0.as_ptr().addr()
    }

    /// Makes a range that begins at a page readable and executable.
    pub(crate) fn protect(&self, range: Range<usize>) -> io::Result<()> {
        let part = &self.0[range];
        // SAFETY: the pages are this value's own, and nobody writes to them.
        unsafe { executable(part.as_ptr(), part.len()) }
    }
}

/// Bytes in a page of memory.
pub(crate) fn page_bytes() -> usize {
    rustix::param::page_size()
}

/// Makes whole pages readable and executable, and tells the CPU's caches of instructions. The setting
/// that turns on branch targets (BTI on arm64) is left out: it would only forbid more.
///
/// # Safety
///
/// The pages that hold `base..base + bytes` must be mapped, and nobody may write to them while they
/// are executable, nor rely on writing to them.
pub(crate) unsafe fn executable(base: *const u8, bytes: usize) -> io::Result<()> {
    use wasmtime_internal_jit_icache_coherence as icache;

    let pages = bytes.next_multiple_of(page_bytes());
    // SAFETY: the range is mapped and readable, and by the caller's promise nobody writes to it. The
    // caches are cleared before the protection changes, as Wasmtime does it (wasmtime 48
    // `runtime/vm/sys/unix/mmap.rs`, `make_executable`).
    unsafe {
        icache::clear_cache(base.cast(), bytes).map_err(io::Error::other)?;
        mprotect(base.cast_mut().cast(), pages, MprotectFlags::READ | MprotectFlags::EXEC)?;
    }
    icache::pipeline_flush_mt().map_err(io::Error::other)
}
