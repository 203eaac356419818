//! What is counted, where, and in which unit: [`Phase`], [`Metric`], [`Reading`].
//!
//! Nothing here opens a counter; `loadline-probe` does.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::sample::Means;

/// The stretch of a run that a reading belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Phase {
    /// Bytes of the artifact brought from disk into memory.
    Read,
    /// `Module::deserialize` and its kin: from bytes or file to a ready module.
    Deserialize,
    /// `read` and `deserialize` together.
    Load,
    /// Instantiation and call of one exported function in a sample of the modules.
    Call,
    /// A native backtrace taken in the host.
    Unwind,
    /// A native backtrace taken in a host function that was called from wasm.
    Backtrace,
    /// A call that traps, with the native backtrace that its error keeps.
    Trap,
    /// A panic of the host, and its being caught a few frames up.
    Panic,
    /// Instantiation of a module, with a host function made for it, in the one store of the thread.
    Instantiate,
    /// Telling the unwinder about unwind tables, without a module.
    Register,
    /// Telling the unwinder to forget them.
    Deregister,
    /// From dropping the last handle of a module to its being gone.
    Unload,
    /// `load` and `unload` together.
    Total,
    /// Planted work of known growth, which the gate must see to be trusted.
    Work,
    /// The whole run of a command that marks no phases.
    Run,
}

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

impl Phase {
    /// Every phase, in the order of a report.
    pub const ALL: [Phase; 15] = [
        Phase::Read,
        Phase::Deserialize,
        Phase::Load,
        Phase::Call,
        Phase::Unwind,
        Phase::Backtrace,
        Phase::Trap,
        Phase::Panic,
        Phase::Instantiate,
        Phase::Register,
        Phase::Deregister,
        Phase::Unload,
        Phase::Total,
        Phase::Work,
        Phase::Run,
    ];

    /// The phase's name in files and on screen.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Read => "read",
            Phase::Deserialize => "deserialize",
            Phase::Load => "load",
            Phase::Call => "call",
            Phase::Unwind => "unwind",
            Phase::Backtrace => "backtrace",
            Phase::Trap => "trap",
            Phase::Panic => "panic",
            Phase::Instantiate => "instantiate",
            Phase::Register => "register",
            Phase::Deregister => "deregister",
            Phase::Unload => "unload",
            Phase::Total => "total",
            Phase::Work => "work",
            Phase::Run => "run",
        }
    }

    /// The phases whose costs add up to this one; empty for a phase that is measured itself.
    pub const fn parts(self) -> &'static [Phase] {
        match self {
            Phase::Load => &[Phase::Read, Phase::Deserialize],
            Phase::Total => &[Phase::Read, Phase::Deserialize, Phase::Unload],
            _ => &[],
        }
    }
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

/// A phase and a metric: the name of a series, `unload/task-clock`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SeriesName {
    /// Where it is counted.
    pub phase: Phase,
    /// What is counted.
    pub metric: Metric,
}

impl SeriesName {
    /// The series of `metric` over `phase`.
    pub const fn new(phase: Phase, metric: Metric) -> SeriesName {
        SeriesName { phase, metric }
    }
}

/// A phase, metric or series nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} {name:?} (known: {known})")]
pub struct UnknownName {
    /// `phase`, `metric` or `series`.
    pub what: &'static str,
    /// As it was written.
    pub name: String,
    /// The names there are.
    pub known: String,
}

fn known<T: fmt::Display>(all: &[T]) -> String {
    let names: Vec<String> = all.iter().map(T::to_string).collect();
    names.join(", ")
}

impl FromStr for Phase {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Phase, UnknownName> {
        let found = Phase::ALL.into_iter().find(|p| p.name() == name);
        found.ok_or_else(|| UnknownName {
            what: "phase",
            name: name.to_owned(),
            known: known(&Phase::ALL),
        })
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

impl FromStr for SeriesName {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<SeriesName, UnknownName> {
        let Some((phase, metric)) = name.split_once('/') else {
            return Err(UnknownName {
                what: "series",
                name: name.to_owned(),
                known: "PHASE/METRIC, as in unload/task-clock".to_owned(),
            });
        };
        Ok(SeriesName { phase: phase.parse()?, metric: metric.parse()? })
    }
}

impl TryFrom<String> for SeriesName {
    type Error = UnknownName;

