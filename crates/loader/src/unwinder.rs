//! Detects which unwinder this process uses.
//!
//! The unwinder decides the cost of unwind tables: how long loading, unloading and every native unwind take
//! when thousands of modules have registered their tables.
//!
//! The libraries that the program was linked with do not decide this, because a preloaded library takes
//! precedence. So this module looks up the file that defines the active `__register_frame`. It recognises
//! LLVM's libunwind by a symbol that only LLVM's libunwind has. It recognises libgcc's bookkeeping (a list up
//! to release 12, a tree from 13) by the words that a registration writes into its object.
#![allow(unsafe_code)]

use std::fmt;
use std::path::Path;
use std::sync::OnceLock;

use crate::locks::Mutex;

/// The active unwinder. The text of an unknown part is `unknown`, followed by the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unwinder {
    /// How the unwinder keeps registered tables.
    pub family: Family,
    /// The version, as far as the file shows it.
    pub version: String,
    /// The file that the unwinder was loaded from.
    pub path: String,
}

/// How an unwinder keeps registered unwind tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// libgcc up to release 12: linked lists. Every unwind and most deregistrations walk them.
    LibgccList,
    /// libgcc from release 13: a tree (GCC 13, `unwind-dw2-btree.h`).
    LibgccTree,
    /// LLVM's libunwind: an array of FDEs. Every deregistration walks it (LLVM 19, `UnwindCursor.hpp`,
    /// `DwarfFDECache::removeAllIn`).
    Llvm,
    /// Another unwinder, or a platform on which this crate cannot detect it.
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

/// Returns the file of the active unwinder, the same as [`detect`]. This function changes nothing in the
/// process.
pub fn active_path() -> String {
    match platform::path() {
        Some(path) => std::fs::canonicalize(&path).unwrap_or(path).display().to_string(),
        None => UNKNOWN.to_owned(),
    }
}

const UNKNOWN: &str = "unknown (registrations cannot be followed on this platform)";

/// Finds the active unwinder.
///
/// The first call in a process registers two tables and deregisters them, so it leaves a trace. From the
/// first registration on, every unwind under libgcc's lists takes one global mutex (GCC 12,
/// `unwind-dw2-fde.c`, `any_objects_registered`). The loader calls this function only when it is about to
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

/// Returns the family only, without reading a file. The effect on the process is the same as that of
/// [`detect`].
///
/// The family is detected once per process, and other threads wait meanwhile. Two probes at a time would end
/// the process under libgcc 13.1 and 13.2. Their tree refuses a second object for the same code and then does
/// not find it (GCC 13, `unwind-dw2-fde.c`, `__deregister_frame_info_bases`).
pub(crate) fn family() -> Family {
    static FOUND: OnceLock<Family> = OnceLock::new();
    *FOUND.get_or_init(find_family)
}

/// Returns whether libgcc's list of objects that no unwind has sorted yet is empty. The list is empty from an
/// unwind until the next registration. Returns `None` if there is no such list.
pub(crate) fn all_are_sorted() -> Option<bool> {
    static PROBING: Mutex<()> = Mutex::new(());
    if family() != Family::LibgccList {
        return None;
    }
    // A concurrent probe would be in the list.
    let _alone = PROBING.lock();
    platform::all_are_sorted()
}

