//! Tests of packs: loading, rejected files, closing, and the number of mappings.
#![cfg(all(unix, feature = "compile"))]
#![allow(clippy::unwrap_used)]

mod at_any_load;
mod closing;
#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
mod lazy;
#[cfg(target_os = "linux")]
mod process;
mod refused;
#[cfg(target_os = "linux")]
mod shared;

use std::fs::{self, Permissions};
use std::num::NonZeroUsize;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use common::{alone, artifacts, at_least_one, call, check, engine, wasm};
use fastrand::Rng;
use loadline_loader::pack::{self, Digests, Pack, PackOptions, PackWriter};
use loadline_loader::wasmtime::{self, Config, CustomCodeMemory, Engine, Instance, Module, Store};
use loadline_loader::{Artifact, Error, Key, Loaded, Loader, LoaderOptions, compile};

struct Packed {
    home: tempfile::TempDir,
    path: PathBuf,
    artifacts: Vec<Artifact>,
}

impl Packed {
    fn new(modules: usize, key: Option<Key>) -> Packed {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("some.pack");
        let artifacts = artifacts(modules);
        let named = artifacts.iter().enumerate().map(|(index, artifact)| (name(index), artifact));
        Pack::build(&path, key, named).unwrap();
        Packed { home, path, artifacts }
    }

    fn open(&self) -> Pack {
        Pack::open(&self.path, PackOptions::new()).unwrap()
    }
}

fn name(index: usize) -> String {
    format!("module {index:04}")
}

fn pack_engine() -> Engine {
    let mut config = Config::new();
    pack::configure(&mut config);
    Engine::new(&config).unwrap()
}

fn runs(engine: &Engine, loaded: &Loaded, index: usize) {
    check(engine, loaded, index);
}

/// Formats an error and its causes, outermost first.
fn text_of(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[test]
fn everything_in_a_pack_runs_and_is_counted() {
    if !alone("everything_in_a_pack_runs_and_is_counted") {
        return;
    }
    let packed = Packed::new(40, None);
    let pack = packed.open();
    let engine = pack_engine();
    let threads = NonZeroUsize::new(3).unwrap();
    for round in 1..=2 {
        let loaded = pack.load_all(&engine, threads);
        let loaded: Vec<Loaded> = loaded.into_iter().map(Result::unwrap).collect();
        for (index, loaded) in loaded.iter().enumerate() {
            runs(&engine, loaded, index);
        }
        assert_eq!(pack.n_live(), 40);
        drop(loaded);
        assert_eq!(pack.n_live(), 0);
        assert_eq!(pack.counts(), (40 * round, 40 * round));
    }
    let entry = pack.entries().nth(7).unwrap();
    assert_eq!((entry.name(), entry), ("module 0007", pack.entry(7)));
    assert_eq!(entry.contents().bytes, packed.artifacts[7].contents().bytes);
    assert!(!entry.contents().has_tables);
    assert_eq!(pack.find("module 0039"), Some(39));
    let error = pack.load(&engine, "none").unwrap_err();
    assert!(matches!(error, Error::NoSuchEntry { .. }), "{error:?}");
    pack.close().unwrap();
}

#[test]
fn components_and_modules_without_code_load_too() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("mixed.pack");
    let compiling = engine();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/component.wat");
    let component = compile::file(&compiling, fixture).unwrap();
    let text = br#"(module (memory (export "m") 1) (data (i32.const 8) "data"))"#;
    let data = compile::bytes(&compiling, text).unwrap();
    let empty = compile::bytes(&compiling, b"(module)").unwrap();
    let named = [("component", &component), ("data", &data), ("empty", &empty)];
    Pack::build(&path, None, named).unwrap();
    let pack = Pack::open(&path, PackOptions::new()).unwrap();
    let engine = pack_engine();

    let loaded = pack.load(&engine, "component").unwrap();
    assert_eq!(call(&engine, &loaded, "double", 21), 42);
    let Loaded::Module(data) = pack.load(&engine, "data").unwrap() else { panic!("a module") };
    let mut store = Store::new(&engine, ());
    let instance = Instance::new(&mut store, &data, &[]).unwrap();
    let memory = instance.get_memory(&mut store, "m").unwrap();
    assert_eq!(&memory.data(&store)[8..12], b"data");
    drop((store, data));
    assert_eq!(pack.n_live(), 1);

    // A module without code publishes nothing, so it must not depend on the pack.
    let Loaded::Module(empty) = pack.load(&engine, "empty").unwrap() else { panic!("a module") };
    assert_eq!(pack.n_live(), 1);
    drop(loaded);
    pack.close().unwrap();
    assert_eq!(empty.text(), b"");
    Instance::new(&mut Store::new(&engine, ()), &empty, &[]).unwrap();
}

