//! Maps [`Event`]s to perf events. Only this file knows perf's names and the privilege level at which each
//! event is counted.

use std::path::Path;
use std::sync::OnceLock;

use perf_event::Builder;
use perf_event::events::{
    Cache, CacheOp, CacheResult, Event as PerfEvent, Hardware, Software, WhichCache,
};

use crate::event::Event;
use crate::reading::Absence;
use crate::tally::Cores;

/// The part of the machine that counts an event. Only events of the same part can share a kernel group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    /// The kernel, which never multiplexes its counters.
    Software,
    /// The performance monitoring unit (PMU) of the CPU, which has few registers.
    Hardware,
}

/// Returns what counts `event`, or `None` if perf does not.
pub(crate) fn counting(event: Event) -> Option<Counting> {
    Some(match perf_event(event)? {
        PerfEvent::Software(_) => Counting::Software,
        _ => Counting::Hardware,
    })
}

/// Returns a builder for `event` on the calling thread and any CPU, not inherited by children.
///
/// Hardware events count user space only, because kernel instructions depend on the kernel, its mitigations
/// and the hypervisor. Software events differ (`perf_swevent_event` and `perf_exclude_event` in
/// kernel/events/core.c):
///
/// - *Page faults* carry the registers of the faulting code, so `exclude_kernel` keeps the faults of user
///   code: first touches of heap, of copied and of mapped artifacts. The kernel also causes faults on pages
///   of the user, for example when `read(2)` fills fresh memory. Those would count for root only, so they are
///   excluded for all users, and all users get the same number.
/// - *Context switches* and *migrations* are raised by the scheduler with the kernel's registers. Under
///   `exclude_kernel` they would always read 0. So they need the kernel included, and `perf_event_paranoid` ≤
///   1 or `CAP_PERFMON`. Without that permission they are absent, not 0.
/// - The *task clock* ignores these bits, because `task_clock_event_read` takes the time of the context. It
///   counts user and kernel time for all users.
pub(crate) fn builder<'a>(event: Event) -> Option<Builder<'a>> {
    let mut builder = Builder::new().kind(perf_event(event)?);
    if matches!(event, Event::ContextSwitches | Event::CpuMigrations) {
        builder.include_kernel();
    }
    Some(builder)
}

fn perf_event(event: Event) -> Option<PerfEvent> {
    Some(match event {
        Event::PageFaults => Software::PAGE_FAULTS.into(),
        Event::TaskClock => Software::TASK_CLOCK.into(),
        Event::ContextSwitches => Software::CONTEXT_SWITCHES.into(),
        Event::CpuMigrations => Software::CPU_MIGRATIONS.into(),
        Event::Instructions => Hardware::INSTRUCTIONS.into(),
        Event::Cycles => Hardware::CPU_CYCLES.into(),
        Event::CacheReferences => Hardware::CACHE_REFERENCES.into(),
        Event::CacheMisses => Hardware::CACHE_MISSES.into(),
        Event::Branches => Hardware::BRANCH_INSTRUCTIONS.into(),
        Event::BranchMisses => Hardware::BRANCH_MISSES.into(),
        Event::DtlbMisses => PerfEvent::Cache(Cache {
            which: WhichCache::DTLB,
            operation: CacheOp::READ,
            result: CacheResult::MISS,
        }),
        _ => return None,
    })
}

/// Returns the cores that a counter of `event` covers.
///
/// One PMU counts a hardware event. On a hybrid CPU, each core type has its own PMU, and the kernel puts a
/// generic event on one of them (`perf_event_open(2)`, and Documentation/arch/x86/ of the kernel for Intel).
pub(crate) fn cores(event: Event) -> Cores {
    static IS_HYBRID: OnceLock<bool> = OnceLock::new();
    let is_hybrid = || core_types(Path::new("/sys/bus/event_source/devices")) > 1;
    if counting(event) == Some(Counting::Hardware) && *IS_HYBRID.get_or_init(is_hybrid) {
        Cores::OfOneType
    } else {
        Cores::All
    }
}

/// Returns how many core PMUs `devices` lists on a machine where several core types have their own PMU. Only
/// such PMUs have a file `cpus` (`cpu_core` and `cpu_atom` on Intel, one per core design on Arm).
fn core_types(devices: &Path) -> usize {
    let entries = std::fs::read_dir(devices).into_iter().flatten().flatten();
    entries.filter(|device| device.path().join("cpus").exists()).count()
}

/// Returns the meaning of an error of `perf_event_open`, its ioctls or `read`.
///
/// The source is `perf_event_open(2)`, section ERRORS. A container's seccomp filter also returns `EPERM`. A
/// kernel without `CONFIG_PERF_EVENTS` or a sandbox such as gVisor returns `ENOSYS`.
pub(crate) fn classify(errno: i32) -> Absence {
    match errno {
        libc::ENOENT => Absence::NotOffered,
        libc::EOPNOTSUPP => Absence::NotSupported,
        libc::EACCES | libc::EPERM => Absence::NotPermitted,
        libc::EMFILE | libc::ENFILE => Absence::TooManyFiles,
        libc::EINVAL => Absence::NotUnderstood,
        libc::ENOSYS => Absence::NotOnThisPlatform,
        other => Absence::Errno(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_errno_has_its_meaning() {
        let table = [
            (libc::ENOENT, Absence::NotOffered),
            (libc::EOPNOTSUPP, Absence::NotSupported),
            (libc::EACCES, Absence::NotPermitted),
            (libc::EPERM, Absence::NotPermitted),
            (libc::EMFILE, Absence::TooManyFiles),
            (libc::ENFILE, Absence::TooManyFiles),
            (libc::EINVAL, Absence::NotUnderstood),
            (libc::ENOSYS, Absence::NotOnThisPlatform),
            (libc::EBUSY, Absence::Errno(libc::EBUSY)),
        ];
        for (errno, expected) in table {
            assert_eq!(classify(errno), expected, "errno {errno}");
        }
    }

    #[test]
    fn core_types_are_counted_by_their_pmus() {
        let folder = std::env::temp_dir().join(format!("loadline-pmus-{}", std::process::id()));
        let device = |name: &str, file: &str| {
            std::fs::create_dir_all(folder.join(name)).expect("a folder");
            std::fs::write(folder.join(name).join(file), "0-3\n").expect("a file");
        };
        assert_eq!(core_types(&folder), 0, "no /sys here");
        device("cpu", "type");
        device("uncore_imc", "cpumask");
        assert_eq!(core_types(&folder), 0);
        device("cpu_core", "cpus");
        device("cpu_atom", "cpus");
        assert_eq!(core_types(&folder), 2);
        std::fs::remove_dir_all(&folder).expect("it was made above");
        assert_eq!(cores(Event::TaskClock), Cores::All, "the kernel counts software events");
    }

    #[test]
    fn perf_counts_every_event_but_wall_time() {
        for event in Event::ALL {
            assert_eq!(counting(event).is_some(), event != Event::WallTime, "{event}");
        }
    }
}