    fn try_from(name: String) -> Result<SeriesName, UnknownName> {
        name.parse()
    }
}

impl From<SeriesName> for String {
    fn from(series: SeriesName) -> String {
        series.to_string()
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Display for SeriesName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.phase.name(), self.metric.name()))
    }
}

/// What one counter said about one phase of one run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Reading {
    /// Counted through the whole phase; in the metric's unit.
    Exact(u64),
    /// The kernel took turns: scaled up from `share` of the phase, `0 < share < 1`.
    Multiplexed {
        /// The count had the counter run all the time, in the metric's unit.
        estimate: f64,
        /// The share of the enabled time in which the counter really ran.
        share: f64,
    },
    /// Known to a step only: the system's accounting keeps a part of the value in clock ticks.
    Coarse {
        /// The value, in the metric's unit.
        value: u64,
        /// The step by which the value may be off, in the metric's unit.
        resolution: u64,
    },
    /// There is no count, and why.
    Unavailable(Absence),
}

impl Reading {
    /// The reading as a number in the metric's unit, where there is one.
    pub fn value(self) -> Option<f64> {
        match self {
            Reading::Exact(count) | Reading::Coarse { value: count, .. } => Some(count as f64),
            Reading::Multiplexed { estimate, .. } => Some(estimate),
            Reading::Unavailable(_) => None,
        }
    }
}

/// Why there is no count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[non_exhaustive]
pub enum Absence {
    /// `ENOENT`: this processor, as the kernel sees it, has no such event; usual on virtual machines.
    NotOffered,
    /// `EOPNOTSUPP`: the event exists, the hardware cannot count it as asked.
    NotSupported,
    /// `EACCES` or `EPERM`: the kernel forbids it to this user.
    NotPermitted,
    /// `EMFILE` or `ENFILE`: no descriptor left for the counter.
    TooManyFiles,
    /// `EINVAL`: this kernel does not know the event or the combination.
    NotUnderstood,
    /// `ENOSYS`, or another platform: there is no such interface.
    NotOnThisPlatform,
    /// The counter was open and wanted, but its running time was 0: the kernel never scheduled it.
    NeverRan,
    /// The phase ended before the counter ran for the first time, or its clock moved.
    TooShort,
    /// The counter ran, and counted 0 of something that always happens.
    CountedNothing,
    /// The counter covers the cores of one type of a hybrid processor, and the run was on others too.
    OneCoreType,
    /// CPU clocks can be read at a phase line only while the command waits for an answer.
    NotAcknowledged,
    /// A process that the command had started went on after the one that should have waited for it.
    NotWaitedFor,
    /// The counter was open and ran, but miscounted a loop whose count is known.
    FailedSelfTest,
    /// The phase did not occur in this run.
    NotMeasured,
    /// The runner was built from sources that do not know the metric.
    UnknownToBuild,
    /// Instructions are counted by valgrind, which is not installed.
    NoValgrind,
    /// The kernel lets this process not follow its own system calls; why, by its number.
    SystemCallsNotFollowed(i32),
    /// Any other error of the kernel, by its number.
    Errno(i32),
}

