//! [`Metric`]: what is counted, and in which unit. Nothing here opens a counter.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::collector::Means;
use super::unknown_name::{UnknownName, known};

/// What is counted. The kernel's and the operating system's own names for the events are known to
/// `loadline-probe` alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Metric {
    /// Calls that told the process's unwinder about an `.eh_frame`.
    FramesRegistered,
    /// Calls that told the process's unwinder to forget an `.eh_frame`.
    FramesDeregistered,
    /// Entries (FDEs, one a function) in what those calls gave the unwinder.
    FrameEntriesRegistered,
    /// Entries in what the unwinder was told to forget.
    FrameEntriesDeregistered,
    /// Times Rust code asked the allocator for memory, a block that grew or shrank included. What C
    /// libraries allocate themselves is not among them.
    Allocations,
    /// Bytes asked for by those; for a block that grew or shrank its new size.
    AllocatedBytes,
    /// Growth, since before the first step, of the bytes that Rust code has allocated and not freed.
    AliveBytes,
    /// System calls that made a mapping: `mmap`.
    MappingsMade,
    /// System calls that changed a mapping: `mprotect`, `pkey_mprotect` and `mremap`.
    MappingsChanged,
    /// System calls that removed a mapping: `munmap`.
    MappingsRemoved,
    /// Growth, since before the first step, of the number of mappings: what the system limits.
    MappingsAlive,
    /// Growth, since before the first step, of the bytes of address space in all mappings.
    MappedBytes,
    /// Growth, since before the first step, of the number of open descriptors.
    DescriptorsAlive,
    /// Growth of the resident set since before the first step.
    ResidentBytes,
    /// Page faults, minor and major.
    PageFaults,
    /// Instructions executed in user space, as callgrind counts them: the same in every run, and only
    /// in runs under it.
    CallgrindInstructions,
    /// Instructions retired in user space.
    Instructions,
    /// Processor cycles in user space.
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
    /// Processor time of the counted threads, user and kernel.
    TaskClock,
    /// Times the kernel took a counted thread off its processor.
    ContextSwitches,
    /// Times a counted thread came back on another processor.
    CpuMigrations,
    /// Elapsed time.
    WallTime,
    /// What a command counts itself, under a name of its own.
    Reported,
}

/// How a metric behaves between two measurements of the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// A number of things that happened; repeatable to well below a percent.
    Count,
    /// A duration; noisy, and dependent on caches.
    Time,
}

impl Metric {
    /// Every metric, in the order of a report.
    pub const ALL: [Metric; 28] = [
        Metric::FramesRegistered,
        Metric::FramesDeregistered,
        Metric::FrameEntriesRegistered,
        Metric::FrameEntriesDeregistered,
        Metric::Allocations,
        Metric::AllocatedBytes,
        Metric::AliveBytes,
        Metric::MappingsMade,
        Metric::MappingsChanged,
        Metric::MappingsRemoved,
        Metric::MappingsAlive,
        Metric::MappedBytes,
        Metric::DescriptorsAlive,
        Metric::ResidentBytes,
        Metric::PageFaults,
        Metric::CallgrindInstructions,
        Metric::Instructions,
        Metric::Cycles,
        Metric::CacheReferences,
        Metric::CacheMisses,
        Metric::Branches,
        Metric::BranchMisses,
        Metric::DtlbMisses,
        Metric::TaskClock,
        Metric::ContextSwitches,
        Metric::CpuMigrations,
        Metric::WallTime,
        Metric::Reported,
    ];

    /// The metric's name in files and on screen.
    pub const fn name(self) -> &'static str {
        match self {
            Metric::FramesRegistered => "frames-registered",
            Metric::FramesDeregistered => "frames-deregistered",
            Metric::FrameEntriesRegistered => "frame-entries-registered",
            Metric::FrameEntriesDeregistered => "frame-entries-deregistered",
            Metric::Allocations => "allocations",
            Metric::AllocatedBytes => "allocated-bytes",
            Metric::AliveBytes => "alive-bytes",
            Metric::MappingsMade => "mappings-made",
            Metric::MappingsChanged => "mappings-changed",
            Metric::MappingsRemoved => "mappings-removed",
            Metric::MappingsAlive => "mappings-alive",
            Metric::MappedBytes => "mapped-bytes",
            Metric::DescriptorsAlive => "descriptors-alive",
            Metric::ResidentBytes => "resident-bytes",
            Metric::PageFaults => "page-faults",
            Metric::CallgrindInstructions => "callgrind-instructions",
            Metric::Instructions => "instructions",
            Metric::Cycles => "cycles",
            Metric::CacheReferences => "cache-references",
            Metric::CacheMisses => "cache-misses",
            Metric::Branches => "branches",
            Metric::BranchMisses => "branch-misses",
            Metric::DtlbMisses => "dtlb-misses",
            Metric::TaskClock => "task-clock",
            Metric::ContextSwitches => "context-switches",
            Metric::CpuMigrations => "cpu-migrations",
            Metric::WallTime => "wall-time",
            Metric::Reported => "reported",
        }
    }

    /// `ns`, `bytes` or `count`.
    pub const fn unit(self) -> &'static str {
        match self {
            Metric::TaskClock | Metric::WallTime => "ns",
            Metric::AllocatedBytes
            | Metric::AliveBytes
            | Metric::MappedBytes
            | Metric::ResidentBytes => "bytes",
            _ => "count",
        }
    }

    /// Whether the rule for counts or the rule for times speaks about this metric.
    ///
    /// Cycles and cache events depend on caches and clocks as times do, so they count as times.
    pub const fn kind(self) -> MetricKind {
        match self {
            Metric::Cycles
            | Metric::CacheReferences
            | Metric::CacheMisses
            | Metric::BranchMisses
            | Metric::DtlbMisses
            | Metric::TaskClock
            | Metric::ContextSwitches
            | Metric::CpuMigrations
            | Metric::WallTime => MetricKind::Time,
            _ => MetricKind::Count,
        }
    }

    /// Whether the metric may turn CI red. The others are shown only: they follow the machine's
    /// load (wall time, context switches) or its caches more than the program's growth.
    pub const fn may_be_judged(self) -> bool {
        matches!(self, Metric::TaskClock) || matches!(self.kind(), MetricKind::Count)
    }

    /// By which means it is counted: its readings come from runs by these alone.
    pub const fn means(self) -> Means {
        match self {
            Metric::FrameEntriesRegistered
            | Metric::FrameEntriesDeregistered
            | Metric::Allocations
            | Metric::AllocatedBytes
            | Metric::AliveBytes
            | Metric::MappingsMade
            | Metric::MappingsChanged
            | Metric::MappingsRemoved
            | Metric::MappingsAlive
            | Metric::MappedBytes
            | Metric::DescriptorsAlive => Means::Count,
            Metric::CallgrindInstructions => Means::Callgrind,
            _ => Means::Clock,
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Metric {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Metric, UnknownName> {
        let found = Metric::ALL.into_iter().find(|m| m.name() == name);
        found.ok_or_else(|| UnknownName {
            what: "metric",
            name: name.to_owned(),
            known: known(&Metric::ALL),
        })
    }
}
