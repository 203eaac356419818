//! The program's allocator: the system's, and where operations are counted, counted.
//!
//! It stands in this program alone, so the loader library leaves its embedders' allocator alone.
//! What C libraries allocate (the unwinder its own bookkeeping) does not come by here.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, Ordering};

use super::operations::{self, Operation};

struct Counted;

#[global_allocator]
static ALLOCATOR: Counted = Counted;

/// Bytes allocated since counting began, less those freed since then: negative where more was freed.
static LIVE: AtomicI64 = AtomicI64::new(0);

/// Bytes allocated since counting began, less those freed since then, on all threads.
pub fn live_bytes() -> i64 {
    LIVE.load(Ordering::Relaxed)
}

#[cold]
fn allocated(bytes: usize) {
    operations::add(Operation::Allocation, 1);
    operations::add(Operation::AllocatedByte, bytes as u64);
    LIVE.fetch_add(bytes as i64, Ordering::Relaxed);
}

#[cold]
fn freed(bytes: usize) {
    LIVE.fetch_sub(bytes as i64, Ordering::Relaxed);
}

// SAFETY: every method hands its arguments to the system's allocator unchanged and returns what that
// returns; counting allocates nothing, takes no lock and cannot panic.
unsafe impl GlobalAlloc for Counted {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if operations::are_counted() {
            allocated(layout.size());
        }
        // SAFETY: the caller keeps to the contract of the method of this name.
        unsafe { System.alloc(layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if operations::are_counted() {
            allocated(layout.size());
        }
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        if operations::are_counted() {
            freed(layout.size());
        }
        // SAFETY: as above.
        unsafe { System.dealloc(block, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if operations::are_counted() {
            freed(layout.size());
            allocated(size);
        }
        // SAFETY: as above.
        unsafe { System.realloc(block, layout, size) }
    }
}