impl Absence {
    /// What to do about it, as a continuation of "… is unavailable: ".
    pub const fn remedy(self) -> &'static str {
        match self {
            Absence::NotOffered => {
                "use a machine or VM with a virtual PMU; the other metrics are judged without it"
            }
            Absence::NotSupported => {
                "judge another metric; the hardware cannot count this one here"
            }
            Absence::NotPermitted => {
                "lower kernel.perf_event_paranoid (sysctl -w kernel.perf_event_paranoid=1), grant CAP_PERFMON, or in a container allow perf_event_open"
            }
            Absence::TooManyFiles => "raise the descriptor limit (ulimit -n)",
            Absence::NotUnderstood => "use a newer kernel, or judge another metric",
            Absence::NotOnThisPlatform => "judge a metric this platform has",
            Absence::NeverRan => {
                "free the hardware counters (another profiler, the NMI watchdog) and repeat"
            }
            Absence::TooShort => "set acknowledge = true, or start at a larger size",
            Absence::CountedNothing => "do not trust this machine's counter; judge another metric",
            Absence::OneCoreType => {
                "keep the runs on cores of one type (--processors), or judge another metric"
            }
            Absence::NotAcknowledged => {
                "set acknowledge = true and have the command wait for the answer, or allow perf_event_open (sysctl -w kernel.perf_event_paranoid=1)"
            }
            Absence::NotWaitedFor => {
                "have the command wait for the processes that it starts, or allow perf_event_open"
            }
            Absence::FailedSelfTest => "do not trust this machine's counter; judge another metric",
            Absence::NotMeasured => "judge a phase that the lifecycle or command has",
            Absence::UnknownToBuild => "compare with a build that knows it",
            Absence::NoValgrind => {
                "install valgrind (apt-get install valgrind); without it nothing tells which symbol grows"
            }
            Absence::SystemCallsNotFollowed(_) => {
                "allow seccomp(2) with a listener (Linux 5.5 or newer; in a container by its seccomp profile), or judge mappings-alive"
            }
            Absence::Errno(_) => "look the errno up in perf_event_open(2)",
        }
    }
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Absence::NotOffered => f.write_str("not offered by this machine (ENOENT)"),
            Absence::NotSupported => f.write_str("not supported by this hardware (EOPNOTSUPP)"),
            Absence::NotPermitted => f.write_str("not permitted to this user (EACCES or EPERM)"),
            Absence::TooManyFiles => f.write_str("too many open files (EMFILE)"),
            Absence::NotUnderstood => f.write_str("not understood by this kernel (EINVAL)"),
            Absence::NotOnThisPlatform => f.write_str("not there on this platform"),
            Absence::NeverRan => f.write_str("opened, but the kernel never scheduled it"),
            Absence::TooShort => f.write_str("the phase was over before its counter was read"),
            Absence::CountedNothing => f.write_str("opened and scheduled, but it counted 0"),
            Absence::OneCoreType => {
                f.write_str("counted on one core type of a hybrid processor only")
            }
            Absence::NotAcknowledged => {
                f.write_str("CPU clocks need acknowledged phase lines to split a run into phases")
            }
            Absence::NotWaitedFor => {
                f.write_str("a process that the command started was not waited for")
            }
            Absence::FailedSelfTest => f.write_str("miscounts a loop of known length"),
            Absence::NotMeasured => f.write_str("the phase did not occur"),
            Absence::UnknownToBuild => f.write_str("not known to the sources of that build"),
            Absence::NoValgrind => f.write_str("there is no valgrind 3.19 or newer in PATH"),
            Absence::SystemCallsNotFollowed(errno) => {
                let reason = match errno {
                    1 => "forbidden: EPERM".to_owned(),
                    13 => "forbidden: EACCES".to_owned(),
                    16 => "another program follows them already: EBUSY".to_owned(),
                    22 => "the kernel does not know how: EINVAL".to_owned(),
                    38 => "the kernel does not know how: ENOSYS".to_owned(),
                    other => format!("errno {other}"),
                };
                write!(f, "system calls cannot be followed ({reason})")
            }
            Absence::Errno(errno) => write!(f, "refused by the kernel (errno {errno})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back() {
        for phase in Phase::ALL {
            for metric in Metric::ALL {
                let name = SeriesName::new(phase, metric);
                assert_eq!(name.to_string().parse(), Ok(name));
            }
        }
    }

    #[test]
    fn what_is_counted_apart_is_a_count_in_bytes_or_in_times() {
        for metric in Metric::ALL.into_iter().filter(|metric| metric.means() == Means::Count) {
            let unit = if metric.name().ends_with("-bytes") { "bytes" } else { "count" };
            assert_eq!((metric.unit(), metric.kind()), (unit, MetricKind::Count), "{metric}");
            assert!(metric.may_be_judged(), "{metric}");
        }
    }

    #[test]
    fn unknown_names_list_the_known_ones() {
        let error = "unload/task-clok".parse::<SeriesName>().expect_err("misspelt");
        assert!(error.to_string().contains("task-clock"), "{error}");
        let error = "task-clock".parse::<SeriesName>().expect_err("no phase");
        assert!(error.to_string().contains("PHASE/METRIC"), "{error}");
    }
}
