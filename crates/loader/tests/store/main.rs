//! Tests of the store: each module is compiled once, and damaged files never lead to a wrong result.
//!
//! Two tests have long versions (`at_any_load.rs`), which run only on request: `cargo test -p loadline-loader
//! --test store -- --ignored`.
#![cfg(all(unix, feature = "compile"))]
#![allow(clippy::unwrap_used, unsafe_code)]

mod at_any_load;
#[path = "../common/mod.rs"]
mod common;
mod damage;
mod entries;
mod processes;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, SystemTime};

use common::{call, change_version, check, engine, wasm};
use fastrand::Rng;
use loadline_loader::wasmtime::{Config, Engine, OptLevel};
use loadline_loader::{
    Artifact, ArtifactStore, Error, Key, LoadObserver, Loader, LoaderOptions, StoreKey,
    StoreOptions, UnwindPolicy, Warning,
};

struct Place {
    home: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place { home: tempfile::tempdir().unwrap() }
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("store")
    }

    fn open(&self, options: StoreOptions) -> ArtifactStore {
        ArtifactStore::open(self.folder(), options).unwrap()
    }

    fn entries(&self) -> Vec<PathBuf> {
        let mut paths = list(&self.folder().join("entries"));
        paths.sort();
        paths
    }
}

fn list(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

fn runs(engine: &Engine, store: &ArtifactStore, index: usize) {
    check(engine, &store.load(engine, &wasm(index)).unwrap(), index);
}

#[derive(Default)]
struct Warnings(Mutex<Vec<String>>);

impl LoadObserver for Warnings {
    fn warn(&self, warning: &Warning) {
        self.0.lock().unwrap().push(warning.to_string());
    }
}

#[test]
fn everything_is_compiled_once() {
    let place = Place::new();
    let engine = engine();
    let store = place.open(StoreOptions::new());
    let barrier = Barrier::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            // Each thread simulates a process, so it opens its own store.
            let (store, barrier, engine) = (place.open(StoreOptions::new()), &barrier, &engine);
            scope.spawn(move || {
                barrier.wait();
                (0..12).for_each(|index| runs(engine, &store, index));
            });
        }
    });
    assert_eq!(place.entries().len(), 12);
    (0..12).for_each(|index| runs(&engine, &store, index));
    let counts = store.counts();
    assert_eq!((counts.found, counts.compiled, counts.set_aside), (12, 0, 0));
    assert_eq!(list(&place.folder().join("temporary")), Vec::<PathBuf>::new());
    assert_eq!(store.verify().unwrap().sound, 12);
}

#[test]
fn an_artifact_depends_on_engine_and_policy() {
    let compiling = engine();
    let quick = Engine::new(Config::new().cranelift_opt_level(OptLevel::None)).unwrap();
    let keys = [&compiling, &quick].map(|engine| {
        [UnwindPolicy::Strip, UnwindPolicy::Keep]
            .map(|policy| StoreKey::of(engine, &wasm(0), policy))
    });
    let mut keys: Vec<StoreKey> = keys.into_iter().flatten().collect();
    keys.push(StoreKey::of(&compiling, &wasm(1), UnwindPolicy::Strip));
    let again = StoreKey::of(&engine(), &wasm(1), UnwindPolicy::Strip);
    assert_eq!(keys[4], again);
    assert_eq!(again.to_string().parse::<StoreKey>().unwrap(), again);
    again.to_string().to_uppercase().parse::<StoreKey>().unwrap_err();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), 5);

    let place = Place::new();
    let store = place.open(StoreOptions::new());
    assert!(!store.artifact(&compiling, &wasm(0)).unwrap().contents().has_tables);
    let kept = place.open(StoreOptions::new().policy(UnwindPolicy::Keep));
    assert!(kept.artifact(&compiling, &wasm(0)).unwrap().contents().has_tables);
    let absent = place.open(StoreOptions::new().policy(UnwindPolicy::RequireAbsent));
    let error = absent.artifact(&compiling, &wasm(0)).unwrap_err();
    assert!(matches!(error, Error::TablesPresent { .. }), "{error:?}");
    let error = store.artifact(&compiling, b"(module (func (result i32)))").unwrap_err();
    assert!(matches!(error, Error::Compile { .. }), "{error:?}");
    assert_eq!(place.entries().len(), 2);
}

#[test]
fn what_others_can_write_to_is_refused() {
    let place = Place::new();
    let engine = engine();
    let store = place.open(StoreOptions::new());
    runs(&engine, &store, 0);
    let refused = |options: StoreOptions| {
        let error = ArtifactStore::open(place.folder(), options).err().unwrap();
        assert!(matches!(error, Error::Exposed { .. }), "{error:?}");
    };
    for folder in [place.folder(), place.folder().join("entries")] {
        fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
        refused(StoreOptions::new());
        refused(StoreOptions::new().whoever_can_write());
        place.open(StoreOptions::new().key(Key::new([1; 32])).whoever_can_write());
        // SAFETY: no other process knows the folder.
        place.open(unsafe { StoreOptions::new().vouched() });
        fs::set_permissions(&folder, Permissions::from_mode(0o700)).unwrap();
    }
    let real = place.home.path().join("real");
    fs::rename(place.folder(), &real).unwrap();
    symlink(&real, place.folder()).unwrap();
    runs(&engine, &place.open(StoreOptions::new()), 0);
    fs::set_permissions(&real, Permissions::from_mode(0o777)).unwrap();
    refused(StoreOptions::new());
}

