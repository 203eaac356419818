//! Counts what the process tells its unwinder: `.eh_frame` registrations and deregistrations.
//!
//! Wasmtime calls `__register_frame` and `__deregister_frame` by name. Both are defined here, in
//! the program, which the linker prefers to a library's; each counts and passes the call on to the
//! next definition, the unwinder's. Neither Wasmtime nor the unwinder is changed.

#![allow(unsafe_code)]

/// How often frames were registered and deregistered since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameCounts {
    /// Calls of `__register_frame`: one a section under libgcc, one an FDE under LLVM's libunwind.
    pub registered: u64,
    /// Calls of `__deregister_frame`.
    pub deregistered: u64,
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub use counted::{counts, resolve};

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub use uncounted::{counts, resolve};

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod counted {
    use std::ffi::{CStr, c_void};
    use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

    use super::FrameCounts;

    static REGISTERED: AtomicU64 = AtomicU64::new(0);
    static DEREGISTERED: AtomicU64 = AtomicU64::new(0);

    /// The unwinder's own function, found once and then called through its address.
    struct Next {
        name: &'static CStr,
        address: AtomicUsize,
    }

    static NEXT_REGISTER: Next = Next::new(c"__register_frame");
    static NEXT_DEREGISTER: Next = Next::new(c"__deregister_frame");

    impl Next {
        const fn new(name: &'static CStr) -> Next {
            Next { name, address: AtomicUsize::new(0) }
        }

        fn address(&self) -> usize {
            let known = self.address.load(Ordering::Relaxed);
            if known != 0 {
                return known;
            }
            // SAFETY: the name is a NUL-terminated string of static lifetime, and RTLD_NEXT asks
            // for the definition behind this program's own.
            let found = unsafe { libc::dlsym(libc::RTLD_NEXT, self.name.as_ptr()) } as usize;
            self.address.store(found, Ordering::Relaxed);
            found
        }

        fn call(&self, begin: *const c_void) {
            let address = self.address();
            if address == 0 {
                // Without an unwinder behind it a registration has nobody to reach.
                return;
            }
            // SAFETY: libgcc (unwind-dw2-fde.c) and LLVM's libunwind (UnwindLevel1-gcc-ext.c) both
            // define these names as `void (const void *)`, and the address is not null.
            let function = unsafe {
                std::mem::transmute::<usize, unsafe extern "C" fn(*const c_void)>(address)
            };
            // SAFETY: `begin` is what the caller handed to the function of this name.
            unsafe { function(begin) }
        }
    }

    // SAFETY: no other object of this program defines the name; libraries' definitions come later
    // in the search order and are the ones forwarded to.
    #[unsafe(no_mangle)]
    extern "C" fn __register_frame(begin: *const c_void) {
        REGISTERED.fetch_add(1, Ordering::Relaxed);
        NEXT_REGISTER.call(begin);
    }

    // SAFETY: as for `__register_frame`.
    #[unsafe(no_mangle)]
    extern "C" fn __deregister_frame(begin: *const c_void) {
        DEREGISTERED.fetch_add(1, Ordering::Relaxed);
        NEXT_DEREGISTER.call(begin);
    }

    /// Finds the unwinder's functions, so that the first registration does not have to.
    pub fn resolve() {
        NEXT_REGISTER.address();
        NEXT_DEREGISTER.address();
    }

    /// The counts so far; `None` where they are not counted.
    pub fn counts() -> Option<FrameCounts> {
        Some(FrameCounts {
            registered: REGISTERED.load(Ordering::Relaxed),
            deregistered: DEREGISTERED.load(Ordering::Relaxed),
        })
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod uncounted {
    use super::FrameCounts;

    /// Nothing to find: calls are not counted on this platform.
    pub fn resolve() {}

    /// None: defining the names in the program is known to work with glibc only.
    pub fn counts() -> Option<FrameCounts> {
        None
    }
}