/// Returns whether tables that cover a code address are registered with the unwinder. Returns `None` if the
/// unwinder of this process cannot be asked.
///
/// The answer may take as long as a native unwind, and sorts tables as an unwind does. One thread at a time may
/// call this function. No other thread may be executing code at that address.
#[cfg_attr(not(unix), expect(dead_code, reason = "packs are for Unix"))]
pub(crate) fn is_registered(code: usize) -> Option<bool> {
    // The unwinder may also ask this crate about code in packs.
    #[cfg(feature = "native-unwind")]
    return crate::native_unwind::without_answer(code, || platform::is_registered(code));
    #[cfg(not(feature = "native-unwind"))]
    platform::is_registered(code)
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

/// Returns the version from the path. Distributions keep each LLVM release in its own folder, such as
/// `/usr/lib/llvm-19/lib`.
fn llvm_version(path: &Path) -> Option<String> {
    let folders = path.iter().filter_map(|part| part.to_str());
    folders.filter_map(|part| part.strip_prefix("llvm-")).next_back().map(str::to_owned)
}

/// Returns the newest `GCC_x.y.z` version node of the file. Releases 12, 13 and 14 each added one, so the
/// major version is right for them. A later release without a new node is reported as the release before it.
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

    /// Returns the file of the unwinder that registrations reach. A program that defines `__register_frame`
    /// itself, to count calls, forwards to the definition after its own. A program with a statically linked
    /// unwinder has no definition after its own.
    pub fn path() -> Option<PathBuf> {
        let name = c"__register_frame";
        let address = behind_ours(name).or_else(|| active(name))?.addr();
        let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
        maps.lines().find_map(|line| file_at(line, address))
    }

    /// Returns the file that a line of `/proc/self/maps` names, if the line maps `address`. The format is
    /// `begin-end permissions offset device inode path`.
    fn file_at(line: &str, address: usize) -> Option<PathBuf> {
        let (range, rest) = line.split_once(' ')?;
        let (begin, end) = range.split_once('-')?;
        let number = |text| usize::from_str_radix(text, 16).ok();
        let is_here = (number(begin)?..number(end)?).contains(&address);
        let path = rest.find('/').filter(|_| is_here).map(|at| &rest[at..])?;
        Some(PathBuf::from(path))
    }

    /// Returns whether LLVM's libunwind is in the process. Wasmtime recognises it by the same symbol
    /// (wasmtime 48, `runtime/vm/sys/unix/unwind.rs`).
    pub fn is_llvm() -> bool {
        active(c"__unw_add_dynamic_fde").is_some()
    }

    /// Asks as an unwind does. The unwinder looks at registered tables and at those of loaded libraries, and
    /// no library contains the code of a module.
    pub fn is_registered(code: usize) -> Option<bool> {
        type FindFde = unsafe extern "C" fn(*const c_void, *mut [usize; 3]) -> *const c_void;
        let find = active(c"_Unwind_Find_FDE")?;
        let mut bases = [0; 3];
        // SAFETY: libgcc's unwind-dw2-fde.h and LLVM's Unwind-level1-gcc-ext.c declare the name with this
        // signature. It accepts any address, and writes three addresses to the memory that the caller
        // provides.
        let tables = unsafe {
            let find = std::mem::transmute::<*mut c_void, FindFde>(find);
            find(code as *const c_void, &raw mut bases)
        };
        Some(!tables.is_null())
    }

    type RegisterInfo = unsafe extern "C" fn(*const c_void, *mut c_void);
    type DeregisterInfo = unsafe extern "C" fn(*const c_void) -> *mut c_void;

    /// Memory for libgcc's `struct object`, which has had 6 to 8 words since GCC 3.
    type Object = [usize; 32];

    /// How often the probe is repeated if it sees no list. A registration or an unwind of another thread
    /// between the two calls can hide a list, but cannot fake one.
    const TRIES: usize = 4;

    /// Returns whether libgcc links registered objects into a list (releases up to 12) instead of a tree (GCC
    /// 13, `unwind-dw2-btree.h`). In a list, the second object holds the address of the first. Returns `None`
    /// without libgcc's functions.
    pub fn keeps_a_list() -> Option<bool> {
        #[cfg(test)]
        super::tests::N_PROBES.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let probe = Probe::find()?;
        Some((0..TRIES).any(|_| probe.objects_before().is_some()))
    }

    /// Does the work of the outer function of the same name, which makes sure that one thread at a time calls
    /// it.
    pub fn all_are_sorted() -> Option<bool> {
        let probe = Probe::find()?;
        let is_any_before = (0..TRIES).find_map(|_| probe.objects_before())?;
        Some(!is_any_before)
    }

    /// The functions of libgcc that register and deregister an object in the caller's memory.
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

        /// Registers two objects for a moment. If the second object holds the address of the first, that word
        /// is the link of a list. The same word of the first object then shows whether an object was in the
        /// list before. Returns `None` if there is no link.
        fn objects_before(&self) -> Option<bool> {
            /// Addresses that are never executed.
            static CODE: [u8; 64] = [0; 64];
            let first_table = frame_table(CODE.as_ptr() as usize, 32);
            let second_table = frame_table(CODE.as_ptr() as usize + 32, 32);
            let (mut first, mut second): (Object, Object) = ([0; 32], [0; 32]);
            let first_object = (&raw mut first).cast::<c_void>();
            let second_object = (&raw mut second).cast::<c_void>();
            // SAFETY: libgcc's unwind-dw2-fde.c declares the names with these signatures. Each table is a
            // well-formed `.eh_frame` that ends with a zero length. Each object is larger than libgcc's, and
            // all four outlive their registration. libgcc writes to the objects through these pointers, also
            // when another thread unwinds, hence the volatile reads. The words may have any value, because
            // they are only compared. Both tables are deregistered once.
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

    /// Returns one CIE and one FDE over `begin..begin + size`, with absolute addresses (DWARF 5, section
    /// 6.4.1, in the `.eh_frame` form of the Linux Standard Base, section 10.6).
    fn frame_table(begin: usize, size: usize) -> Vec<u64> {
        const { assert!(size_of::<usize>() == 8, "the layout is for 64-bit addresses") };
        let mut bytes: Vec<u8> = Vec::with_capacity(64);
        bytes.extend(12u32.to_ne_bytes()); // length of the CIE after this field
        bytes.extend(0u32.to_ne_bytes()); // marks a CIE
        bytes.extend([1, 0, 1, 0x78, 16, 0, 0, 0]); // version, no augmentation, factors, return column
        bytes.extend(20u32.to_ne_bytes()); // length of the FDE after this field
        bytes.extend(20u32.to_ne_bytes()); // distance from this field back to the CIE
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

    /// Returns `None`, because the file is unknown on this platform.
    pub fn path() -> Option<PathBuf> {
        None
    }

    /// Returns `None`, because this is unknown on this platform.
    pub fn is_registered(_: usize) -> Option<bool> {
        None
    }

    pub fn is_llvm() -> bool {
        // On macOS the unwinder is always LLVM's (wasmtime 48, `runtime/vm/sys/unix/unwind.rs`).
        cfg!(target_vendor = "apple")
    }

    /// Returns `None`, because this is unknown on this platform.
    pub fn keeps_a_list() -> Option<bool> {
        None
    }

    /// Returns `None`, because this is unknown on this platform.
    pub fn all_are_sorted() -> Option<bool> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// How often the unwinder of the process was probed.
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
        // A second call finds the same unwinder, so the first call left nothing registered.
        assert_eq!(detect(), unwinder);
        let backtrace = std::backtrace::Backtrace::force_capture().to_string();
        assert!(!backtrace.is_empty(), "unwinding goes on working");
    }

    #[cfg(all(feature = "compile", target_os = "linux", target_env = "gnu"))]
    #[test]
    fn kept_tables_are_registered_and_stripped_ones_are_not() {
        use crate::artifact::policy::UnwindPolicy;
        use crate::artifact::{Loaded, compile};

        let engine = wasmtime::Engine::default();
        let mut artifact =
            compile::bytes(&engine, b"(module (func (export \"f\")))").expect("it is valid");
        let is_registered = |loaded: &Loaded| {
            let code = loaded.module().expect("it is a module").text();
            is_registered(code.as_ptr().addr())
        };
        let kept = artifact.load(&engine).expect("this engine has compiled it");
        assert_eq!(is_registered(&kept), Some(true));
        artifact.apply(UnwindPolicy::Strip).expect("it has tables");
        let stripped = artifact.load(&engine).expect("this engine has compiled it");
        assert_eq!(is_registered(&stripped), Some(false));
    }

    #[test]
    fn llvm_is_versioned_by_its_folder() {
        let path = Path::new("/usr/lib/llvm-14/lib/libunwind.so.1.0");
        assert_eq!(llvm_version(path).as_deref(), Some("14"));
        assert_eq!(llvm_version(Path::new("/usr/lib/libunwind.so.1")), None);
    }
}
