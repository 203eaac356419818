//! The store: compiled once whoever asks, never wrong whatever happens to its files.
//!
//! Long versions of two tests are left out unless asked for:
//! `cargo test -p loadline-loader --test store -- --ignored`.
#![cfg(all(unix, feature = "compile"))]
#![allow(clippy::unwrap_used, unsafe_code)]

mod common;

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::time::{Duration, SystemTime};

use common::{call, check, engine, wasm};
use fastrand::Rng;
use loadline_loader::wasmtime::{Config, Engine, OptLevel};
use loadline_loader::{
    Artifact, Error, Key, LoadObserver, Loader, LoaderOptions, Store, StoreKey, StoreOptions,
    UnwindPolicy, Warning,
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

    fn open(&self, options: StoreOptions) -> Store {
        Store::open(self.folder(), options).unwrap()
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

fn runs(engine: &Engine, store: &Store, index: usize) {
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
            // Each thread as a process would: with a store of its own.
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
        let error = Store::open(place.folder(), options).err().unwrap();
        assert!(matches!(error, Error::Exposed { .. }), "{error:?}");
    };
    for folder in [place.folder(), place.folder().join("entries")] {
        fs::set_permissions(&folder, Permissions::from_mode(0o777)).unwrap();
        refused(StoreOptions::new());
        refused(StoreOptions::new().whoever_can_write());
        place.open(StoreOptions::new().key(Key::new([1; 32])).whoever_can_write());
        // SAFETY: nobody else knows of the folder.
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
    // The version in `.wasmtime.engine`: its length, then the text.
    let at = bytes.windows(3).position(|window| window == b"\x0248").unwrap();
    bytes[at + 2] = b'7';
    // SAFETY: this release wrote it, but for the version, by which Wasmtime refuses it.
    let foreign = unsafe { Artifact::trusted(bytes) }.unwrap();
    store.put(&name, &foreign).unwrap();
    runs(&engine, &store, 0);
    assert_eq!(store.counts().set_aside, 1);
    runs(&engine, &store, 0);
    assert_eq!(store.counts().set_aside, 1);

    // By way of a loader, too.
    store.put(&name, &foreign).unwrap();
    let loader = Loader::new(&engine, LoaderOptions::new());
    loader.load_wasm(&store, &wasm(0)).unwrap();
    assert_eq!(store.counts().set_aside, 2);
}

/// Looks whether any key of the store is locked while it is told of a warning.
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

/// Whoever has a hold finds the entry, whatever the evictor does at the time.
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

/// Locks of a single key have its whole name.
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
    // Writing more makes room by itself.
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

/// What is done to the files of a store.
fn corrupt(random: &mut Rng, entries: &[PathBuf]) {
    let pick = |random: &mut Rng| entries[random.usize(..entries.len())].clone();
    let (one, other) = (pick(random), pick(random));
    // An earlier round may have left anything in its place.
    let Ok(mut bytes) = fs::read(&one) else { return };
    let length = bytes.len();
    if length == 0 {
        return;
    }
    let write = |bytes: &[u8]| {
        fs::remove_file(&one).unwrap();
        fs::write(&one, bytes).unwrap();
        fs::set_permissions(&one, Permissions::from_mode(0o600)).unwrap();
    };
    match random.u8(..9) {
        0 => write(&bytes[..random.usize(..length)]),
        1 => {
            bytes[random.usize(..length)] ^= 1 << random.u8(..8);
            write(&bytes);
        }
        2 => {
            // Anywhere in the header, which is what is believed first.
            bytes[random.usize(..length.min(72))] = random.u8(..);
            write(&bytes);
        }
        3 => {
            // The middle of another.
            let Ok(donor) = fs::read(&other) else { return };
            let at = random.usize(..length);
            let n = random.usize(..4000).min(bytes.len() - at).min(donor.len().saturating_sub(at));
            bytes[at..at + n].copy_from_slice(&donor[at..at + n]);
            write(&bytes);
        }
        4 => {
            bytes.extend((0..random.u8(..64)).map(|_| 0u8));
            write(&bytes);
        }
        5 => {
            let Ok(other_bytes) = fs::read(&other) else { return };
            write(&other_bytes);
        }
        6 => {
            let target = one.with_extension("target");
            fs::rename(&one, &target).unwrap();
            symlink(&target, &one).unwrap();
        }
        7 => fs::set_permissions(&one, Permissions::from_mode(0o666)).unwrap(),
        _ => {
            fs::remove_file(&one).unwrap();
            if random.bool() {
                fs::create_dir(&one).unwrap();
            }
        }
    }
}

fn survives_corruption(n: usize, key: Option<Key>) {
    let place = Place::new();
    let engine = engine();
    let options = key.into_iter().fold(StoreOptions::new(), StoreOptions::key);
    let store = place.open(options);
    let right: Vec<Artifact> =
        (0..6).map(|index| store.artifact(&engine, &wasm(index)).unwrap()).collect();
    let entries = place.entries();
    let mut random = Rng::with_seed(10_000);
    for round in 0..n {
        corrupt(&mut random, &entries);
        for (index, right) in right.iter().enumerate() {
            // What differs in a single byte would have reached Wasmtime.
            let found = store.artifact(&engine, &wasm(index)).unwrap();
            assert_eq!(found.bytes(), right.bytes(), "round {round}");
            assert_eq!(found.contents(), right.contents(), "round {round}");
        }
        if round % 500 == 499 {
            store.gc().unwrap();
        }
    }
    let counts = store.counts();
    assert!(counts.set_aside > n as u64 / 2, "{counts:?}");
}

#[test]
fn no_corruption_reaches_wasmtime() {
    survives_corruption(150, None);
    survives_corruption(150, Some(Key::new([5; 32])));
}

#[test]
#[ignore = "takes a minute; run by `cargo test -p loadline-loader -- --ignored`"]
fn none_of_ten_thousand_corruptions_reaches_wasmtime() {
    survives_corruption(5_000, None);
    survives_corruption(5_000, Some(Key::new([5; 32])));
}

/// One thread exchanges the entry for another, sound or not, all the time; the other loads.
#[test]
fn an_entry_that_is_replaced_during_a_load_is_never_torn() {
    let place = Place::new();
    let engine = engine();
    let store = place.open(StoreOptions::new());
    let right = store.artifact(&engine, &wasm(0)).unwrap();
    let path = place.entries()[0].clone();
    let whole = fs::read(&path).unwrap();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = Rng::with_seed(3);
            let mut file = None;
            while !is_done.load(Ordering::Relaxed) {
                let mut bytes = whole.clone();
                if random.bool() {
                    bytes[random.usize(..whole.len())] ^= 4;
                }
                let new = place.home.path().join("new");
                if random.bool() {
                    fs::write(&new, &bytes).unwrap();
                    fs::set_permissions(&new, Permissions::from_mode(0o600)).unwrap();
                    fs::rename(&new, &path).unwrap();
                } else {
                    // In place, under the reader's eyes.
                    file = File::options().write(true).open(&path).ok().or(file);
                    let Some(file) = &file else { continue };
                    let at = random.u64(..whole.len() as u64 - 64);
                    let part = &bytes[at as usize..at as usize + 64];
                    std::os::unix::fs::FileExt::write_all_at(file, part, at).unwrap();
                }
            }
        });
        for _ in 0..300 {
            let found = store.artifact(&engine, &wasm(0)).unwrap();
            assert_eq!(found.bytes(), right.bytes());
        }
        is_done.store(true, Ordering::Relaxed);
    });
}

