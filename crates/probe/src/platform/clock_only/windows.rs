//! Thread clock for Windows. This code has not been run yet.
//!
//! `GetThreadTimes` advances with the scheduler's tick, usually 15.6 ms. A phase that is too short for the
//! tick is [`Absence::TooShort`](crate::reading::Absence::TooShort), not 0.

// This calls two functions of kernel32, which the standard library already links.
#![allow(unsafe_code)]

use std::ffi::c_void;

/// `FILETIME` of minwinbase.h: a count of 100 ns in two halves.
#[repr(C)]
#[derive(Default)]
struct FileTime {
    low: u32,
    high: u32,
}

#[link(name = "kernel32")]
unsafe extern "system" {
    safe fn GetCurrentThread() -> *mut c_void;
    // SAFETY: the function returns an error if the thread does not exist, and each reference has room for one
    // time.
    safe fn GetThreadTimes(
        thread: *mut c_void,
        creation: &mut FileTime,
        exit: &mut FileTime,
        kernel: &mut FileTime,
        user: &mut FileTime,
    ) -> i32;
}

impl FileTime {
    fn ns(&self) -> u64 {
        (u64::from(self.high) << 32 | u64::from(self.low)) * 100
    }
}

/// Returns the user and kernel time of the calling thread in nanoseconds since it began, or `None` if Windows
/// reports an error.
pub(crate) fn thread_cpu_ns() -> Option<u64> {
    let [mut creation, mut exit, mut kernel, mut user] = <[FileTime; 4]>::default();
    let thread = GetCurrentThread();
    let status = GetThreadTimes(thread, &mut creation, &mut exit, &mut kernel, &mut user);
    (status != 0).then(|| kernel.ns() + user.ns())
}
