//! Looks up symbols through the dynamic linker of this process.

use std::ffi::{CStr, c_void};

/// Returns the definition that calls of `name` reach, or `None` if no object of this process has one.
pub fn active(name: &CStr) -> Option<*mut c_void> {
    #[cfg(unix)]
    let found = find(libc::RTLD_DEFAULT, name);
    #[cfg(not(unix))]
    let (found, _) = (std::ptr::null_mut(), name);
    (!found.is_null()).then_some(found)
}

/// Returns the first definition of `name` after this program's own, or null if there is none.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn behind_ours(name: &CStr) -> *mut c_void {
    find(libc::RTLD_NEXT, name)
}

#[cfg(unix)]
#[allow(unsafe_code)]
fn find(from: *mut c_void, name: &CStr) -> *mut c_void {
    // SAFETY: the name is NUL-terminated, and `from` is one of dlsym's own constants.
    unsafe { libc::dlsym(from, name.as_ptr()) }
}
