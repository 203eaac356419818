//! Measures the instructions that a store adds to Wasmtime's own call, as callgrind counts them:
//!
//! ```text
//! cargo bench --profile dev -p loadline-workload --bench store -- --bench
//! ```
//!
//! Each variant loads the same artifacts from files, in a new process under valgrind. One run loads them once
//! and another run loads twice as many; the difference is the cost of the additional loads.
#![allow(clippy::unwrap_used, unsafe_code)]

use std::hint::black_box;
use std::path::Path;
use std::process::Command;

use loadline_scenario::Generated;
use loadline_workload::generate;
use loadline_workload::loader::wasmtime::{Config, Engine, Module};
use loadline_workload::loader::{ArtifactStore, StoreKey, StoreOptions, UnwindPolicy, compile};

const ENTRIES: usize = 50;
const WAYS: [&str; 4] = ["bare", "unsealed", "sealed", "hash"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["--measure", way, rounds, home] => measure(way, rounds.parse().unwrap(), Path::new(home)),
        [.., "--bench"] => compare(),
        _ => {} // `cargo test` starts benches, too.
    }
}

fn compare() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: valgrind is not installed");
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let store = ArtifactStore::open(home.path().join("store"), StoreOptions::new()).unwrap();
    let compiling = plain_engine();
    for index in 0..ENTRIES {
        let mut artifact =
            compile::bytes(&compiling, &generate::wasm(&Generated::default(), index)).unwrap();
        artifact.apply(UnwindPolicy::Strip).unwrap();
        store.put(&key(index), &artifact).unwrap();
        artifact.save_unsynced(home.path().join(index.to_string())).unwrap();
    }
    let per_load = WAYS.map(|way| {
        let [few, many] = [4, 8].map(|rounds| instructions(way, rounds, home.path()));
        (many - few) / (4 * ENTRIES) as f64
    });
    let [bare, unsealed, sealed, hash] = per_load;
    let more = |than: f64, now: f64| (now / than - 1.0) * 100.0;
    println!("instructions a load, artifacts of some 20 KB");
    println!("{bare:10.0}  reading the file and Module::deserialize");
    println!("{unsealed:10.0}  from a store, seals not compared: {:+.1} %", more(bare, unsealed));
    println!("{hash:10.0}  hashing alone");
    println!("{sealed:10.0}  from a store: {:+.1} % to both", more(bare + hash, sealed));
}

/// Returns an engine for any CPU of this architecture, because valgrind does not know the newest
/// instructions.
fn plain_engine() -> Engine {
    let mut config = Config::new();
    config.target(&format!("{}-unknown-linux-gnu", std::env::consts::ARCH)).unwrap();
    Engine::new(&config).unwrap()
}

fn instructions(way: &str, rounds: usize, home: &Path) -> f64 {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
    // Without fast bins, the cost of an allocation does not depend on the length of a path.
    command.env("GLIBC_TUNABLES", "glibc.malloc.mxfast=0");
    command.arg(std::env::current_exe().unwrap());
    command.args(["--measure", way, &rounds.to_string()]).arg(home);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    let count = text.lines().find_map(|line| line.split_once("Collected : "));
    count.unwrap().1.trim().parse().unwrap()
}

fn measure(way: &str, rounds: usize, home: &Path) {
    let engine = Engine::new(&Config::new()).unwrap();
    let folder = home.join("store");
    let store = match way {
        "unsealed" => {
            // SAFETY: the parent process has just filled the store.
            let options = unsafe { StoreOptions::new().unsealed() };
            ArtifactStore::open(folder, options).unwrap()
        }
        _ => ArtifactStore::open(folder, StoreOptions::new()).unwrap(),
    };
    let plain: Vec<_> = (0..ENTRIES).map(|index| home.join(index.to_string())).collect();
    let plain_bytes: Vec<_> = plain.iter().map(|path| std::fs::read(path).unwrap()).collect();
    let keys: Vec<_> = (0..ENTRIES).map(key).collect();
    for index in (0..ENTRIES).cycle().take(rounds * ENTRIES) {
        match way {
            "bare" => {
                let bytes = std::fs::read(&plain[index]).unwrap();
                // SAFETY: the parent process has just written the file.
                black_box(unsafe { Module::deserialize(&engine, bytes) }.unwrap());
            }
            "hash" => {
                black_box(blake3::hash(&plain_bytes[index]));
            }
            _ => {
                let artifact = store.get(&keys[index]).unwrap().unwrap();
                black_box(artifact.load(&engine).unwrap());
            }
        }
    }
}

fn key(index: usize) -> StoreKey {
    format!("{index:064x}").parse().unwrap()
}
