//! What a thread has done, counted where it is done: [`Operations`].
//!
//! Nothing is counted before [`count_from_now`], which only runs by `Collector::Count` call: until then
//! an allocation or a registration pays for one look at a flag. Counts are kept by thread and need
//! no lock; a thread reads its own.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};

use loadline_scenario::{Absence, Metric, Reading};

use super::mappings;

/// Something that is counted each time a thread does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub enum Operation {
    /// An `.eh_frame` given to the unwinder.
    Registration,
    /// An `.eh_frame` taken back.
    Deregistration,
    /// An entry given to the unwinder.
    EntryRegistered,
    /// An entry taken back.
    EntryDeregistered,
    /// The allocator asked for memory.
    Allocation,
    /// A byte asked for.
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

/// Every operation with the metric that counts it; an operation's number is its place here.
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
    /// Needs neither an allocation nor a destructor, so the allocator itself may use it at any time
    /// of a thread's life.
    static DONE: [Cell<u64>; ALL.len()] = const { [const { Cell::new(0) }; ALL.len()] };
}

/// Has everything counted from here on, on all threads, to the end of the process.
pub fn count_from_now() {
    IS_COUNTING.store(true, Ordering::Relaxed);
}

/// Whether operations are counted in this process.
#[inline]
pub fn are_counted() -> bool {
    IS_COUNTING.load(Ordering::Relaxed)
}

/// Adds to what the calling thread has done.
pub fn add(operation: Operation, times: u64) {
    DONE.with(|done| {
        let done = &done[operation as usize];
        done.set(done.get() + times);
    });
}

/// How often one thread, or several together, did each operation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Operations([u64; ALL.len()]);

impl Operations {
    /// What the calling thread has done so far. Allocates nothing.
    pub fn of_this_thread() -> Operations {
        let mut operations =
            DONE.with(|done| Operations(std::array::from_fn(|number| done[number].get())));
        let calls = mappings::of_this_thread();
        operations.0[MappingMade as usize] = calls.made;
        operations.0[MappingChanged as usize] = calls.changed;
        operations.0[MappingRemoved as usize] = calls.removed;
        operations
    }

    /// Those since `earlier`.
    pub fn since(&self, earlier: &Operations) -> Operations {
        Operations(std::array::from_fn(|number| self.0[number] - earlier.0[number]))
    }

    /// Both together.
    pub fn plus(&self, other: &Operations) -> Operations {
        Operations(std::array::from_fn(|number| self.0[number] + other.0[number]))
    }

    /// Each metric with its reading, given whether mappings could be followed.
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
