//! Counts the operations of each thread on that thread: [`Operations`].
//!
//! Nothing is counted before [`count_from_now`]. Only runs with `Collector::Count` call it. Until then, an
//! allocation or a registration only checks a flag. Counts are kept per thread and need no lock. A thread
//! reads its own counts.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};

use loadline_scenario::{Absence, Metric, Reading};

use super::mappings;

/// An operation that is counted each time a thread does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Operation {
    /// A registration of an `.eh_frame` section with the unwinder.
    Registration,
    /// A deregistration of an `.eh_frame` section.
    Deregistration,
    /// The registration of an entry with the unwinder.
    EntryRegistered,
    /// The deregistration of an entry.
    EntryDeregistered,
    /// An allocation.
    Allocation,
    /// An allocated byte.
    AllocatedByte,
    /// A system call that makes a mapping.
    MappingMade,
    /// A system call that changes a mapping.
    MappingChanged,
    /// A system call that removes a mapping.
    MappingRemoved,
}

use Operation::{
    AllocatedByte, Allocation, Deregistration, EntryDeregistered, EntryRegistered, MappingChanged,
    MappingMade, MappingRemoved, Registration,
};

/// Every operation with the metric that counts it. The number of an operation is its index here.
const ALL: [(Operation, Metric); 9] = [
    (Registration, Metric::UnwindTablesRegistered),
    (Deregistration, Metric::UnwindTablesDeregistered),
    (EntryRegistered, Metric::FdesRegistered),
    (EntryDeregistered, Metric::FdesDeregistered),
    (Allocation, Metric::Allocations),
    (AllocatedByte, Metric::AllocatedBytes),
    (MappingMade, Metric::MappingsMade),
    (MappingChanged, Metric::MappingsChanged),
    (MappingRemoved, Metric::MappingsRemoved),
];

static IS_COUNTING: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Needs neither an allocation nor a destructor, so the allocator itself may use it at any time in the
    /// life of a thread.
    static DONE: [Cell<u64>; ALL.len()] = const { [const { Cell::new(0) }; ALL.len()] };
}

/// Counts all operations from here on, on all threads, until the process ends.
pub fn count_from_now() {
    IS_COUNTING.store(true, Ordering::Relaxed);
}

/// Returns whether operations are counted in this process.
#[inline]
pub fn are_counted() -> bool {
    IS_COUNTING.load(Ordering::Relaxed)
}

/// Adds to the counts of the calling thread.
pub fn add(operation: Operation, times: u64) {
    DONE.with(|done| {
        let done = &done[operation as usize];
        done.set(done.get() + times);
    });
}

/// The numbers of operations of one thread, or of several together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Operations([u64; ALL.len()]);

impl Operations {
    /// Returns the counts of the calling thread so far. Allocates nothing.
    pub fn of_this_thread() -> Operations {
        let mut operations =
            DONE.with(|done| Operations(std::array::from_fn(|number| done[number].get())));
        let calls = mappings::of_this_thread();
        operations.0[MappingMade as usize] = calls.made;
        operations.0[MappingChanged as usize] = calls.changed;
        operations.0[MappingRemoved as usize] = calls.removed;
        operations
    }

    /// Returns the operations since `earlier`.
    pub fn since(&self, earlier: &Operations) -> Operations {
        Operations(std::array::from_fn(|number| self.0[number] - earlier.0[number]))
    }

    /// Returns the sum of both.
    pub fn plus(&self, other: &Operations) -> Operations {
        Operations(std::array::from_fn(|number| self.0[number] + other.0[number]))
    }

    /// Returns each metric with its reading. `mappings` says whether system calls could be followed.
    pub fn readings(
        self,
        mappings: Result<(), Absence>,
    ) -> impl Iterator<Item = (Metric, Reading)> {
        // Defining the unwinder's functions in the program is known to work with glibc only.
        let is_glibc = cfg!(all(target_os = "linux", target_env = "gnu"));
        let frames = if is_glibc { Ok(()) } else { Err(Absence::NotOnThisPlatform) };
        let done = self.0;
        ALL.into_iter().map(move |(operation, metric)| {
            let is_counted = match operation {
                Allocation | AllocatedByte => Ok(()),
                MappingMade | MappingChanged | MappingRemoved => mappings,
                Registration | Deregistration | EntryRegistered | EntryDeregistered => frames,
            };
            let reading = match is_counted {
                Ok(()) => Reading::Exact(done[operation as usize]),
                Err(absence) => Reading::Unavailable(absence),
            };
            (metric, reading)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_s_number_is_its_place() {
        for (place, (operation, _)) in ALL.into_iter().enumerate() {
            assert_eq!(operation as usize, place);
        }
    }
}
