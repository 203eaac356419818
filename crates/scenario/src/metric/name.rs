//! [`Metric`]: a quantity that Loadline counts, and its unit. Nothing here opens a counter.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::collector::Collector;
use super::unknown_name::{UnknownName, known};

/// A quantity that Loadline counts. Only `loadline-probe` knows the names that the kernel and the operating
/// system use for the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Metric {
    /// Calls that registered an `.eh_frame` with the process's unwinder.
    UnwindTablesRegistered,
    /// Calls that deregistered an `.eh_frame` from the process's unwinder.
    UnwindTablesDeregistered,
    /// Entries in the registered tables (FDEs, one per function).
    FdesRegistered,
    /// Entries in the deregistered tables.
    FdesDeregistered,
    /// How often Rust code asked the allocator for memory, including each block that grew or shrank.
    /// Allocations of C libraries are not included.
    Allocations,
    /// Bytes that Rust code asked the allocator for. A block that grew or shrank counts with its new size.
    AllocatedBytes,
    /// Growth, since before the first step, of the bytes that Rust code has allocated and not freed.
    LiveBytes,
    /// System calls that made a mapping: `mmap`.
    MappingsMade,
    /// System calls that changed a mapping: `mprotect`, `pkey_mprotect` and `mremap`.
    MappingsChanged,
    /// System calls that removed a mapping: `munmap`.
    MappingsRemoved,
    /// Growth, since before the first step, of the number of mappings, which the system limits.
    MappingsLive,
    /// Growth, since before the first step, of the bytes of address space in all mappings.
    MappedBytes,
    /// Growth, since before the first step, of the number of open file descriptors.
    DescriptorsLive,
    /// Growth, since before the first step, of the resident set.
    ResidentBytes,
    /// The largest resident set that any process of a command had. Its smallest value is that of the process
    /// that starts the command.
    PeakResidentBytes,
    /// Page faults, minor and major.
    PageFaults,
    /// Instructions executed in user space, as callgrind counts them. The count is the same in every run, and
    /// exists only in runs under callgrind.
    CallgrindInstructions,
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
    /// CPU time of the counted threads, in user space and in the kernel.
    TaskClock,
    /// How often the kernel took a counted thread off its CPU.
    ContextSwitches,
    /// How often a counted thread moved to another CPU.
    CpuMigrations,
    /// Elapsed time.
    WallTime,
    /// A count that a command reports itself, under a name of its own.
    Reported,
}

/// How a metric behaves between two measurements of the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// A number of events, repeatable to well below a percent.
    Count,
    /// A duration; noisy, and dependent on caches.
    Time,
}

impl Metric {
    /// Every metric, in the order of a report.
    pub const ALL: [Metric; 29] = [
        Metric::UnwindTablesRegistered,
        Metric::UnwindTablesDeregistered,
        Metric::FdesRegistered,
        Metric::FdesDeregistered,
        Metric::Allocations,
        Metric::AllocatedBytes,
        Metric::LiveBytes,
        Metric::MappingsMade,
        Metric::MappingsChanged,
        Metric::MappingsRemoved,
        Metric::MappingsLive,
        Metric::MappedBytes,
        Metric::DescriptorsLive,
        Metric::ResidentBytes,
        Metric::PeakResidentBytes,
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
            Metric::UnwindTablesRegistered => "unwind-tables-registered",
            Metric::UnwindTablesDeregistered => "unwind-tables-deregistered",
            Metric::FdesRegistered => "fdes-registered",
            Metric::FdesDeregistered => "fdes-deregistered",
            Metric::Allocations => "allocations",
            Metric::AllocatedBytes => "allocated-bytes",
            Metric::LiveBytes => "live-bytes",
            Metric::MappingsMade => "mappings-made",
            Metric::MappingsChanged => "mappings-changed",
            Metric::MappingsRemoved => "mappings-removed",
            Metric::MappingsLive => "mappings-live",
            Metric::MappedBytes => "mapped-bytes",
            Metric::DescriptorsLive => "descriptors-live",
            Metric::ResidentBytes => "resident-bytes",
            Metric::PeakResidentBytes => "peak-resident-bytes",
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
            | Metric::LiveBytes
            | Metric::MappedBytes
            | Metric::ResidentBytes
            | Metric::PeakResidentBytes => "bytes",
            _ => "count",
        }
    }

    /// Whether the growth rule for counts or the one for times applies to this metric.
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

    /// Whether the metric may turn CI red. The other metrics are informational. They follow the machine's
    /// load (wall time, context switches) or its caches more than the program's growth.
    pub const fn may_be_judged(self) -> bool {
        matches!(self, Metric::TaskClock) || matches!(self.kind(), MetricKind::Count)
    }

    /// The collector that counts the metric. Its readings come only from runs with this collector.
    pub const fn collector(self) -> Collector {
        match self {
            Metric::FdesRegistered
            | Metric::FdesDeregistered
            | Metric::Allocations
            | Metric::AllocatedBytes
            | Metric::LiveBytes
            | Metric::MappingsMade
            | Metric::MappingsChanged
            | Metric::MappingsRemoved
            | Metric::MappingsLive
            | Metric::MappedBytes
            | Metric::DescriptorsLive => Collector::Count,
            Metric::CallgrindInstructions => Collector::Callgrind,
            _ => Collector::Clock,
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
