//! How the cost of loading grows with function types of their own, against shared ones.
//!
//! `cargo run -p loadline-loader --example types -- [TYPES] [N…]`; tables are stripped, so that what
//! is seen is not the unwinder's.
#![allow(clippy::unwrap_used)]

use std::time::Instant;

use loadline_loader::compile::Workshop;
use loadline_loader::{Artifact, engine};
use loadline_scenario::{Corpus, Generated, Tables, TypeSharing};

fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse().unwrap());
    let types: usize = arguments.next().unwrap_or(20);
    let mut ladder: Vec<usize> = arguments.collect();
    if ladder.is_empty() {
        ladder = vec![250, 500, 1000, 2000];
    }
    let most = *ladder.iter().max().unwrap();
    for type_sharing in [TypeSharing::Shared, TypeSharing::Own] {
        let axes = Generated { types, type_sharing, ..Generated::default() };
        let artifacts = compile(&axes, most);
        for &modules in &ladder {
            measure(type_sharing, &artifacts[..modules]);
        }
    }
}

fn compile(axes: &Generated, modules: usize) -> Vec<Artifact> {
    let workshop = Workshop::open(&Corpus::Generated(*axes)).unwrap();
    let started = Instant::now();
    let artifacts: Vec<Artifact> = (0..modules)
        .map(|index| {
            let mut artifact = workshop.artifact(index).unwrap();
            artifact.apply(Tables::Strip).unwrap();
            artifact
        })
        .collect();
    let each = started.elapsed() / modules as u32;
    println!(
        "{:?}: {each:?} a module to compile, {:?}",
        axes.type_sharing,
        artifacts[0].contents()
    );
    artifacts
}

fn measure(type_sharing: TypeSharing, artifacts: &[Artifact]) {
    let engine = engine::loading().unwrap();
    let before = resident_bytes();
    let started = Instant::now();
    let mut loaded = Vec::with_capacity(artifacts.len());
    loaded.extend(artifacts.iter().map(|artifact| artifact.load(&engine).unwrap()));
    let load = started.elapsed();
    let resident = (resident_bytes() - before) / (1 << 20);
    let started = Instant::now();
    drop(loaded);
    let unload = started.elapsed();
    let modules = artifacts.len();
    println!(
        "{type_sharing:?} N = {modules}: load {load:.1?}, unload {unload:.1?}, {resident} MiB more"
    );
}

/// The second field of `statm`, in pages (proc(5)).
fn resident_bytes() -> i64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: i64 = statm.split_ascii_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4096
}
