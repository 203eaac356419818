//! Which unwinder this process really has, found from the inside.
//!
//! It decides what unwind tables cost: how long loading, unloading and every native unwind take once
//! thousands of modules have registered theirs.
//!
//! What the program was linked with says little: a preloaded library takes over. So the active
//! `__register_frame` is asked for its file, LLVM's libunwind is known by a symbol only it has, and
//! libgcc's bookkeeping (a list up to release 12, a tree from 13) is told by what a registration
//! does to the object it is given.
#![allow(unsafe_code)]

use std::fmt;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

/// The active unwinder. Unknown parts are the text `unknown` with the reason behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwinder {
    /// How it keeps what is registered.
    pub family: Family,
    /// Its version, as far as the file tells.
    pub version: String,
    /// The file it was loaded from.
    pub path: String,
}

/// How an unwinder keeps registered unwind tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// libgcc up to release 12: linked lists, walked by every unwind and by most deregistrations.
    LibgccList,
    /// libgcc from release 13: a tree (GCC 13, `unwind-dw2-btree.h`).
    LibgccTree,
    /// LLVM's libunwind: an array of FDEs, walked by every deregistration (LLVM 19,
    /// `UnwindCursor.hpp`, `DwarfFDECache::removeAllIn`).
    Llvm,
    /// Another, or one that this platform does not let us ask.
    Other,
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Family::LibgccList => "libgcc-list",
            Family::LibgccTree => "libgcc-tree",
            Family::Llvm => "llvm",
            Family::Other => "other",
        })
    }
}

/// The file of the active unwinder, as [`detect`] has it. Changes nothing in the process.
pub fn active_path() -> String {
    match platform::path() {
        Some(path) => std::fs::canonicalize(&path).unwrap_or(path).display().to_string(),
        None => UNKNOWN.to_owned(),
    }
}

const UNKNOWN: &str = "unknown (registrations cannot be followed on this platform)";

/// Finds the active unwinder.
///
/// The first call in a process registers two tables and takes them back, so a process that asks is no longer fresh: from the
/// first registration on, every unwind under libgcc's lists takes one global mutex (GCC 12,
/// `unwind-dw2-fde.c`, `any_objects_registered`). The loader asks no sooner than it is about to
/// load an artifact that registers tables anyway.
pub fn detect() -> Unwinder {
    let Some(path) = platform::path() else {
        let (version, path) = (UNKNOWN.to_owned(), UNKNOWN.to_owned());
        return Unwinder { family: family(), version, path };
    };
    let real = std::fs::canonicalize(&path).unwrap_or(path);
    let family = family();
    let version = if family == Family::Llvm { llvm_version(&real) } else { libgcc_version(&real) };
    let version = version.unwrap_or_else(|| "unknown (the file does not tell)".to_owned());
    Unwinder { family, version, path: real.display().to_string() }
}

/// The family alone: no file is read. What [`detect`] says about the process holds here as well.
///
/// It is found once for each process, and other threads wait meanwhile: two probes at a time end the
/// process under libgcc 13.1 and 13.2, whose tree refuses a second object for the same code and then
/// misses it (GCC 13, `unwind-dw2-fde.c`, `__deregister_frame_info_bases`).
pub(crate) fn family() -> Family {
    static FOUND: OnceLock<Family> = OnceLock::new();
    *FOUND.get_or_init(find_family)
}

/// Whether libgcc's list of objects that no unwind has sorted yet is empty. It is so from an unwind
/// until the next registration. `None` where there is no such list.
pub(crate) fn all_are_sorted() -> Option<bool> {
    static PROBING: Mutex<()> = Mutex::new(());
    if family() != Family::LibgccList {
        return None;
    }
    // Another's probe would be found in the list.
    let _alone = PROBING.lock().unwrap_or_else(PoisonError::into_inner);
    platform::all_are_sorted()
}