fn range(loaded: &Loaded) -> std::ops::Range<*const u8> {
    let Loaded::Module(module) = loaded else { panic!("a module") };
    module.image_range()
}

/// Returns the address range and permissions of every mapping, or nothing if the system does not list them.
fn mappings() -> Vec<(std::ops::Range<usize>, String)> {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let lines = maps.lines().map(|line| {
        let mut words = line.split_whitespace();
        let (start, end) = words.next().unwrap().split_once('-').unwrap();
        let number = |text| usize::from_str_radix(text, 16).unwrap();
        (number(start)..number(end), words.next().unwrap().to_owned())
    });
    lines.collect()
}

/// Returns whether code is mapped at the address. The system may have given the address to other data.
fn is_mapped(address: usize) -> bool {
    let maps = mappings();
    let is_code = |(range, allowed): &(std::ops::Range<usize>, String)| {
        range.contains(&address) && allowed.contains('x')
    };
    maps.is_empty() || maps.iter().any(is_code)
}

#[test]
fn one_image_is_one_module_at_a_time() {
    let packed = Packed::new(2, None);
    let engine = pack_engine();
    let pack = packed.open();
    let first = pack.load(&engine, "module 0000").unwrap();
    for engine in [&engine, &pack_engine()] {
        let error = pack.load(engine, "module 0000").unwrap_err();
        assert!(matches!(error, Error::Loaded { .. }), "{error:?}");
    }
    drop(first);
    runs(&engine, &pack.load(&engine, "module 0000").unwrap(), 0);

    // Opening the same file twice gives two packs.
    let other = packed.open();
    let both = [&pack, &other].map(|pack| pack.load(&engine, "module 0001").unwrap());
    both.iter().for_each(|loaded| runs(&engine, loaded, 1));
}

#[test]
fn equal_artifacts_are_stored_and_loaded_once() {
    let packed = Packed::new(2, None);
    let [one, other] = [0, 1].map(|index| &packed.artifacts[index]);
    let path = packed.home.path().join("equal.pack");
    let named = [("d", one), ("a", other), ("c", one), ("b", one)];
    Pack::build(&path, None, named).unwrap();
    let lengths = [&path, &packed.path].map(|path| fs::metadata(path).unwrap().len());
    assert!(lengths[0] < lengths[1] + 4096, "{lengths:?}");
    let engine = pack_engine();
    let pack = Pack::open(&path, PackOptions::new()).unwrap();
    assert_eq!(pack.entries().map(|entry| entry.name()).collect::<String>(), "abcd");
    let loaded = pack.load(&engine, "c").unwrap();
    assert!(matches!(pack.load(&engine, "d"), Err(Error::Loaded { .. })));
    runs(&engine, &loaded, 0);
    drop(loaded);
    let all = pack.load_all(&engine, at_least_one(2));
    let all: Vec<Loaded> = all.into_iter().map(Result::unwrap).collect();
    assert_eq!(pack.n_live(), 2);
    [1, 0, 0, 0].iter().zip(&all).for_each(|(index, loaded)| runs(&engine, loaded, *index));
    drop(all);
    // A loader finds the module whatever its name.
    let loader = loadline_loader::Loader::new(&engine, loadline_loader::LoaderOptions::new());
    let leases = ["b", "d"].map(|name| loader.load_packed(&pack, name).unwrap());
    assert_eq!((pack.n_live(), loader.population().modules), (1, 1));
    drop(leases);
    loader.flush();
    pack.close().unwrap();
}

#[test]
fn threads_take_turns_at_the_same_images() {
    let packed = Packed::new(4, None);
    let engine = pack_engine();
    let pack = packed.open();
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (pack, engine) = (&pack, &engine);
            scope.spawn(move || {
                let mut random = Rng::with_seed(seed);
                for _ in 0..300 {
                    let index = random.usize(..4);
                    match pack.load_at(engine, index) {
                        Ok(loaded) => runs(engine, &loaded, index),
                        Err(Error::Loaded { .. }) => {}
                        Err(error) => panic!("{error:?}"),
                    }
                }
            });
        }
    });
    let (published, withdrawn) = pack.counts();
    assert_eq!((published, pack.n_live()), (withdrawn, 0));
    pack.close().unwrap();
}

#[test]
fn ordinary_modules_work_on_the_same_engine() {
    let packed = Packed::new(1, None);
    let engine = pack_engine();
    let pack = packed.open();
    let from_pack = pack.load(&engine, "module 0000").unwrap();
    let compiled = Loaded::Module(Module::new(&engine, wasm(1)).unwrap());
    let copied = packed.artifacts[0].load(&engine).unwrap();
    runs(&engine, &from_pack, 0);
    runs(&engine, &compiled, 1);
    runs(&engine, &copied, 0);
    for loaded in [&compiled, &copied] {
        let inside = range(loaded);
        let inside = mappings().into_iter().filter(|(range, _)| {
            range.start < inside.end as usize && range.end > inside.start as usize
        });
        assert!(inside.into_iter().all(|(_, allowed)| !allowed.contains('w')));
    }
}

