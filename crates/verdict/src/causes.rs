//! The known causes of growing functions: the mechanism, a remedy, and a reference.

/// A known cause of growth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// The mechanism of the growth.
    pub cause: &'static str,
    /// How to avoid the growth.
    pub remedy: &'static str,
    /// Where the cause is described.
    pub reference: &'static str,
}

/// A known cause, found by the growing function's name or by a caller on its call path.
struct Entry {
    /// Parts of function names. One matching part is enough.
    functions: &'static [&'static str],
    /// Whether a caller on the path may match too, or only the growing function itself.
    may_be_above: bool,
    known: Known,
}

const STRIP: &str = "load artifacts without unwind tables: compile them with Config::native_unwind_info(false), or strip them with UnwindPolicy::Strip of loadline-loader; the setting of the engine that loads them has no effect";

const ENTRIES: [Entry; 8] = [
    Entry {
        functions: &["__unw_remove_dynamic_fde", "DwarfFDECache", "__unw_add_dynamic_fde"],
        may_be_above: false,
        known: Known {
            cause: "LLVM's libunwind keeps all FDEs in one array and scans the whole of it for each that is deregistered",
            remedy: STRIP,
            reference: "https://github.com/bytecodealliance/wasmtime/issues/14304 and LLVM's libunwind/src/UnwindCursor.hpp (DwarfFDECache)",
        },
    },
    Entry {
        functions: &["__deregister_frame_info", "__deregister_frame"],
        may_be_above: false,
        known: Known {
            cause: "libgcc up to 12 keeps registered tables in a list and searches it from one end for each that is deregistered",
            remedy: STRIP,
            reference: "https://github.com/bytecodealliance/wasmtime/issues/10084 and libgcc's unwind-dw2-fde.c",
        },
    },
    Entry {
        functions: &[
            "_Unwind_Find_FDE",
            "search_object",
            "init_object",
            "frame_heapsort",
            "add_fdes",
        ],
        may_be_above: false,
        known: Known {
            cause: "libgcc up to 12 walks the list of registered tables for every frame it unwinds, and sorts those it has not seen",
            remedy: STRIP,
            reference: "https://github.com/bytecodealliance/wasmtime/issues/10084 and libgcc's unwind-dw2-fde.c",
        },
    },
    Entry {
        functions: &["type_registry"],
        may_be_above: true,
        known: Known {
            cause: "each module's table of trampolines is as long as the highest index of its types in the engine, and this index rises with every module that has types of its own",
            remedy: "share function types between modules, or spread modules over engines",
            reference: "Wasmtime 48, crates/wasmtime/src/runtime/type_registry.rs",
        },
    },
    Entry {
        functions: &["ModuleRegistry", "wasm_to_array_trampoline"],
        may_be_above: true,
        known: Known {
            cause: "a store looks through all its modules for the trampoline of a host function's type",
            remedy: "give each instance a store of its own, or give host functions types that every module has",
            reference: "Wasmtime 48, crates/wasmtime/src/runtime/module/registry.rs",
        },
    },
    Entry {
        functions: &["profiling", "perf_map", "PerfMap", "jitdump"],
        may_be_above: true,
        known: Known {
            cause: "a component of K core modules registers its whole image with the profiler K times",
            remedy: "profile in development only, or link components into fewer core modules",
            reference: "https://github.com/bytecodealliance/wasmtime/issues/9478",
        },
    },
    Entry {
        functions: &["__register_frame_info", "release_registered_frames", "btree_insert"],
        may_be_above: false,
        known: Known {
            cause: "the unwinder keeps registered tables sorted",
            remedy: STRIP,
            reference: "https://github.com/bytecodealliance/wasmtime/issues/10084",
        },
    },
    Entry {
        functions: &["mprotect", "munmap", "mmap"],
        may_be_above: false,
        known: Known {
            cause: "each module has mappings of its own, which the kernel keeps in a tree under one lock and limits by vm.max_map_count",
            remedy: "load many modules from one mapping (a pack), or raise vm.max_map_count",
            reference: "Linux, Documentation/admin-guide/sysctl/vm.rst (max_map_count)",
        },
    },
];

/// Finds the known cause of the function `function`, whose call path is `path`, from the root down.
pub fn find(function: &str, path: &[String]) -> Option<Known> {
    let names = |entry: &Entry, name: &str| entry.functions.iter().any(|part| name.contains(part));
    let itself = ENTRIES.iter().find(|entry| names(entry, function));
    let above = || {
        let by_path = |entry: &&Entry| path.iter().any(|caller| names(entry, caller));
        ENTRIES.iter().filter(|entry| entry.may_be_above).find(by_path)
    };
    itself.or_else(above).map(|entry| entry.known)
}

/// The name of all code of a file that has no name.
pub const UNNAMED: &str = "???";

/// Programs that run other programs, by the start of their file name or of their library's.
const INTERPRETERS: [&str; 14] = [
    "bash", "busybox", "dash", "java", "jvm", "lua", "luajit", "node", "perl", "php", "python",
    "ruby", "sh", "zsh",
];

/// Says what the name of a function in the file `object` does not show: the line of a program that an
/// interpreter runs, or anything at all if the file has no symbols.
pub fn hidden_by(object: &str, function: &str) -> Option<&'static str> {
    let name = object.strip_prefix("lib").unwrap_or(object);
    let name = name.split(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    if INTERPRETERS.contains(&name) {
        return Some(
            "the function belongs to an interpreter: it shows how the cost grows, but not which line of your program causes it; a profiler of the language finds the line (python3 -m cProfile, node --cpu-prof)",
        );
    }
    (function == UNNAMED).then_some(
        "this code has no name: its file was stripped of symbols, or a JIT compiler made it; build with symbols, or run without the JIT compiler, to see the name",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_an_interpreter_does_not_name_the_line() {
        let is_interpreter = |object: &str, function: &str| {
            hidden_by(object, function).is_some_and(|text| text.contains("interpreter"))
        };
        for object in ["python3.11", "libpython3.11.so.1.0", "node", "libruby-3.1.so.3.1", "dash"] {
            assert!(is_interpreter(object, "_PyEval_EvalFrameDefault"), "{object}");
        }
        for object in ["pythonic", "shell", "libshared.so", "host", "libc.so.6", ""] {
            assert_eq!(hidden_by(object, "find"), None, "{object}");
        }
        let unnamed = hidden_by("host", UNNAMED);
        assert!(unnamed.is_some_and(|text| text.contains("stripped")));
    }

    #[test]
    fn culprits_are_known_by_name_or_by_who_calls_them() {
        let cause = |function: &str, path: &[&str]| {
            let path: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
            find(function, &path).map(|known| known.cause)
        };
        let libgcc = cause("__deregister_frame_info_bases", &["main"]);
        assert!(libgcc.is_some_and(|cause| cause.contains("list")));
        let llvm = cause("__unw_remove_dynamic_fde", &["__deregister_frame"]);
        assert!(llvm.is_some_and(|cause| cause.contains("array")), "not libgcc, which is above it");
        let registry = ["wasmtime::runtime::type_registry::TypeCollection::new_for_module"];
        assert!(cause("memset", &registry).is_some_and(|cause| cause.contains("trampolines")));
        // Functions that a deregistration calls are not themselves a known cause.
        assert_eq!(cause("free", &["__deregister_frame"]), None);
        assert_eq!(cause("somebody::elses", &[]), None);
    }
}
