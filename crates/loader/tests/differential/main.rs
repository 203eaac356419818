//! Compares modules that are loaded through packs and stores with plain Wasmtime: exports, results, traps,
//! backtraces, remaining fuel, memories and globals. Each module is loaded twice from each.
#![cfg(all(target_os = "linux", feature = "compile"))]
#![allow(clippy::unwrap_used)]

mod configurations;
mod generate;
mod observe;
mod written;

use std::path::Path;

use configurations::{CONFIGURATIONS, Configuration};
use loadline_loader::pack::{self, Pack, PackOptions};
use loadline_loader::wasmtime::{Config, Engine};
use loadline_loader::{
    Artifact, ArtifactStore, Error, Lease, Loaded, Loader, LoaderOptions, StoreOptions, compile,
};
use observe::{Outcomes, observe};

#[test]
fn a_few_modules_are_as_under_plain_wasmtime() {
    let n_compared = compare(&CONFIGURATIONS[..3], 4);
    assert!(n_compared >= 1_000, "{n_compared} comparisons");
}

/// Slow tests that measure nothing, so other programs may run at the same time.
mod at_any_load {
    use super::*;

    #[test]
    #[ignore = "slow: 20,000 comparisons under all configurations (seconds)"]
    fn twenty_thousand_comparisons_with_plain_wasmtime_find_no_difference() {
        assert!(CONFIGURATIONS.len() >= 28);
        let n_compared = compare(&CONFIGURATIONS, 14);
        assert!(n_compared >= 20_000, "{n_compared} comparisons");
    }
}

/// A module and the way to name it in a failure.
struct Source {
    name: String,
    wasm: Vec<u8>,
}

/// Compares all written modules and `n_generated` others under each configuration. Returns the number of
/// comparisons.
fn compare(configurations: &[Configuration], n_generated: u64) -> usize {
    let seed = std::env::var("LOADLINE_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed: u64 = seed.unwrap_or(16);
    println!("repeat with LOADLINE_SEED={seed}");
    let (mut n_compared, mut n_traps) = (0, 0);
    for (number, configuration) in configurations.iter().enumerate() {
        // Each configuration gets other modules.
        let first = (seed << 32) + 1_000 * number as u64;
        let sources = sources(first..first + n_generated);
        let counts = compare_under(configuration, number, &sources);
        assert!(counts.0 > 0, "{}: nothing was compared", configuration.0);
        n_compared += counts.0;
        n_traps += counts.1;
    }
    // One of the configurations writes this file.
    let _ = std::fs::remove_file(format!("/tmp/perf-{}.map", std::process::id()));
    println!("{n_compared} comparisons, {n_traps} of them of errors and traps");
    assert!(n_traps > n_compared / 100 && n_traps < n_compared * 9 / 10, "{n_traps} traps");
    n_compared
}

fn sources(seeds: std::ops::Range<u64>) -> Vec<Source> {
    let source = |name: &str, text: &str| {
        let wasm = wat::parse_str(text).unwrap_or_else(|error| panic!("{name}: {error}\n{text}"));
        Source { name: name.to_owned(), wasm }
    };
    let written = written::WRITTEN.iter().map(|(name, text)| source(name, text));
    let much_data = source("much data", &written::much_data());
    let generated = seeds.map(|seed| source(&format!("seed {seed}"), &generate::module(seed)));
    written.chain([much_data]).chain(generated).collect()
}

/// The engines of one configuration, one plain and one as for packs.
fn engines((name, configure): &Configuration) -> [Engine; 2] {
    [false, true].map(|is_for_packs| {
        let mut config = Config::new();
        config.wasm_memory64(true).wasm_multi_memory(true);
        configure(&mut config);
        if is_for_packs {
            pack::configure(&mut config);
        }
        Engine::new(&config).unwrap_or_else(|error| panic!("{name}: {error:?}"))
    })
}

/// Returns the number of comparisons, and how many of them were errors or traps.
fn compare_under(
    configuration: &Configuration,
    number: usize,
    sources: &[Source],
) -> (usize, usize) {
    let [plain, engine] = engines(configuration);
    let home = tempfile::tempdir().unwrap();
    let store =
        ArtifactStore::open(home.path().join("store"), StoreOptions::new().unsynced()).unwrap();
    let (mut n_compared, mut n_traps) = (0, 0);
    let mut right: Vec<(&Source, Outcomes, Artifact)> = Vec::new();
    for source in sources {
        match (plainly(&plain, &source.wasm), store.artifact(&engine, &source.wasm)) {
            (Ok(module), Ok(artifact)) => right.push((source, observe(&plain, &module), artifact)),
            // For example SIMD where it is off.
            (Err(_), Err(Error::Compile { .. })) => n_compared += 1,
            (plain, ours) => panic!("{}: {}: {plain:?}, {ours:?}", configuration.0, source.name),
        }
    }
    let pack = packed(home.path(), &right, number.is_multiple_of(2));
    let loader = Loader::new(&engine, LoaderOptions::new());
    for (source, right, _) in &right {
        for (from, load) in ways(&loader, &pack, &store, source) {
            let lease = load();
            let found = observe(&engine, &lease);
            let place = format!("{}: {}, {from}", configuration.0, source.name);
            assert_eq!(found.len(), right.len(), "{place}");
            for (found, right) in found.iter().zip(right) {
                assert_eq!(found, right, "{place}");
            }
            n_compared += right.len();
            n_traps += right.iter().filter(|outcome| outcome.starts_with("error")).count();
            drop(lease);
            loader.flush();
            assert_eq!((loader.population().modules, pack.n_live()), (0, 0), "{place}");
        }
    }
    pack.close().unwrap();
    (n_compared, n_traps)
}

fn plainly(engine: &Engine, wasm: &[u8]) -> Result<Loaded, wasmtime::Error> {
    use loadline_loader::wasmtime::{Module, component::Component};

    // The eighth byte tells a component from a module.
    match wasm[6] {
        0 => Module::new(engine, wasm).map(Loaded::Module),
        _ => Component::new(engine, wasm).map(Loaded::Component),
    }
}

/// Builds a pack of all modules, and opens it.
fn packed(home: &Path, modules: &[(&Source, Outcomes, Artifact)], is_lazy: bool) -> Pack {
    let path = home.join("all.pack");
    let named = modules.iter().map(|(source, _, artifact)| (source.name.as_str(), artifact));
    Pack::build(&path, None, named).unwrap();
    let options = PackOptions::new();
    Pack::open(&path, if is_lazy { options.lazy() } else { options }).unwrap()
}

type Way<'a> = (&'static str, Box<dyn Fn() -> Lease + 'a>);

/// The four loads of each module.
fn ways<'a>(
    loader: &'a Loader,
    pack: &'a Pack,
    store: &'a ArtifactStore,
    source: &'a Source,
) -> [Way<'a>; 4] {
    let from_pack = || loader.load_packed(pack, &source.name).unwrap();
    let from_store = || loader.load_wasm(store, &source.wasm).unwrap();
    [
        ("from a pack", Box::new(from_pack)),
        ("from a pack again", Box::new(from_pack)),
        ("from a store", Box::new(from_store)),
        ("from a store again", Box::new(from_store)),
    ]
}

/// The generated modules are worth comparing.
#[test]
fn generated_modules_compile_and_do_things() {
    let engine = Engine::default();
    for seed in 0..20 {
        let text = generate::module(seed);
        compile::bytes(&engine, text.as_bytes()).unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
}