#[test]
fn an_engine_that_knows_nothing_of_packs_is_told() {
    let packed = Packed::new(1, None);
    let pack = packed.open();
    let error = pack.load(&engine(), "module 0000").unwrap_err();
    assert!(text_of(&error).contains("pack::configure"), "{error:?}");
    let engine = pack_engine();
    runs(&engine, &pack.load(&engine, "module 0000").unwrap(), 0);
    pack.close().unwrap();
}

/// Simulates a user's own custom code memory, which changes protection wherever Wasmtime asks for it.
struct Foreign;

impl CustomCodeMemory for Foreign {
    fn required_alignment(&self) -> usize {
        4096
    }

    fn publish_executable(&self, base: *const u8, bytes: usize) -> wasmtime::Result<()> {
        protect(base, bytes, libc::PROT_READ | libc::PROT_EXEC);
        Ok(())
    }

    fn unpublish_executable(&self, base: *const u8, bytes: usize) -> wasmtime::Result<()> {
        protect(base, bytes, libc::PROT_READ | libc::PROT_WRITE);
        Ok(())
    }
}

#[allow(unsafe_code)]
fn protect(base: *const u8, bytes: usize, protection: i32) {
    // SAFETY: Wasmtime passes pages of code that nothing executes now.
    let result = unsafe { libc::mprotect(base.cast_mut().cast(), bytes, protection) };
    assert_eq!(result, 0);
}

#[test]
fn another_custom_code_memory_gets_a_copy_and_spoils_nothing() {
    let packed = Packed::new(1, None);
    let pack = packed.open();
    let mut config = Config::new();
    config.with_custom_code_memory(Some(std::sync::Arc::new(Foreign)));
    let foreign = Engine::new(&config).unwrap();
    let copied = pack.load(&foreign, "module 0000").unwrap();
    assert_eq!(pack.n_live(), 0);
    runs(&foreign, &copied, 0);
    let engine = pack_engine();
    let in_place = pack.load(&engine, "module 0000").unwrap();
    runs(&engine, &in_place, 0);
    let first = range(&in_place).start as usize;
    let allowed = mappings().into_iter().find(|(range, _)| range.contains(&first));
    assert!(allowed.is_none_or(|(_, allowed)| allowed.starts_with("r-x")));
}

#[test]
fn a_pack_is_few_mappings_and_none_is_writable_and_executable() {
    if !alone("a_pack_is_few_mappings_and_none_is_writable_and_executable") {
        return;
    }
    if mappings().is_empty() {
        loadline_testing::skip!("this system does not list a process's mappings");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("many.pack");
    let mut writer = PackWriter::create(&path, None).unwrap();
    let few = artifacts(10);
    for index in 0..1000 {
        let mut artifact = few[index % few.len()].clone();
        artifact.number(index as u64);
        writer.add(name(index), &artifact).unwrap();
    }
    writer.finish().unwrap();
    let engine = pack_engine();
    let before = mappings();
    let pack = Pack::open(&path, PackOptions::new()).unwrap();
    let loaded = pack.load_all(&engine, at_least_one(2));
    let loaded: Vec<Loaded> = loaded.into_iter().map(Result::unwrap).collect();
    let now = mappings();
    assert!(now.len() < before.len() + 30, "{} mappings became {}", before.len(), now.len());
    // Tools that run programs, such as valgrind, have such mappings of their own.
    let new = now.iter().filter(|mapping| !before.contains(mapping));
    let mut new = new.filter(|(_, allowed)| allowed.contains('w') && allowed.contains('x'));
    assert_eq!(new.next(), None);
    let first = range(&loaded[0]).start as usize;
    let (_, allowed) = now.iter().find(|(range, _)| range.contains(&first)).unwrap();
    assert_eq!(&allowed[..3], "r-x");
    for index in (0..1000).step_by(97) {
        runs(&engine, &loaded[index], index % few.len());
    }
    drop(loaded);
    pack.close().unwrap();
}

#[test]
fn what_becomes_of_the_file_is_not_felt() {
    let packed = Packed::new(8, None);
    let engine = pack_engine();
    let pack = packed.open();
    let early = pack.load(&engine, "module 0000").unwrap();
    fs::write(&packed.path, vec![0xcc; 5]).unwrap();
    runs(&engine, &early, 0);
    for index in 1..8 {
        runs(&engine, &pack.load_at(&engine, index).unwrap(), index);
    }
}
