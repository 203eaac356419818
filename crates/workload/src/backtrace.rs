//! Takes one native backtrace of this thread, as a panic, a crash handler or a profiler does.
//!
//! The program's linked unwinder is also the unwinder with which Wasmtime registers unwind tables. It looks
//! up every frame among all registered tables, or among the tables that it has not sorted yet. Only then does
//! it ask the dynamic linker (libgcc 12 `unwind-dw2-fde.c`, `_Unwind_Find_FDE`). So the cost of a backtrace
//! may depend on the number of loaded modules.
#![allow(unsafe_code)]

#[cfg(unix)]
pub use unix::frames;
#[cfg(windows)]
pub use windows::frames;

#[cfg(unix)]
mod unix {
    use std::ffi::{c_int, c_void};

    /// `_URC_NO_REASON`: continue with the next frame (Itanium C++ ABI, exception handling, 1.6).
    const CONTINUE: c_int = 0;

    type Trace = extern "C" fn(context: *mut c_void, frames: &mut usize) -> c_int;

    // Rust's standard library links the unwinder that defines this function.
    unsafe extern "C" {
        // SAFETY: the callback has the type that the ABI prescribes except for the second argument, which is
        // passed on unchanged. The callback does not unwind itself.
        safe fn _Unwind_Backtrace(trace: Trace, frames: &mut usize) -> c_int;
    }

    extern "C" fn count(_: *mut c_void, frames: &mut usize) -> c_int {
        *frames += 1;
        CONTINUE
    }

    /// Unwinds from here to the first frame of the thread, and returns the number of frames.
    #[inline(never)]
    pub fn frames() -> usize {
        let mut frames = 0;
        _Unwind_Backtrace(count, &mut frames);
        frames
    }
}

#[cfg(windows)]
mod windows {
    use std::ffi::c_void;
    use std::ptr;

    /// More frames than a load order is deep.
    const MOST: u32 = 128;

    #[link(name = "kernel32")]
    unsafe extern "system" {
        fn RtlCaptureStackBackTrace(
            skip: u32,
            most: u32,
            frames: *mut *mut c_void,
            hash: *mut u32,
        ) -> u16;
    }

    /// Unwinds from here to the first frame of the thread, and returns the number of frames.
    #[inline(never)]
    pub fn frames() -> usize {
        let mut frames = [ptr::null_mut(); MOST as usize];
        // SAFETY: there is room for `MOST` pointers, and the hash may be null.
        let found =
            unsafe { RtlCaptureStackBackTrace(0, MOST, frames.as_mut_ptr(), ptr::null_mut()) };
        usize::from(found)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_thread_has_frames() {
        assert!(super::frames() > 1);
    }
}