const CHILD: &str = "LOADLINE_TEST_STORE";
/// Modules that each of the processes puts into the store.
const FILLED: usize = 40;

/// No test: what the processes do that `survives_kills` starts.
#[test]
#[ignore = "started by another test, in processes of its own"]
fn child_fills_the_store() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let seed: u64 = std::env::var("LOADLINE_TEST_SEED").unwrap().parse().unwrap();
    let engine = engine();
    let store = Store::open(folder, StoreOptions::new()).unwrap();
    let mut random = Rng::with_seed(seed);
    for _ in 0..4 * FILLED {
        let index = random.usize(..FILLED);
        store.artifact(&engine, &wasm(index)).unwrap();
    }
    println!("compiled {} of them", store.counts().compiled);
}

fn child(folder: &Path, seed: u64) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "child_fills_the_store", "--ignored", "--nocapture"]);
    command.env(CHILD, folder).env("LOADLINE_TEST_SEED", seed.to_string());
    command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn processes_compile_everything_once() {
    let place = Place::new();
    place.open(StoreOptions::new());
    let children: Vec<Child> = (0..3).map(|seed| child(&place.folder(), seed)).collect();
    let mut compiled = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (_, count) = text.split_once("compiled ").unwrap();
        compiled += count.split_once(' ').unwrap().0.parse::<usize>().unwrap();
    }
    assert_eq!(compiled, place.entries().len());
    assert!(compiled > FILLED / 2);
}