fn find_family() -> Family {
    if platform::is_llvm() {
        return Family::Llvm;
    }
    match platform::keeps_a_list() {
        Some(true) => Family::LibgccList,
        Some(false) => Family::LibgccTree,
        None => Family::Other,
    }
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

// The table that a probe registers is laid out for 64-bit addresses.
#[cfg(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))]
mod platform {
    use std::ffi::c_void;
    use std::path::PathBuf;

    use crate::symbol::{active, behind_ours};

    /// The file of the unwinder that registrations reach. A program that defines
    /// `__register_frame` itself, to count calls, passes them on to the definition behind its own;
    /// one that an unwinder was linked into has none behind it.
    pub fn path() -> Option<PathBuf> {
        let name = c"__register_frame";
        let address = behind_ours(name).or_else(|| active(name))?.addr();
        let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
        maps.lines().find_map(|line| file_at(line, address))
    }

    /// The file that a line of `/proc/self/maps` names, if it maps `address`:
    /// `begin-end permissions offset device inode path`.
    fn file_at(line: &str, address: usize) -> Option<PathBuf> {
        let (range, rest) = line.split_once(' ')?;
        let (begin, end) = range.split_once('-')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        let is_here = (number(begin)?..number(end)?).contains(&address);
        let path = rest.find('/').filter(|_| is_here).map(|at| &rest[at..])?;
        Some(PathBuf::from(path))
    }

    /// Whether LLVM's libunwind is in the process: the symbol by which Wasmtime tells it, too
    /// (wasmtime 48, `runtime/vm/sys/unix/unwind.rs`).
    pub fn is_llvm() -> bool {
        active(c"__unw_add_dynamic_fde").is_some()
    }

    type RegisterInfo = unsafe extern "C" fn(*const c_void, *mut c_void);
    type DeregisterInfo = unsafe extern "C" fn(*const c_void) -> *mut c_void;

    /// Room for libgcc's `struct object`, which has been 6 to 8 words since GCC 3.
    type Object = [usize; 32];

    /// How often the probe is repeated where it sees no list: another thread's registration or
    /// unwind between its two calls can hide one, and cannot make one up.
    const TRIES: usize = 4;

    /// Whether libgcc links registered objects into a list (releases up to 12) instead of a tree
    /// (GCC 13, `unwind-dw2-btree.h`): in a list the second object holds the address of the first.
    /// `None` without libgcc's functions.
    pub fn keeps_a_list() -> Option<bool> {
        #[cfg(test)]
        super::tests::N_PROBES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let probe = Probe::find()?;
        Some((0..TRIES).any(|_| probe.objects_before().is_some()))
    }

    /// As the function of that name above, which makes sure that one thread at a time asks.
    pub fn all_are_sorted() -> Option<bool> {
        let probe = Probe::find()?;
        let is_any_before = (0..TRIES).find_map(|_| probe.objects_before())?;
        Some(!is_any_before)
    }

    /// libgcc's functions that take the memory of the object they register.
    struct Probe {
        register: *mut c_void,
        deregister: *mut c_void,
    }

    impl Probe {
        fn find() -> Option<Probe> {
            let register = active(c"__register_frame_info")?;
            let deregister = active(c"__deregister_frame_info")?;
            Some(Probe { register, deregister })
        }

        /// Registers two objects for a moment. Where the second holds the address of the first, that
        /// word is the link of a list, and the same word of the first says whether any object was
        /// in the list before. `None` where there is no link.
        fn objects_before(&self) -> Option<bool> {
            /// Addresses that nothing executes.
            static CODE: [u8; 64] = [0; 64];
            let first_table = frame_table(CODE.as_ptr() as usize, 32);
            let second_table = frame_table(CODE.as_ptr() as usize + 32, 32);
            let (mut first, mut second): (Object, Object) = ([0; 32], [0; 32]);
            let first_object = (&raw mut first).cast::<c_void>();
            let second_object = (&raw mut second).cast::<c_void>();
            // SAFETY: libgcc's unwind-dw2-fde.c declares the names with these signatures. Each table
            // is a well-formed `.eh_frame` that ends with a zero length, each object is larger than
            // libgcc's, and all four outlive their registration. libgcc writes to the objects through
            // these pointers, also when another thread unwinds, hence the volatile reads: whatever
            // the words are, they are only compared. Both tables are taken back once.
            let (before, after) = unsafe {
                let register = std::mem::transmute::<*mut c_void, RegisterInfo>(self.register);
                let deregister =
                    std::mem::transmute::<*mut c_void, DeregisterInfo>(self.deregister);
                register(first_table.as_ptr().cast(), first_object);
                register(second_table.as_ptr().cast(), second_object);
                let before = first_object.cast::<Object>().read_volatile();
                let after = second_object.cast::<Object>().read_volatile();
                deregister(second_table.as_ptr().cast());
                deregister(first_table.as_ptr().cast());
                (before, after)
            };
            let link = after.iter().position(|word| *word == first_object as usize)?;
            Some(before[link] != 0)
        }
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

#[cfg(not(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64")))]
mod platform {
    use std::path::PathBuf;

    /// Not known on this platform.
    pub fn path() -> Option<PathBuf> {
        None
    }

    /// Not known on this platform.
    pub fn is_llvm() -> bool {
        // On macOS it is always LLVM's (wasmtime 48, `runtime/vm/sys/unix/unwind.rs`).
        cfg!(target_vendor = "apple")
    }

    /// Not known on this platform.
    pub fn keeps_a_list() -> Option<bool> {
        None
    }

    /// Not known on this platform.
    pub fn all_are_sorted() -> Option<bool> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Times that the process's unwinder was asked how it keeps what is registered.
    pub(super) static N_PROBES: AtomicUsize = AtomicUsize::new(0);

    /// Two probes at the same time end the process under libgcc 13.1.
    #[test]
    fn however_many_ask_the_unwinder_is_probed_once() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        detect();
                        all_are_sorted();
                    }
                });
            }
        });
        let is_probed =
            cfg!(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64"))
                && !platform::is_llvm();
        assert_eq!(N_PROBES.load(Ordering::Relaxed), usize::from(is_probed));
    }

    #[test]
    fn this_process_has_a_known_unwinder() {
        let unwinder = detect();
        if cfg!(all(target_os = "linux", target_env = "gnu", target_pointer_width = "64")) {
            assert_ne!(unwinder.family, Family::Other);
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
