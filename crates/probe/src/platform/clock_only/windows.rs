//! Windows. Not yet run.
//!
//! `GetThreadTimes` moves with the scheduler's tick, 15.6 ms as a rule: a phase too short for it is
//! [`Absence::TooShort`](crate::reading::Absence::TooShort), not 0.

// Two functions of kernel32, which the standard library links already.
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
    // SAFETY: a thread that does not exist is an error, and each time is room for one.
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

/// User and kernel time of the calling thread in nanoseconds since it began; `None` if the system
/// does not tell.
pub(crate) fn thread_cpu_ns() -> Option<u64> {
    let [mut creation, mut exit, mut kernel, mut user] = <[FileTime; 4]>::default();
    let thread = GetCurrentThread();
    let status = GetThreadTimes(thread, &mut creation, &mut exit, &mut kernel, &mut user);
    (status != 0).then(|| kernel.ns() + user.ns())
}
