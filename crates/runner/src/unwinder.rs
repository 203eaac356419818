//! Which unwinder this process really has, found from the inside.
//!
//! What the program was linked with says little: a preloaded library takes over. So the active
//! `__register_frame` is asked for its file, LLVM's libunwind is known by a symbol only it has, and
//! libgcc's bookkeeping (a list up to release 12, a tree from 13) is told by what a registration
//! does to the object it is given.

#![allow(unsafe_code)]

use std::path::Path;

use crate::frames;

/// The active unwinder. Unknown parts are the text `unknown` with the reason behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwinder {
    /// `libgcc-list`, `libgcc-tree`, `llvm` or `other`.
    pub family: &'static str,
    /// Its version, as far as the file tells.
    pub version: String,
    /// The file it was loaded from.
    pub path: String,
}

/// The file of the active unwinder, as [`detect`] has it. Changes nothing in the process.
pub fn active_path() -> String {
    match frames::unwinder_path() {
        Some(path) => std::fs::canonicalize(&path).unwrap_or(path).display().to_string(),
        None => UNKNOWN.to_owned(),
    }
}

const UNKNOWN: &str = "unknown (registrations cannot be followed on this platform)";

/// Finds the active unwinder. Registers two frames and takes them back, so a process that asks is
/// no longer fresh: not for a measured one.
pub fn detect() -> Unwinder {
    let Some(path) = frames::unwinder_path() else {
        let (version, path) = (UNKNOWN.to_owned(), UNKNOWN.to_owned());
        return Unwinder { family: "other", version, path };
    };
    let real = std::fs::canonicalize(&path).unwrap_or(path);
    let is_llvm = platform::is_llvm();
    let version = if is_llvm { llvm_version(&real) } else { libgcc_version(&real) };
    let family = match (is_llvm, platform::keeps_a_list()) {
        (true, _) => "llvm",
        (false, Some(true)) => "libgcc-list",
        (false, Some(false)) => "libgcc-tree",
        (false, None) => "other",
    };
    let version = version.unwrap_or_else(|| "unknown (the file does not tell)".to_owned());
    Unwinder { family, version, path: real.display().to_string() }
}

/// Distributions keep each LLVM release in a folder of its own, `/usr/lib/llvm-19/lib`.
fn llvm_version(path: &Path) -> Option<String> {
    let folders = path.iter().filter_map(|part| part.to_str());
    folders.filter_map(|part| part.strip_prefix("llvm-")).next_back().map(str::to_owned)
}

