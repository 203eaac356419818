//! Memory that a pack's images live in: filled while it cannot be executed, executed once it cannot
//! be written any more.
//!
//! The bytes are a copy of the file. A mapping of the file itself would be shared between processes
//! and read on demand, and would follow every change of the file: a writer could change code that
//! was checked already, and a truncation would end the process with SIGBUS at the next call into
//! it. Nothing keeps another program of the same user from either, so no safe function could offer it.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io;
use std::ptr::{self, NonNull};

/// Memory that is written to, and not yet executed.
#[derive(Debug)]
pub(crate) struct Room(Mapping);

/// Memory that is read and executed, and never written to again.
#[derive(Debug)]
pub(crate) struct Region(Mapping);

#[derive(Debug)]
struct Mapping {
    base: NonNull<u8>,
    bytes: usize,
}

// SAFETY: a mapping belongs to the process and not to a thread; it is written to through `&mut Room`
// only, and unmapped once, by its only owner.
unsafe impl Send for Mapping {}
// SAFETY: as above: through a shared reference it is only read.
unsafe impl Sync for Mapping {}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: `new` mapped exactly this, and whoever owns it says that nobody uses it any more.
        // Nothing useful can be done about a failure: the address range then stays taken.
        let _ = unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

impl Room {
    /// Maps so many zero bytes, a multiple of the page size and not none of them.
    pub(crate) fn new(bytes: usize) -> io::Result<Room> {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
        // SAFETY: a new private mapping, at an address of the kernel's choice, affects nothing.
        let base = unsafe { libc::mmap(ptr::null_mut(), bytes, protection, flags, -1, 0) };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        // No large pages: finding them takes the kernel longer than filling small ones, once memory
        // has been in use for a while, and loading is no quicker with them.
        let base = NonNull::new(base.cast()).ok_or_else(|| io::Error::other("mapped at 0"))?;
        Ok(Room(Mapping { base, bytes }))
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: the mapping is that long, readable and writable, initialised with zeros, and
        // borrowed through `self` alone.
        unsafe { std::slice::from_raw_parts_mut(self.0.base.as_ptr(), self.0.bytes) }
    }

    /// Takes the permission to write away and gives the one to execute.
    pub(crate) fn close(self) -> io::Result<Region> {
        let Mapping { base, bytes } = self.0;
        // SAFETY: the range is this value's own, and no reference into it is left: `self` is moved.
        unsafe { executable(base.as_ptr(), bytes)? };
        Ok(Region(self.0))
    }
}

impl Region {
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the mapping is that long, readable and initialised, and nobody writes to it.
        unsafe { std::slice::from_raw_parts(self.0.base.as_ptr(), self.0.bytes) }
    }

    /// The address of its first byte.
    pub(crate) fn start(&self) -> usize {
        self.0.base.addr().get()
    }
}

/// Bytes in a page of memory.
pub(crate) fn page_bytes() -> usize {
    // SAFETY: it takes a constant, and this one is known everywhere.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).unwrap_or(4096)
}

/// Makes whole pages readable and executable, and tells the processor's caches of instructions. The
/// setting that turns on branch targets (BTI on arm64) is left out: it would only forbid more.
///
/// # Safety
///
/// The pages that hold `base..base + bytes` must be mapped, and nobody may write to them while they
/// are executable, nor rely on writing to them.
pub(crate) unsafe fn executable(base: *const u8, bytes: usize) -> io::Result<()> {
    use wasmtime_internal_jit_icache_coherence as icache;

    // SAFETY: the range is mapped and readable. Before the protection changes, as Wasmtime does it
    // (wasmtime 48 `runtime/vm/sys/unix/mmap.rs`, `make_executable`).
    unsafe { icache::clear_cache(base.cast(), bytes) }.map_err(io::Error::other)?;
    // SAFETY: the caller's promise.
    unsafe { protect(base, bytes, libc::PROT_READ | libc::PROT_EXEC)? };
    icache::pipeline_flush_mt().map_err(io::Error::other)
}

/// # Safety
///
/// The pages that hold `base..base + bytes` must be mapped, and be used by nobody in a way that
/// `protection` forbids.
unsafe fn protect(base: *const u8, bytes: usize, protection: i32) -> io::Result<()> {
    let bytes = bytes.next_multiple_of(page_bytes());
    // SAFETY: the caller's promise.
    if unsafe { libc::mprotect(base.cast_mut().cast::<c_void>(), bytes, protection) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
