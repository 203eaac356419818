//! Fixes what is random in a process in which everything is counted: the seeds of hash tables, which
//! decide in which order memory comes and goes.
//!
//! `std::collections::hash_map::RandomState` asks getrandom(2) through the C library's function of
//! that name. It is defined here, in the program, which the linker prefers to a library's, as
//! `frames.rs` does with the unwinder's functions. Where operations or, under valgrind, instructions are
//! counted it answers with a fixed sequence; anywhere else it asks the kernel, as the C library would.

#![allow(unsafe_code)]

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod fixed {
    use std::ffi::{c_uint, c_void};
    use std::sync::atomic::{AtomicU64, Ordering};

    use loadline_callgrind::client as valgrind;

    use crate::counting::operations;

    /// Where the sequence stands.
    static STATE: AtomicU64 = AtomicU64::new(0);

    // SAFETY: no other object of this program defines the name, and it is defined as the C library
    // does: `ssize_t getrandom(void *, size_t, unsigned int)`, getrandom(2).
    #[unsafe(no_mangle)]
    extern "C" fn getrandom(buffer: *mut c_void, length: usize, flags: c_uint) -> isize {
        // SAFETY: the arguments are the caller's, who promises what getrandom(2) asks for: `length`
        // bytes at `buffer` that may be written to.
        unsafe {
            if !valgrind::is_running() && !operations::are_counted() {
                return libc::syscall(libc::SYS_getrandom, buffer, length, flags) as isize;
            }
            for index in 0..length {
                buffer.cast::<u8>().add(index).write(next_byte());
            }
        }
        isize::try_from(length).unwrap_or(isize::MAX)
    }

    /// SplitMix64 (Steele, Lea, Flood 2014), of which the top byte is taken.
    fn next_byte() -> u8 {
        const GOLDEN_RATIO: u64 = 0x9e37_79b9_7f4a_7c15;
        let state = STATE.fetch_add(GOLDEN_RATIO, Ordering::Relaxed).wrapping_add(GOLDEN_RATIO);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed >> 56) as u8
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn outside_valgrind_the_kernel_answers() {
            if valgrind::is_running() {
                loadline_testing::skip!("this test itself runs under valgrind");
                return;
            }
            let (mut one, mut other) = ([0_u8; 32], [0_u8; 32]);
            for buffer in [&mut one, &mut other] {
                assert_eq!(getrandom(buffer.as_mut_ptr().cast(), buffer.len(), 0), 32);
            }
            assert_ne!(one, other);
            // GRND_RANDOM and GRND_INSECURE together mean nothing to the kernel: EINVAL.
            assert_eq!(getrandom(one.as_mut_ptr().cast(), one.len(), 6), -1);
            let errno = std::io::Error::last_os_error().raw_os_error();
            assert_eq!(errno, Some(libc::EINVAL));
        }
    }
}
