//! Requests to valgrind's callgrind from within the program that it runs. They ask whether valgrind runs the
//! program, and tell callgrind to start counting, to stop, and to write what it has counted.
//!
//! A request is a sequence of instructions that changes nothing on a CPU and that valgrind reads as a call.
//! Outside valgrind each function here costs a dozen instructions and does nothing. The sequences exist for
//! x86-64 and aarch64 Linux. Elsewhere [`is_running`] is always false.
//!
//! The sequences and numbers are part of valgrind's ABI and do not change. They are in `valgrind.h`
//! (`VALGRIND_DO_CLIENT_REQUEST_EXPR`, `VG_USERREQ__RUNNING_ON_VALGRIND`) and in `callgrind.h`
//! (`Vg_CallgrindClientRequest`).

#![allow(unsafe_code)]

use std::ffi::CStr;

/// `VG_USERREQ__RUNNING_ON_VALGRIND`: the answer is the number of valgrinds that run inside each other.
const RUNNING_ON_VALGRIND: usize = 0x1001;

/// `VG_USERREQ_TOOL_BASE('C', 'T')`: the first of callgrind's own requests, which it answers with 0.
const CALLGRIND: usize = (b'C' as usize) << 24 | (b'T' as usize) << 16;
const ZERO_STATS: usize = CALLGRIND + 1;
const DUMP_STATS_AT: usize = CALLGRIND + 3;
const START_INSTRUMENTATION: usize = CALLGRIND + 4;
const STOP_INSTRUMENTATION: usize = CALLGRIND + 5;

/// A value that callgrind never answers.
const UNANSWERED: usize = usize::MAX;

/// Whether this process runs under valgrind, with any tool.
pub fn is_running() -> bool {
    request(0, RUNNING_ON_VALGRIND, 0) > 0
}

/// Whether this process runs under callgrind. All counts so far are discarded.
///
/// Another tool than callgrind may complain about the unknown request.
pub fn is_callgrind() -> bool {
    is_running() && zero()
}

/// Discards the counts of this thread so far. If callgrind does not count threads separately
/// (`--separate-threads`), it discards those of all threads. Returns whether callgrind has done so.
pub fn zero() -> bool {
    request(UNANSWERED, ZERO_STATS, 0) == 0
}

/// Makes callgrind write its counts since the last dump under `name`, and count from 0 on. The counts are
/// those of this thread if threads are counted separately, or else of all threads. Returns whether callgrind
/// has done so.
///
/// The dump's description is `desc: Trigger: Client Request: NAME`.
pub fn dump(name: &CStr) -> bool {
    request(UNANSWERED, DUMP_STATS_AT, name.as_ptr() as usize) == 0
}

/// Makes callgrind count from here on, if it was started with `--instr-atstart=no` or was stopped. Otherwise
/// nothing changes. Returns whether callgrind has answered.
pub fn start_instrumentation() -> bool {
    request(UNANSWERED, START_INSTRUMENTATION, 0) == 0
}

/// Makes callgrind stop counting. Returns whether callgrind has answered.
pub fn stop_instrumentation() -> bool {
    request(UNANSWERED, STOP_INSTRUMENTATION, 0) == 0
}

/// Sends a request to valgrind. Returns `default` without valgrind, or if valgrind does not know the request.
#[inline]
fn request(default: usize, number: usize, argument: usize) -> usize {
    // valgrind reads the request and then five arguments from memory.
    let block = [number, argument, 0, 0, 0, 0];
    sequence(default, &block)
}

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64"
))]
#[inline]
fn sequence(default: usize, block: &[usize; 6]) -> usize {
    let answer;
    // SAFETY: on a CPU the rotations of rdi or x12 add up to 128 bits, twice the register's width, and rbx is
    // exchanged with itself or x10 or-ed with itself. So only flags change, and these are not declared as
    // kept. valgrind reads the six words behind rax or x4. For a dump it also reads the text behind the
    // second word, whose pointer came from a `CStr`. valgrind writes only rdx or x3, which is an output.
    unsafe {
        #[cfg(target_arch = "x86_64")]
        std::arch::asm!(
            "rol rdi, 3",
            "rol rdi, 13",
            "rol rdi, 61",
            "rol rdi, 51",
            "xchg rbx, rbx",
            inlateout("rdx") default => answer,
            in("rax") block.as_ptr(),
            options(nostack),
        );
        #[cfg(target_arch = "aarch64")]
        std::arch::asm!(
            "ror x12, x12, #3",
            "ror x12, x12, #13",
            "ror x12, x12, #51",
            "ror x12, x12, #61",
            "orr x10, x10, x10",
            inlateout("x3") default => answer,
            in("x4") block.as_ptr(),
            options(nostack),
        );
    }
    answer
}

#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    target_pointer_width = "64"
)))]
#[inline]
fn sequence(default: usize, _block: &[usize; 6]) -> usize {
    default
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tests do not run under valgrind. If they do, this test checks nothing.
    #[test]
    fn outside_valgrind_nobody_answers() {
        if is_running() {
            loadline_testing::skip!("this test itself runs under valgrind");
            return;
        }
        assert!(!is_callgrind());
        assert!(!zero());
        assert!(!dump(c"nothing"));
        assert!(!start_instrumentation());
        assert!(!stop_instrumentation());
    }

    #[test]
    fn the_numbers_are_those_of_the_headers() {
        assert_eq!(CALLGRIND, 0x4354_0000);
        assert_eq!(DUMP_STATS_AT, 0x4354_0003);
        assert_eq!(STOP_INSTRUMENTATION, 0x4354_0005);
    }
}
