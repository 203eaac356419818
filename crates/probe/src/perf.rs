//! Maps [`Event`]s to perf events. This is the only file that knows perf's names, and which privilege level each
//! event is counted at.

use std::path::Path;
use std::sync::OnceLock;

use perf_event::Builder;
use perf_event::events::{
    Cache, CacheOp, CacheResult, Event as PerfEvent, Hardware, Software, WhichCache,
};

use crate::event::Event;
use crate::reading::Absence;
use crate::tally::Cores;

/// Who counts an event, and so with which others it can share a kernel group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    /// The kernel: never takes turns.
    Software,
    /// The processor's performance monitoring unit, with few registers.
    Hardware,
}

/// Who counts `event`; `None` if perf does not.
pub(crate) fn counting(event: Event) -> Option<Counting> {
    Some(match perf_event(event)? {
        PerfEvent::Software(_) => Counting::Software,
        _ => Counting::Hardware,
    })
}

/// A builder for `event` on the calling thread, any processor, not inherited by children.
///
/// Hardware events count user space alone: kernel instructions depend on the kernel, its
/// mitigations and the hypervisor. The software ones, by `perf_swevent_event` and
/// `perf_exclude_event` in kernel/events/core.c:
///
/// - *Page faults* carry the registers of the faulting code, so `exclude_kernel` leaves the faults
///   of user code: first touches of heap, of copied and of mapped artifacts. Faults that the kernel
///   takes itself on a user's page (`read(2)` into fresh memory) would count for root only; they
///   are excluded for all, so that everybody's number is the same.
/// - *Context switches* and *migrations* are raised by the scheduler with the kernel's registers:
///   under `exclude_kernel` they would always read 0. They need the kernel included, hence
///   `perf_event_paranoid` ≤ 1 or `CAP_PERFMON`; without it they are absent, not 0.
/// - The *task clock* does not look at the bits (`task_clock_event_read` takes the context's
///   time): user and kernel together, for all.
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

/// The cores that a counter of `event` covers.
///
/// A hardware event is counted by one PMU. On a hybrid processor each core type has a PMU of its own,
/// and the kernel puts a generic event on one of them (`perf_event_open(2)`, and
/// Documentation/arch/x86/ of the kernel for Intel).
pub(crate) fn cores(event: Event) -> Cores {
    static IS_HYBRID: OnceLock<bool> = OnceLock::new();
    let is_hybrid = || core_types(Path::new("/sys/bus/event_source/devices")) > 1;
    if counting(event) == Some(Counting::Hardware) && *IS_HYBRID.get_or_init(is_hybrid) {
        Cores::OfOneType
    } else {
        Cores::All
    }
}

/// How many PMUs of cores `devices` lists where several core types have their own: only those have a
/// file `cpus` (`cpu_core` and `cpu_atom` on Intel, one for each core design on Arm).
fn core_types(devices: &Path) -> usize {
    let entries = std::fs::read_dir(devices).into_iter().flatten().flatten();
    entries.filter(|device| device.path().join("cpus").exists()).count()
}

/// What an error of `perf_event_open`, its ioctls or `read` means.
///
/// By `perf_event_open(2)`, section ERRORS. `EPERM` is also what a container's seccomp filter says,
/// `ENOSYS` a kernel without `CONFIG_PERF_EVENTS` or a sandbox such as gVisor.
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
