//! Looks up symbols through the dynamic linker of this process.

use std::ffi::{CStr, c_void};

/// Returns the definition that calls of `name` reach.
pub(crate) fn active(name: &CStr) -> Option<*mut c_void> {
    find(libc::RTLD_DEFAULT, name)
}

/// Returns the first definition of `name` after this program's own.
pub(crate) fn behind_ours(name: &CStr) -> Option<*mut c_void> {
    find(libc::RTLD_NEXT, name)
}

#[allow(unsafe_code)]
fn find(from: *mut c_void, name: &CStr) -> Option<*mut c_void> {
    // SAFETY: the name is NUL-terminated, and `from` is one of dlsym's own constants.
    let found = unsafe { libc::dlsym(from, name.as_ptr()) };
    (!found.is_null()).then_some(found)
}
