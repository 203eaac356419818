//! Tests that the probe allocates nothing inside a measured phase, because that would be measured too.

// A global allocator needs unsafe code.
#![allow(unsafe_code)]

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use common::Phase;
use loadline_probe::{Event, Probe};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: passes everything to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller of this function makes the same guarantee.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller of this function makes the same guarantee.
        unsafe { System.dealloc(start, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn laps_and_totals_allocate_nothing() {
    let mut probe = Probe::open(&Event::ALL);
    probe.start();
    let before = ALLOCATIONS.get();
    for _ in 0..1000 {
        probe.measure(Phase::Load, || ());
        probe.lap(Some(Phase::Unload));
    }
    let totals = probe.totals(Phase::Load);
    assert_eq!(ALLOCATIONS.get(), before);
    assert_eq!(totals.laps(), 1000);
}
