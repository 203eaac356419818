//! The CPU time of the calling thread, by POSIX, and its page faults, by Linux.

// Two system calls the standard library does not offer.
#![allow(unsafe_code)]

/// User and kernel time of the calling thread in nanoseconds since it began; `None` where the
/// system has no such clock.
#[inline]
pub(crate) fn thread_cpu_ns() -> Option<u64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is a valid `timespec` for the call to fill in.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    (status == 0).then(|| time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// Page faults of the calling thread since it began, minor and major; `None` where the system does not
/// tell.
#[cfg(target_os = "linux")]
#[inline]
pub(crate) fn thread_faults() -> Option<u64> {
    // SAFETY: all zero is a valid `rusage`.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: `usage` is a valid `rusage` for the call to fill in.
    let status = unsafe { libc::getrusage(libc::RUSAGE_THREAD, &raw mut usage) };
    let faults = usage.ru_minflt.checked_add(usage.ru_majflt)?;
    (status == 0).then(|| u64::try_from(faults).ok()).flatten()
}