#[test]
fn a_key_recognises_its_own_entries_only() {
    let place = Place::new();
    let engine = engine();
    let warnings = Arc::new(Warnings::default());
    let keyed = |byte| StoreOptions::new().key(Key::new([byte; 32])).observer(warnings.clone());
    runs(&engine, &place.open(StoreOptions::new()), 0);
    for (options, compiled) in
        [(keyed(1), 1), (keyed(1), 0), (keyed(2), 1), (StoreOptions::new(), 1)]
    {
        let store = place.open(options);
        runs(&engine, &store, 0);
        assert_eq!(store.counts().compiled, compiled);
        assert_eq!(store.counts().set_aside, compiled);
    }
    let warnings = warnings.0.lock().unwrap();
    assert_eq!(warnings.len(), 2);
    assert!(warnings[0].contains("altered since it was compiled"), "{warnings:?}");
}

#[test]
fn entries_without_a_source_are_errors() {
    let place = Place::new();
    let engine = engine();
    let store = place.open(StoreOptions::new());
    let name = StoreKey::of(&engine, &wasm(0), UnwindPolicy::Strip);
    assert!(store.get(&name).unwrap().is_none());
    let artifact = store.artifact(&engine, &wasm(0)).unwrap();
    assert_eq!(store.get(&name).unwrap().unwrap().bytes(), artifact.bytes());
    let path = &place.entries()[0];
    fs::write(path, b"nothing").unwrap();
    let error = store.get(&name).unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error:?}");
    assert!(store.get(&name).unwrap().is_none());
    store.put(&name, &artifact).unwrap();
    assert_eq!(store.get(&name).unwrap().unwrap().contents(), artifact.contents());
}

#[test]
fn an_artifact_that_wasmtime_refuses_is_compiled_again() {
    let place = Place::new();
    let engine = engine();
    let store = place.open(StoreOptions::new());
    let name = StoreKey::of(&engine, &wasm(0), UnwindPolicy::Strip);
    let mut bytes = store.artifact(&engine, &wasm(0)).unwrap().into_bytes();
    change_version(&mut bytes);
    // SAFETY: this release wrote it, except for the version, by which Wasmtime rejects it.
    let foreign = unsafe { Artifact::trusted(bytes) }.unwrap();
    store.put(&name, &foreign).unwrap();
    runs(&engine, &store, 0);
    assert_eq!(store.counts().set_aside, 1);
    runs(&engine, &store, 0);
    assert_eq!(store.counts().set_aside, 1);

    // The same must work through a loader.
    store.put(&name, &foreign).unwrap();
    let loader = Loader::new(&engine, LoaderOptions::new());
    loader.load_wasm(&store, &wasm(0)).unwrap();
    assert_eq!(store.counts().set_aside, 2);
}

/// Checks, when it gets a warning, whether any key of the store is locked.
#[derive(Default)]
struct Locks {
    folder: PathBuf,
    found: Mutex<Vec<bool>>,
}

impl LoadObserver for Locks {
    fn warn(&self, _: &Warning) {
        let locks = list(&self.folder);
        let is_free = |path: &PathBuf| File::open(path).unwrap().try_lock().is_ok();
        self.found.lock().unwrap().push(locks.iter().all(is_free));
    }
}

#[test]
fn nobody_is_warned_while_a_key_is_locked() {
    let place = Place::new();
    let engine = engine();
    let locks = Arc::new(Locks { folder: place.folder().join("locks"), ..Locks::default() });
    let store = place.open(StoreOptions::new().observer(locks.clone()));
    let name = StoreKey::of(&engine, &wasm(0), UnwindPolicy::Strip);
    let damage = || fs::write(&place.entries()[0], b"nothing").unwrap();
    runs(&engine, &store, 0);
    damage();
    store.artifact(&engine, &wasm(0)).unwrap();
    damage();
    store.get(&name).unwrap_err();
    store.artifact(&engine, &wasm(0)).unwrap();
    damage();
    assert_eq!(store.verify().unwrap().set_aside.len(), 1);
    assert_eq!(*locks.found.lock().unwrap(), [true; 3]);
}

#[test]
fn an_entry_that_is_replaced_stays_held() {
    let place = Place::new();
    let engine = engine();
    let store = place.open(StoreOptions::new());
    let name = StoreKey::of(&engine, &wasm(0), UnwindPolicy::Strip);
    let artifact = store.artifact(&engine, &wasm(0)).unwrap();
    let held = store.hold(&name).unwrap().unwrap();
    store.put(&name, &artifact).unwrap();
    let limited = place.open(StoreOptions::new().max_bytes(1));
    assert_eq!(limited.gc().unwrap().evicted, 0);
    drop(held);
    assert_eq!(limited.gc().unwrap().evicted, 1);
    assert!(store.hold(&name).unwrap().is_none());
}