/// Four processes fill a store; again and again one of them is killed and replaced.
fn survives_kills(n: usize) {
    let place = Place::new();
    let engine = engine();
    let store = place.open(StoreOptions::new());
    let mut random = Rng::with_seed(200);
    let mut seed = 0;
    let mut start = || {
        seed += 1;
        child(&place.folder(), seed)
    };
    let mut children: Vec<Child> = (0..4).map(|_| start()).collect();
    for _ in 0..n {
        std::thread::sleep(Duration::from_millis(10 + random.u64(..60)));
        let victim = random.usize(..4);
        children[victim].kill().unwrap();
        children[victim].wait().unwrap();
        children[victim] = start();
        // There is always something left to write.
        let entries = place.entries();
        for path in entries.iter().filter(|_| random.u8(..4) == 0) {
            let _ = fs::remove_file(path);
        }
        assert_eq!(store.verify().unwrap().set_aside.len(), 0);
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    // Nothing is torn, nothing is wrong, and nobody is locked out.
    assert_eq!(store.verify().unwrap().set_aside.len(), 0);
    for index in 0..FILLED {
        let expected = compiled(&engine, index);
        assert_eq!(store.artifact(&engine, &wasm(index)).unwrap().bytes(), expected.bytes());
    }
    assert_eq!(place.entries().len(), FILLED);
    assert_eq!(store.counts().set_aside, 0);
}

fn compiled(engine: &Engine, index: usize) -> Artifact {
    let mut artifact = loadline_loader::compile::bytes(engine, &wasm(index)).unwrap();
    artifact.apply(UnwindPolicy::Strip).unwrap();
    artifact
}

#[test]
fn killed_writers_leave_no_torn_entry() {
    survives_kills(8);
}

#[test]
#[ignore = "takes a minute; run by `cargo test -p loadline-loader -- --ignored`"]
fn two_hundred_killed_writers_leave_no_torn_entry() {
    survives_kills(200);
}

#[test]
fn text_components_and_calls_go_through() {
    let place = Place::new();
    let engine = engine();
    let store = place.open(StoreOptions::new());
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/component.wat");
    let source = fs::read(fixture).unwrap();
    for _ in 0..2 {
        assert_eq!(call(&engine, &store.load(&engine, &source).unwrap(), "double", 21), 42);
    }
    assert_eq!((store.counts().found, store.counts().compiled), (1, 1));
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_shared_store_has_the_modes_of_the_umask() {
    let place = Place::new();
    let usual = place.home.path().join("usual");
    fs::write(&usual, b"").unwrap();
    let usual_folder = place.home.path().join("folder");
    fs::create_dir(&usual_folder).unwrap();
    let engine = engine();
    for (options, file, folder) in [
        (StoreOptions::new(), 0o600, 0o700),
        (StoreOptions::new().shared(), mode(&usual), mode(&usual_folder)),
    ] {
        let path = place.home.path().join(format!("store {file:o}"));
        // A umask of 002 makes folders that this crate does not trust by their owner.
        let key = Key::new([1; 32]);
        let store = Store::open(&path, options.key(key).whoever_can_write()).unwrap();
        runs(&engine, &store, 0);
        for inner in ["", "entries", "temporary", "aside", "locks"] {
            assert_eq!(mode(&path.join(inner)), folder, "{inner}");
        }
        for inner in ["entries", "locks"] {
            let files = list(&path.join(inner));
            assert!(!files.is_empty() && files.iter().all(|path| mode(path) == file), "{inner}");
        }
    }
}

/// No test: what a user does who may only read the store.
#[test]
#[ignore = "started by another test, in a process of another user"]
fn child_reads_the_store() {
    let Ok(folder) = std::env::var(CHILD) else { return };
    let engine = engine();
    let warnings = Arc::new(Warnings::default());
    let store = Store::open(folder, StoreOptions::new().observer(warnings.clone())).unwrap();
    runs(&engine, &store, 0);
    assert_eq!((store.counts().found, store.counts().compiled), (1, 0));
    assert_eq!(warnings.0.lock().unwrap().len(), 0);
    // Another key begins otherwise, and has no lock yet.
    runs(&engine, &store, 1);
    assert_eq!((store.counts().found, store.counts().compiled), (1, 1));
    assert_eq!(warnings.0.lock().unwrap().len(), 1);
    println!("read it");
}

/// As where root fills a store while an image is built, and a service uses it.
#[test]
fn a_store_of_root_is_used_by_others() {
    let place = Place::new();
    let nobody = 65_534;
    if std::os::unix::fs::chown(place.home.path(), Some(nobody), None).is_err() {
        println!("skipped: only root can become another user");
        return;
    }
    std::os::unix::fs::chown(place.home.path(), Some(0), None).unwrap();
    fs::set_permissions(place.home.path(), Permissions::from_mode(0o755)).unwrap();
    // Where programs are built only root may go.
    let program = place.home.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    let engine = engine();
    let open = |options| Store::open(place.folder(), options);
    let store = open(StoreOptions::new().shared()).unwrap();
    runs(&engine, &store, 0);
    for path in [place.folder()].into_iter().chain(FOLDERS.map(|name| place.folder().join(name))) {
        fs::set_permissions(path, Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(&place.entries()[0], Permissions::from_mode(0o644)).unwrap();
    let mut command = Command::new(&program);
    command.args(["--exact", "child_reads_the_store", "--ignored", "--nocapture"]);
    command.env(CHILD, place.folder()).uid(nobody).gid(nobody).current_dir("/");
    let output = match command.output() {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            println!("skipped: others may not run programs from here ({error})");
            return;
        }
        output => output.unwrap(),
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("read it"), "{output:?}");
}

const FOLDERS: [&str; 4] = ["entries", "temporary", "aside", "locks"];
