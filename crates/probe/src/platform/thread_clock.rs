//! The processor time of the calling thread, by POSIX.

// One system call the standard library does not offer.
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