/// A holder always finds the entry, even while another thread evicts.
#[test]
fn what_is_held_is_there() {
    let place = Place::new();
    let engine = engine();
    let store = place.open(StoreOptions::new().unsynced());
    let name = StoreKey::of(&engine, &wasm(0), UnwindPolicy::Strip);
    let artifact = store.artifact(&engine, &wasm(0)).unwrap();
    let limited = place.open(StoreOptions::new().max_bytes(1));
    let is_done = AtomicBool::new(false);
    let mut is_there = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                let _ = limited.gc();
            }
        });
        for _ in 0..300 {
            let found = store.put(&name, &artifact).and_then(|()| store.hold(&name));
            let Ok(Some(_held)) = &found else {
                is_there.push(found.map(|_| true));
                continue;
            };
            is_there.push(store.get(&name).map(|found| found.is_some()));
        }
        is_done.store(true, Ordering::Relaxed);
    });
    is_there.into_iter().for_each(|found| assert!(found.unwrap()));
    limited.gc().unwrap();
    assert_eq!(list(&place.folder().join("locks")).iter().filter(|path| is_hold(path)).count(), 0);
}

/// The file name of a lock for a single key is the whole key.
fn is_hold(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.len() == 64)
}

#[test]
fn few_entries_that_were_set_aside_are_kept() {
    let place = Place::new();
    let engine = engine();
    let store = place.open(StoreOptions::new().unsynced());
    for _ in 0..40 {
        runs(&engine, &store, 0);
        fs::write(&place.entries()[0], b"nothing").unwrap();
    }
    runs(&engine, &store, 0);
    assert_eq!(store.counts().set_aside, 40);
    assert_eq!(list(&place.folder().join("aside")).len(), 32);
}

#[test]
fn room_is_made_by_last_use_and_never_of_what_is_held() {
    let place = Place::new();
    let engine = engine();
    let store = place.open(StoreOptions::new());
    let bytes = (0..8).map(|index| store.artifact(&engine, &wasm(index)).unwrap().bytes().len());
    let bytes = bytes.max().unwrap() as u64 + 100;
    let key = |index| StoreKey::of(&engine, &wasm(index), UnwindPolicy::Strip);
    for index in 0..8 {
        let path = place.folder().join("entries").join(key(index).to_string());
        let then = SystemTime::now() - Duration::from_secs(3600 - index as u64);
        File::open(path).unwrap().set_modified(then).unwrap();
    }
    runs(&engine, &store, 1); // Used a moment ago.
    let held = store.hold(&key(0)).unwrap().unwrap();
    assert!(store.hold(&key(99)).unwrap().is_none());
    let limited = place.open(StoreOptions::new().max_bytes(4 * bytes));
    let collected = limited.gc().unwrap();
    let left: Vec<usize> =
        (0..8).filter(|index| limited.get(&key(*index)).unwrap().is_some()).collect();
    assert!(left.contains(&0) && left.contains(&1) && left.contains(&7), "{left:?}");
    assert_eq!(collected.evicted, 8 - left.len());
    assert!((3..=5).contains(&left.len()), "{left:?}");
    drop(held);
    // Writing more entries makes room automatically.
    (10..30).for_each(|index| runs(&engine, &limited, index));
    assert!(place.entries().len() <= 6, "{}", place.entries().len());
    assert_eq!(limited.verify().unwrap().set_aside.len(), 0);
}

#[test]
fn what_killed_writers_left_is_collected() {
    let place = Place::new();
    let engine = engine();
    let store = place.open(StoreOptions::new());
    runs(&engine, &store, 0);
    let temporary = place.folder().join("temporary");
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    let files = ["dead", "alive", "young"].map(|name| File::create(temporary.join(name)).unwrap());
    files[..2].iter().for_each(|file| file.set_modified(hour_ago).unwrap());
    files[1].lock().unwrap();
    fs::write(&place.entries()[0], b"").unwrap();
    fs::write(place.folder().join("entries/stray"), b"").unwrap();
    let verified = store.verify().unwrap();
    assert_eq!((verified.sound, verified.set_aside.len()), (0, 2), "{verified:?}");
    let collected = store.gc().unwrap();
    assert_eq!((collected.temporary, collected.set_aside, collected.evicted), (1, 2, 0));
    assert_eq!(list(&temporary).len(), 2);
}

#[test]
fn what_cannot_be_kept_is_used_all_the_same() {
    let place = Place::new();
    let engine = engine();
    let warnings = Arc::new(Warnings::default());
    let store = place.open(StoreOptions::new().observer(warnings.clone()));
    fs::remove_dir(place.folder().join("temporary")).unwrap();
    runs(&engine, &store, 0);
    assert!(warnings.0.lock().unwrap()[0].starts_with("cannot keep a compiled artifact"));
}
