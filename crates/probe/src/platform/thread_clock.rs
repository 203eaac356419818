//! The CPU time of the calling thread (POSIX) and its page faults (Linux).

use rustix::time::{ClockId, clock_gettime};

/// Returns the user and kernel time of the calling thread in nanoseconds since it began.
#[inline]
pub(crate) fn thread_cpu_ns() -> Option<u64> {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Some(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// Returns the minor and major page faults of the calling thread since it began, or `None` on an error.
#[cfg(target_os = "linux")]
#[inline]
pub(crate) fn thread_faults() -> Option<u64> {
    use nix::sys::resource::{UsageWho, getrusage};

    let usage = getrusage(UsageWho::RUSAGE_THREAD).ok()?;
    let faults = usage.minor_page_faults().checked_add(usage.major_page_faults())?;
    u64::try_from(faults).ok()
}
