//! Work with a known cost curve, with which a session proves that it can detect growth.

use std::hint::black_box;
use std::mem::ManuallyDrop;

use loadline_scenario::{KnownWork, KnownWorkKind};
use memmap2::MmapMut;

use crate::error::Error;

/// The units of work per touched page: four pages per module.
const UNITS_PER_PAGE: u64 = 250;

/// Does the work for N within `measure`, and returns the number of units.
pub fn work(
    known: &KnownWork,
    modules: usize,
    measure: impl FnOnce(&mut dyn FnMut()) -> Result<(), Error>,
) -> Result<u64, Error> {
    let units = known.units(modules);
    match known.work {
        KnownWorkKind::Cpu => measure(&mut || spin(units))?,
        KnownWorkKind::Pages => {
            // The pages stay mapped until the process ends, so that the resident set can be read.
            let mut pages = ManuallyDrop::new(Pages::map((units / UNITS_PER_PAGE) as usize)?);
            measure(&mut || pages.touch())?;
        }
        KnownWorkKind::Allocations => measure(&mut || allocate(units))?,
    }
    Ok(units)
}

/// Computes a chain of multiplications that no optimiser can shorten, some nanoseconds per unit.
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

/// Allocates and frees memory once per unit.
fn allocate(units: u64) {
    for unit in 0..units {
        black_box(Box::new(unit));
    }
}

struct Pages {
    memory: MmapMut,
    page: usize,
}

impl Pages {
    /// Maps `count` fresh pages of the smallest size. With huge pages, one fault would map many pages.
    fn map(count: usize) -> Result<Pages, Error> {
        let page = page_bytes();
        let bytes = count * page;
        let memory = MmapMut::map_anon(bytes.max(page));
        let memory = memory.map_err(|source| Error::Map { bytes, source })?;
        // A kernel without huge pages refuses the advice, and does not need it.
        #[cfg(target_os = "linux")]
        let _ = memory.advise(memmap2::Advice::NoHugePage);
        Ok(Pages { memory, page })
    }

    /// Writes one byte to each page.
    fn touch(&mut self) {
        for byte in self.memory.iter_mut().step_by(self.page) {
            *byte = black_box(1);
        }
    }
}

#[cfg(unix)]
fn page_bytes() -> usize {
    rustix::param::page_size()
}

#[cfg(not(unix))]
fn page_bytes() -> usize {
    4096
}
