//! The allocator of the program. It calls the system's allocator, and counts the calls if operations are
//! counted.
//!
//! Only this program contains it, so the loader library does not change the allocator of its embedders. It
//! does not count allocations by C libraries, such as the bookkeeping of the unwinder.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, Ordering};

use super::operations::{self, Operation};

struct Counted;

#[global_allocator]
static ALLOCATOR: Counted = Counted;

/// The bytes allocated minus the bytes freed since counting began. Negative if more bytes were freed.
static LIVE: AtomicI64 = AtomicI64::new(0);

/// Returns the bytes allocated minus the bytes freed since counting began, on all threads.
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

// SAFETY: every method passes its arguments unchanged to the system's allocator and returns its result.
// Counting allocates nothing, takes no lock and cannot panic.
unsafe impl GlobalAlloc for Counted {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if operations::are_counted() {
            allocated(layout.size());
        }
        // SAFETY: the caller fulfils the contract of the method of the same name.
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
