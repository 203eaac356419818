//! Counts the registrations and deregistrations of `.eh_frame` sections with the unwinder.
//!
//! Wasmtime calls `__register_frame` and `__deregister_frame` by name. This program defines both, and the
//! linker prefers the program's definition to a library's. Each counts the call and forwards it to the next
//! definition, the unwinder's. Neither Wasmtime nor the unwinder is changed.

#![allow(unsafe_code)]

/// The numbers of registrations and deregistrations since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameCounts {
    /// The number of calls of `__register_frame`: one per section under libgcc, one per FDE under LLVM's
    /// libunwind.
    pub registered: u64,
    /// The number of calls of `__deregister_frame`.
    pub deregistered: u64,
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub use counted::{
    count_deregistration, count_registration, counts, deregister, register, resolve,
};

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub use uncounted::{
    count_deregistration, count_registration, counts, deregister, register, resolve,
};

/// Counts the FDEs of the `.eh_frame` section at `section` by walking it (Linux Standard Base, section 10.6).
/// Each record begins with its length, which is 0 at the end. The next field is 0 in a CIE, and in an FDE it
/// is the distance back to its CIE.
///
/// # Safety
/// The section must be well-formed, end with a length of 0, and be readable.
pub unsafe fn entries(section: *const u8) -> u64 {
    /// This length means that the real length follows, in eight bytes.
    const EXTENDED: u32 = u32::MAX;

    let (mut entries, mut record) = (0, section);
    loop {
        // SAFETY: `record` is the start of the section or the end of a record that does not end the section.
        // So there is a length and, unless it is 0, the rest of the record after it.
        unsafe {
            let short = record.cast::<u32>().read_unaligned();
            let (body, length) = match short {
                0 => return entries,
                EXTENDED => (record.add(12), record.add(4).cast::<u64>().read_unaligned() as usize),
                short => (record.add(4), short as usize),
            };
            entries += u64::from(body.cast::<u32>().read_unaligned() != 0);
            record = body.add(length);
        }
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod counted {
    use std::ffi::{CStr, c_void};
    use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

    use super::{FrameCounts, entries};
    use crate::counting::operations::{self, Operation};
    use crate::counting::symbol;

    static REGISTERED: AtomicU64 = AtomicU64::new(0);
    static DEREGISTERED: AtomicU64 = AtomicU64::new(0);

    /// The unwinder's own function, which is looked up once and then called through its address.
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
            // Look up the definition after this program's own.
            let found = symbol::behind_ours(self.name) as usize;
            self.address.store(found, Ordering::Relaxed);
            found
        }

        /// Forwards the call. Returns the number of entries that it covers, or 0 if entries are not counted.
        /// Returns `None` if no unwinder defines the function.
        fn call(&self, begin: *const c_void) -> Option<u64> {
            let address = self.address();
            if address == 0 {
                return None;
            }
            // SAFETY: libgcc (unwind-dw2-fde.c) and LLVM's libunwind (UnwindLevel1-gcc-ext.c) both define
            // these names as `void (const void *)`, and the address is not null. `begin` is the argument that
            // the caller gave to the function of this name. For libgcc it is a whole section that ends with a
            // length of 0, which stays readable until the call has returned and longer.
            unsafe {
                std::mem::transmute::<usize, unsafe extern "C" fn(*const c_void)>(address)(begin);
                Some(match (operations::are_counted(), TAKES_ENTRIES.load(Ordering::Relaxed)) {
                    (false, _) => 0,
                    (true, true) => 1,
                    (true, false) => entries(begin.cast()),
                })
            }
        }
    }

    // SAFETY: no other object of this program defines the name. The definitions of libraries come later in
    // the search order, and this function forwards to them.
    #[unsafe(no_mangle)]
    extern "C" fn __register_frame(begin: *const c_void) {
        if let Some(entries) = NEXT_REGISTER.call(begin) {
            count_registration(entries);
        }
    }

    /// Registers a table or an entry in the same way as Wasmtime.
    ///
    /// # Safety
    /// `begin` is what the active unwinder takes, and stays readable until it has been deregistered.
    pub unsafe fn register(begin: *const c_void) {
        __register_frame(begin);
    }

    /// Deregisters a table or an entry in the same way as Wasmtime.
    ///
    /// # Safety
    /// `begin` has been registered, and is deregistered once.
    pub unsafe fn deregister(begin: *const c_void) {
        __deregister_frame(begin);
    }

    /// Counts a section with `entries` entries that another function registers.
    pub fn count_registration(entries: u64) {
        REGISTERED.fetch_add(1, Ordering::Relaxed);
        if operations::are_counted() {
            operations::add(Operation::Registration, 1);
            operations::add(Operation::EntryRegistered, entries);
        }
    }

    /// Counts a section with `entries` entries that another function deregisters.
    pub fn count_deregistration(entries: u64) {
        DEREGISTERED.fetch_add(1, Ordering::Relaxed);
        if operations::are_counted() {
            operations::add(Operation::Deregistration, 1);
            operations::add(Operation::EntryDeregistered, entries);
        }
    }

    // SAFETY: as for `__register_frame`.
    #[unsafe(no_mangle)]
    extern "C" fn __deregister_frame(begin: *const c_void) {
        if let Some(entries) = NEXT_DEREGISTER.call(begin) {
            count_deregistration(entries);
        }
    }

    /// Whether the unwinder takes single entries, like LLVM's libunwind, and not whole sections, like libgcc.
    static TAKES_ENTRIES: AtomicBool = AtomicBool::new(false);

    /// Looks up the unwinder's functions, so that the first registration need not do so.
    pub fn resolve() {
        NEXT_REGISTER.address();
        NEXT_DEREGISTER.address();
        // Wasmtime recognises LLVM's libunwind by the same symbol (wasmtime 48,
        // `runtime/vm/sys/unix/unwind.rs`).
        let found = symbol::active(c"__unw_add_dynamic_fde");
        TAKES_ENTRIES.store(found.is_some(), Ordering::Relaxed);
    }

    #[cfg(test)]
    #[test]
    fn a_call_that_reaches_no_unwinder_is_told() {
        assert_eq!(Next::new(c"__no_unwinder_has_this").call(std::ptr::null()), None);
    }

    /// Returns the counts so far, or `None` if they are not counted.
    pub fn counts() -> Option<FrameCounts> {
        Some(FrameCounts {
            registered: REGISTERED.load(Ordering::Relaxed),
            deregistered: DEREGISTERED.load(Ordering::Relaxed),
        })
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod uncounted {
    use std::ffi::c_void;

    use super::FrameCounts;

    /// Does nothing, because no unwinder is known on this platform.
    ///
    /// # Safety
    /// None is needed.
    pub unsafe fn register(_: *const c_void) {}

    /// Does nothing.
    ///
    /// # Safety
    /// None is needed.
    pub unsafe fn deregister(_: *const c_void) {}

    /// Counts nothing.
    pub fn count_registration(_: u64) {}

    /// Counts nothing.
    pub fn count_deregistration(_: u64) {}

    /// Does nothing, because calls are not counted on this platform.
    pub fn resolve() {}

    /// Returns `None`. Defining the names in the program is known to work with glibc only.
    pub fn counts() -> Option<FrameCounts> {
        None
    }
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    #[test]
    fn records_of_a_section_are_told_apart() {
        let words: [u32; 13] = [
            8,
            0,
            7, // a CIE
            4,
            16, // an FDE
            8,
            24,
            7, // another, longer
            u32::MAX,
            4,
            0,
            48, // one with an extended length
            0,
        ];
        // SAFETY: the section above is well-formed and ends with a length of 0.
        assert_eq!(unsafe { entries(words.as_ptr().cast()) }, 3);
        // SAFETY: as above.
        assert_eq!(unsafe { entries([0u32].as_ptr().cast()) }, 0);
    }
}
