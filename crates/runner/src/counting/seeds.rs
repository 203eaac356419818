//! Fixes the randomness of a process whose operations are counted: the seeds of hash tables, which decide the
//! order in which memory is allocated and freed.
//!
//! `std::collections::hash_map::RandomState` calls getrandom(2) through the C library's function of that
//! name. This program defines that function, and the linker prefers the program's definition to a library's,
//! as in `frames.rs`. If operations are counted or, under valgrind, instructions, the function returns a
//! fixed sequence. Otherwise it calls the kernel, like the C library.

#![allow(unsafe_code)]

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod fixed {
    use std::ffi::{c_uint, c_void};
    use std::sync::atomic::{AtomicU64, Ordering};

    use loadline_callgrind::client as valgrind;

    use crate::counting::operations;

    /// The current state of the sequence.
    static STATE: AtomicU64 = AtomicU64::new(0);

    // SAFETY: no other object of this program defines the name. The definition has the C library's signature:
    // `ssize_t getrandom(void *, size_t, unsigned int)`, getrandom(2).
    #[unsafe(no_mangle)]
    extern "C" fn getrandom(buffer: *mut c_void, length: usize, flags: c_uint) -> isize {
        // SAFETY: the arguments come from the caller, who fulfils the contract of getrandom(2): `length`
        // bytes at `buffer` may be written to.
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

    /// Returns the top byte of SplitMix64 (Steele, Lea, Flood 2014).
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
            // GRND_RANDOM and GRND_INSECURE together are invalid for the kernel: EINVAL.
            assert_eq!(getrandom(one.as_mut_ptr().cast(), one.len(), 6), -1);
            let errno = std::io::Error::last_os_error().raw_os_error();
            assert_eq!(errno, Some(libc::EINVAL));
        }
    }
}
