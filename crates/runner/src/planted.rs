//! Work of known growth, by which a session proves that it can see growth.

#![allow(unsafe_code)]

use std::hint::black_box;
use std::mem::ManuallyDrop;

use loadline_scenario::{Planted, PlantedWork};

use crate::error::Error;

/// Units of planted work to one touched page: four pages a module.
const UNITS_PER_PAGE: u64 = 250;

/// Does the work that N asks for within `measure`, and returns how many units it did.
pub fn work(
    planted: &Planted,
    modules: usize,
    measure: impl FnOnce(&mut dyn FnMut()) -> Result<(), Error>,
) -> Result<u64, Error> {
    let units = planted.units(modules);
    match planted.work {
        PlantedWork::Cpu => measure(&mut || spin(units))?,
        PlantedWork::Pages => {
            // Stays mapped to the end, so that the resident set can be read.
            let mut pages = ManuallyDrop::new(Pages::map((units / UNITS_PER_PAGE) as usize)?);
            measure(&mut || pages.touch())?;
        }
        PlantedWork::Allocations => measure(&mut || allocate(units))?,
    }
    Ok(units)
}

/// A chain of multiplications that no optimiser can shorten: some nanoseconds a unit.
fn spin(units: u64) {
    let mut value = black_box(0x9e37_79b9_7f4a_7c15_u64);
    for unit in 0..units {
        for _ in 0..8 {
            value = (value ^ (value >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        }
        value ^= unit;
    }
    black_box(value);
}

/// Asks the allocator for memory so many times, and gives it back each time.
fn allocate(units: u64) {
    for unit in 0..units {
        black_box(Box::new(unit));
    }
}

#[cfg(unix)]
struct Pages {
    start: *mut u8,
    count: usize,
    page: usize,
}

#[cfg(unix)]
impl Pages {
    /// Maps `count` fresh pages of the smallest size: with huge ones a fault would bring many.
    fn map(count: usize) -> Result<Pages, Error> {
        // SAFETY: sysconf takes a number and returns one.
        let page = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let page = usize::try_from(page).unwrap_or(4096);
        let bytes = count * page;
        let (protection, flags) =
            (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
        // SAFETY: a new anonymous mapping at an address of the kernel's choice touches nothing that
        // exists.
        let start =
            unsafe { libc::mmap(std::ptr::null_mut(), bytes.max(page), protection, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(Error::Map { bytes, source: std::io::Error::last_os_error() });
        }
        #[cfg(target_os = "linux")]
        // SAFETY: the range is the mapping just made. A kernel without huge pages refuses the
        // advice, which then is not needed.
        let _ = unsafe { libc::madvise(start, bytes.max(page), libc::MADV_NOHUGEPAGE) };
        Ok(Pages { start: start.cast(), count, page })
    }

    /// Writes one byte to each page.
    fn touch(&mut self) {
        for index in 0..self.count {
            // SAFETY: `index` is below `count`, so the byte lies within the mapping, which is
            // writable and nobody else's.
            unsafe { self.start.add(index * self.page).write_volatile(1) };
        }
    }
}

#[cfg(not(unix))]
struct Pages {
    bytes: Vec<u8>,
}

#[cfg(not(unix))]
impl Pages {
    fn map(count: usize) -> Result<Pages, Error> {
        Ok(Pages { bytes: vec![0; count * 4096] })
    }

    fn touch(&mut self) {
        for byte in self.bytes.iter_mut().step_by(4096) {
            *byte = black_box(1);
        }
    }
}
