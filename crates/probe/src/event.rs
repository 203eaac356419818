//! [`Event`]: the events that a probe can count.

use std::fmt;

/// An event that a probe can count on a thread, or on the programs that the thread starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Event {
    /// Page faults, minor and major.
    PageFaults,
    /// Instructions retired in user space.
    Instructions,
    /// CPU cycles in user space.
    Cycles,
    /// Accesses to the last-level cache.
    CacheReferences,
    /// Accesses that the last-level cache could not serve.
    CacheMisses,
    /// Branch instructions retired.
    Branches,
    /// Branches predicted wrongly.
    BranchMisses,
    /// Data loads that missed the translation lookaside buffer.
    DtlbMisses,
    /// CPU time in nanoseconds, user and kernel.
    TaskClock,
    /// How often the kernel took a counted thread off its CPU.
    ContextSwitches,
    /// How often a counted thread continued on another CPU.
    CpuMigrations,
    /// Elapsed time in nanoseconds.
    WallTime,
}

impl Event {
    /// Every event. This is the order in which a probe lists events.
    pub const ALL: [Event; 12] = [
        Event::PageFaults,
        Event::Instructions,
        Event::Cycles,
        Event::CacheReferences,
        Event::CacheMisses,
        Event::Branches,
        Event::BranchMisses,
        Event::DtlbMisses,
        Event::TaskClock,
        Event::ContextSwitches,
        Event::CpuMigrations,
        Event::WallTime,
    ];

    /// The name of the event, such as `page-faults`.
    pub const fn name(self) -> &'static str {
        match self {
            Event::PageFaults => "page-faults",
            Event::Instructions => "instructions",
            Event::Cycles => "cycles",
            Event::CacheReferences => "cache-references",
            Event::CacheMisses => "cache-misses",
            Event::Branches => "branches",
            Event::BranchMisses => "branch-misses",
            Event::DtlbMisses => "dtlb-misses",
            Event::TaskClock => "task-clock",
            Event::ContextSwitches => "context-switches",
            Event::CpuMigrations => "cpu-migrations",
            Event::WallTime => "wall-time",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}