/// The newest `GCC_x.y.z` version node of the file. Releases 12, 13 and 14 each added one, so the
/// major version is right for them; a later release that adds none reads as the one before.
fn libgcc_version(path: &Path) -> Option<String> {
    use object::elf;
    use object::read::elf::ElfFile64;

    let bytes = std::fs::read(path).ok()?;
    let file = ElfFile64::<object::Endianness>::parse(&*bytes).ok()?;
    let endian = file.endian();
    let sections = file.elf_section_table();
    let (mut definitions, strings) = sections.gnu_verdef(endian, &*bytes).ok()??;
    let strings = sections.strings(endian, &*bytes, strings).ok()?;
    let mut newest: Option<(Vec<u64>, String)> = None;
    while let Ok(Some((definition, mut names))) = definitions.next() {
        if definition.vd_flags.get(endian) & elf::VER_FLG_BASE != 0 {
            continue;
        }
        let Ok(Some(name)) = names.next() else { continue };
        let name = name.name(endian, strings).ok().and_then(|n| std::str::from_utf8(n).ok());
        let Some(version) = name.and_then(|name| name.strip_prefix("GCC_")) else { continue };
        let parts: Option<Vec<u64>> = version.split('.').map(|part| part.parse().ok()).collect();
        if let Some(parts) = parts
            && newest.as_ref().is_none_or(|(known, _)| parts > *known)
        {
            newest = Some((parts, version.to_owned()));
        }
    }
    newest.map(|(_, version)| version)
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod platform {
    use std::ffi::{CStr, c_void};

    /// Whether LLVM's libunwind is in the process: the symbol by which Wasmtime tells it, too
    /// (wasmtime 48, `runtime/vm/sys/unix/unwind.rs`).
    pub fn is_llvm() -> bool {
        next(c"__unw_add_dynamic_fde").is_some()
    }

    fn next(name: &CStr) -> Option<*mut c_void> {
        // SAFETY: the name is NUL-terminated.
        let found = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
        (!found.is_null()).then_some(found)
    }

    type RegisterInfo = unsafe extern "C" fn(*const c_void, *mut c_void);
    type DeregisterInfo = unsafe extern "C" fn(*const c_void) -> *mut c_void;

    /// Room for libgcc's `struct object`, which has been 6 to 8 words since GCC 3.
    type Object = [usize; 32];

    /// Whether libgcc links registered objects into a list (releases up to 12) instead of a tree
    /// (GCC 13, `unwind-dw2-btree.h`): in a list the second object holds the address of the first.
    /// `None` without libgcc's functions.
    pub fn keeps_a_list() -> Option<bool> {
        let register = next(c"__register_frame_info")?;
        let deregister = next(c"__deregister_frame_info")?;
        // SAFETY: libgcc's unwind-dw2-fde.c declares the names with these signatures.
        let register = unsafe { std::mem::transmute::<*mut c_void, RegisterInfo>(register) };
        // SAFETY: as above.
        let deregister = unsafe { std::mem::transmute::<*mut c_void, DeregisterInfo>(deregister) };
        static CODE: [u8; 64] = [0; 64];
        let first_table = frame_table(CODE.as_ptr() as usize, 32);
        let second_table = frame_table(CODE.as_ptr() as usize + 32, 32);
        let mut first: Object = [0; 32];
        let mut second: Object = [0; 32];
        let first_object = (&raw mut first).cast::<c_void>();
        let second_object = (&raw mut second).cast::<c_void>();
        // SAFETY: each table is a well-formed `.eh_frame` that ends with a zero length, each object
        // is larger than libgcc's, both outlive their registration, and no unwind happens between.
        unsafe {
            register(first_table.as_ptr().cast(), first_object);
            register(second_table.as_ptr().cast(), second_object);
        }
        // SAFETY: `second` is live; libgcc wrote to it through the pointer just given away.
        let words = unsafe { second_object.cast::<Object>().read() };
        // SAFETY: both tables were registered above and are taken back once.
        unsafe {
            deregister(second_table.as_ptr().cast());
            deregister(first_table.as_ptr().cast());
        }
        Some(words.contains(&(first_object as usize)))
    }

    /// One CIE and one FDE over `begin..begin + size`, with absolute addresses (DWARF 5, section
    /// 6.4.1, in the `.eh_frame` form of the Linux Standard Base, section 10.6).
    fn frame_table(begin: usize, size: usize) -> Vec<u64> {
        const { assert!(size_of::<usize>() == 8, "the layout is for 64-bit addresses") };
        let mut bytes: Vec<u8> = Vec::with_capacity(64);
        bytes.extend(12u32.to_ne_bytes()); // length of the CIE behind this field
        bytes.extend(0u32.to_ne_bytes()); // it is a CIE
        bytes.extend([1, 0, 1, 0x78, 16, 0, 0, 0]); // version, no augmentation, factors, return column
        bytes.extend(20u32.to_ne_bytes()); // length of the FDE behind this field
        bytes.extend(20u32.to_ne_bytes()); // from this field back to the CIE
        bytes.extend(begin.to_ne_bytes());
        bytes.extend(size.to_ne_bytes());
        bytes.extend(0u32.to_ne_bytes()); // the end of the table
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        let words = bytes.chunks_exact(8);
        words.map(|word| u64::from_ne_bytes(word.try_into().expect("chunks of eight"))).collect()
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod platform {
    /// Not known on this platform.
    pub fn is_llvm() -> bool {
        false
    }

    /// Not known on this platform.
    pub fn keeps_a_list() -> Option<bool> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_a_known_unwinder() {
        let unwinder = detect();
        if cfg!(all(target_os = "linux", target_env = "gnu")) {
            assert!(["libgcc-list", "libgcc-tree", "llvm"].contains(&unwinder.family));
            assert!(Path::new(&unwinder.path).is_absolute(), "{unwinder:?}");
        }
        // Asking twice finds the same: nothing stayed registered.
        assert_eq!(detect(), unwinder);
        let backtrace = std::backtrace::Backtrace::force_capture().to_string();
        assert!(!backtrace.is_empty(), "unwinding goes on working");
    }

    #[test]
    fn llvm_is_versioned_by_its_folder() {
        let path = Path::new("/usr/lib/llvm-14/lib/libunwind.so.1.0");
        assert_eq!(llvm_version(path).as_deref(), Some("14"));
        assert_eq!(llvm_version(Path::new("/usr/lib/libunwind.so.1")), None);
    }
}
