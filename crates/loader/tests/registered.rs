//! Loading from a pack when the unwinder has tables of the loaded code. Wasmtime never registers such tables.
//!
//! This program defines the function that the loader calls to ask the unwinder, and forwards the calls. So the
//! file has one test only.
#![cfg(all(
    target_os = "linux",
    target_env = "gnu",
    target_pointer_width = "64",
    feature = "compile"
))]
#![allow(clippy::unwrap_used, unsafe_code)]

#[path = "common/mod.rs"]
mod common;

use std::ffi::c_void;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use common::{artifacts, check};
use loadline_loader::pack::{self, Pack, PackOptions};
use loadline_loader::wasmtime::{Config, Engine};
use loadline_loader::{LoadObserver, LoadRecord, Loader, LoaderOptions, Origin, UnwindPolicy};

/// Whether the unwinder is to know tables of all code.
static KNOWS_ALL: AtomicBool = AtomicBool::new(false);
static N_ASKED: AtomicUsize = AtomicUsize::new(0);

type FindFde = unsafe extern "C" fn(*const c_void, *mut [usize; 3]) -> *const c_void;

#[unsafe(no_mangle)]
unsafe extern "C" fn _Unwind_Find_FDE(
    code: *const c_void,
    bases: *mut [usize; 3],
) -> *const c_void {
    N_ASKED.fetch_add(1, Ordering::Relaxed);
    if KNOWS_ALL.load(Ordering::Relaxed) {
        return code;
    }
    // SAFETY: looks up a symbol. The unwinder's own definition comes after this one, and has this type.
    unsafe {
        let next = libc::dlsym(libc::RTLD_NEXT, c"_Unwind_Find_FDE".as_ptr());
        std::mem::transmute::<*mut c_void, FindFde>(next)(code, bases)
    }
}

#[derive(Default)]
struct Origins(Mutex<Vec<Origin>>);

impl LoadObserver for Origins {
    fn loaded(&self, record: &LoadRecord<'_>) {
        self.0.lock().unwrap().push(record.origin);
    }
}

/// Loads all modules of a pack, one after the other, and returns where they were loaded from.
fn origins(path: &Path, names: &[&str]) -> Vec<Origin> {
    let mut config = Config::new();
    pack::configure(&mut config);
    let engine = Engine::new(&config).unwrap();
    let pack = Pack::open(path, PackOptions::new()).unwrap();
    let origins = Arc::new(Origins::default());
    let loader = Loader::new(&engine, LoaderOptions::new().observer(origins.clone()));
    for (index, name) in names.iter().enumerate() {
        check(&engine, &loader.load_packed(&pack, name).unwrap(), index);
    }
    loader.flush();
    assert_eq!(pack.n_live(), 0);
    pack.close().unwrap();
    let origins = origins.0.lock().unwrap();
    origins.clone()
}

#[test]
fn code_with_registered_tables_is_not_used_in_place() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("some.pack");
    let mut artifacts = artifacts(3);
    // The pack cannot know the tables of this artifact.
    artifacts[2].apply(UnwindPolicy::Strip).unwrap();
    let names = ["0", "1", "2"];
    Pack::build(&path, None, names.into_iter().zip(&artifacts)).unwrap();

    KNOWS_ALL.store(true, Ordering::Relaxed);
    assert_eq!(origins(&path, &names[..2]), [Origin::PackCopy; 2]);
    KNOWS_ALL.store(false, Ordering::Relaxed);
    assert_eq!(N_ASKED.load(Ordering::Relaxed), 1);
    // The answer is for the process. Images without known tables have an answer of their own.
    assert_eq!(origins(&path, &names), [Origin::PackCopy, Origin::PackCopy, Origin::Pack]);
    assert_eq!(origins(&path, &names), [Origin::PackCopy, Origin::PackCopy, Origin::Pack]);
    assert_eq!(N_ASKED.load(Ordering::Relaxed), 2);
}
