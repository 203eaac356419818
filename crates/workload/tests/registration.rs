//! Counts what Wasmtime registers with the unwinder for artifacts with kept and with stripped tables.
//!
//! This program defines the two functions that Wasmtime calls for this, and forwards the calls.
#![cfg(all(target_os = "linux", target_env = "gnu", not(target_arch = "arm")))]
#![allow(clippy::unwrap_used, unsafe_code)]

mod common;

use std::ffi::{CStr, c_char, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};

use common::{Folder, artifacts, loading_engine, small};
use loadline_scenario::{LoadFrom, LoadOrder, Tables, UnloadOrder};
use loadline_workload::corpus::unwind_policy;
use loadline_workload::loader::Artifact;
use loadline_workload::{Options, drive, generate};

static REGISTERED: AtomicUsize = AtomicUsize::new(0);
static DEREGISTERED: AtomicUsize = AtomicUsize::new(0);

type Register = unsafe extern "C" fn(*const u8);

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, symbol: *const c_char) -> *mut c_void;
}

fn next(symbol: &CStr) -> Register {
    /// `RTLD_NEXT` (dlfcn.h): the definition after this program's own.
    const NEXT: *mut c_void = -1isize as *mut c_void;
    // SAFETY: both arguments are as dlsym(3) asks.
    let found = unsafe { dlsym(NEXT, symbol.as_ptr()) };
    assert!(!found.is_null(), "no unwinder defines {symbol:?}");
    // SAFETY: all unwinders give the two symbols asked for this type.
    unsafe { std::mem::transmute::<*mut c_void, Register>(found) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __register_frame(frames: *const u8) {
    REGISTERED.fetch_add(1, Ordering::Relaxed);
    // SAFETY: called as this function was.
    unsafe { next(c"__register_frame")(frames) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn __deregister_frame(frames: *const u8) {
    DEREGISTERED.fetch_add(1, Ordering::Relaxed);
    // SAFETY: called as this function was.
    unsafe { next(c"__deregister_frame")(frames) }
}

/// Counts the calls to register and deregister while `work` runs. The file has one test only, so no other
/// test counts.
fn counted(work: impl FnOnce()) -> (usize, usize) {
    let now = || (REGISTERED.load(Ordering::Relaxed), DEREGISTERED.load(Ordering::Relaxed));
    let before = now();
    work();
    let after = now();
    (after.0 - before.0, after.1 - before.1)
}

#[test]
fn a_kept_artifact_registers_and_a_stripped_one_does_not() {
    let engine = loading_engine();
    let mut artifact = artifacts(&small(), 1).remove(0);
    let call = generate::call(&small(), 0);
    let run = |artifact: &Artifact| {
        call.check(&engine, &artifact.load(&engine).unwrap()).unwrap();
    };
    let (registered, deregistered) = counted(|| run(&artifact));
    // Wasmtime calls libgcc once, and LLVM's libunwind once per FDE.
    let fdes = artifact.contents().fdes;
    assert!([1, fdes].contains(&registered), "{registered} registrations, {fdes} FDEs");
    assert_eq!(deregistered, registered);
    artifact.apply(unwind_policy(Tables::Strip)).unwrap();
    assert_eq!(counted(|| run(&artifact)), (0, 0));

    let schedule = LoadOrder::hold_all(UnloadOrder::NewestFirst).schedule(4, 7);
    for (stored, tables, load_from, is_registered) in [
        (Tables::Keep, Tables::Keep, LoadFrom::Bytes, true),
        (Tables::Keep, Tables::Keep, LoadFrom::File, true),
        (Tables::Keep, Tables::Strip, LoadFrom::Bytes, false),
        (Tables::Strip, Tables::Strip, LoadFrom::Bytes, false),
        (Tables::Strip, Tables::Strip, LoadFrom::File, false),
    ] {
        let folder = Folder::generated(4, stored);
        let options = Options { load_from, tables, ..Options::default() };
        let counts = counted(|| {
            drive(&engine, &folder.files, &schedule, &options, |_| ()).unwrap();
        });
        let expected = if is_registered { 4 * registered } else { 0 };
        assert_eq!(counts, (expected, expected), "{stored:?} {tables:?} {load_from:?}");
    }
}
