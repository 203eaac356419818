//! Where the time goes when N generated modules are held and then dropped.
//!
//! `cargo run -p loadline-loader --example phases -- [N] [keep|strip] [bytes|file] [oldest|newest]`
#![allow(clippy::unwrap_used, unsafe_code)]

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::{Duration, Instant};

use loadline_loader::compile::Workshop;
use loadline_loader::{ArtifactFile, Calls, Event, Observer, Options, drive, engine, generate};
use loadline_scenario::{Corpus, Generated, Lifecycle, LoadFrom, Phase, Tables, UnloadOrder};

/// Adds up the time of each phase.
struct Stopwatch {
    lap: Instant,
    spent: BTreeMap<Phase, Duration>,
}

impl Observer for Stopwatch {
    fn step(&mut self, event: Event) {
        let now = Instant::now();
        *self.spent.entry(event.phase).or_default() += now - self.lap;
        self.lap = now;
    }

    fn idle(&mut self) {
        self.lap = Instant::now();
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    let modules = arguments.first().map_or(Ok(1000), |modules| modules.parse())?;
    let tables = if has("keep") { Tables::Keep } else { Tables::Strip };
    let load_from = if has("file") { LoadFrom::File } else { LoadFrom::Bytes };

    let order = if has("newest") { UnloadOrder::NewestFirst } else { UnloadOrder::OldestFirst };

    let folder = tempfile::tempdir()?;
    let axes = Generated::default();
    let started = Instant::now();
    let files = compile(folder.path(), &axes, modules, tables);
    println!("compiling and saving: {:.1?} a module", started.elapsed() / modules as u32);

    let lifecycle = Lifecycle { unwinds_before_unload: 2, ..Lifecycle::hold_all(order) };
    let call = |index| generate::call(&axes, index);
    let calls = Some(Calls { every: NonZeroUsize::new(64).unwrap(), call: &call });
    let driven = drive(
        &engine::loading()?,
        &files,
        &lifecycle.schedule(modules, 7),
        &Options { load_from, tables, calls, ..Options::default() },
        |_| Stopwatch { lap: Instant::now(), spent: BTreeMap::new() },
    )?;
    for (phase, spent) in &driven.observers[0].1.spent {
        println!("{phase:12} {spent:10.1?} in all, {:8.1?} a module", *spent / modules as u32);
    }
    println!("{:?}", driven.proof);
    Ok(())
}

/// Compiles on all processors, each its share, in order.
fn compile(folder: &Path, axes: &Generated, modules: usize, tables: Tables) -> Vec<ArtifactFile> {
    let workshop = Workshop::open(&Corpus::Generated(*axes)).unwrap();
    let make = |index: usize| {
        let mut artifact = workshop.artifact(index).unwrap();
        artifact.apply(tables).unwrap();
        let path = folder.join(format!("{index}.cwasm"));
        artifact.save_unsynced(&path).unwrap();
        // SAFETY: written just now, into a folder of this user's own that is deleted at the end.
        unsafe { ArtifactFile::trusted(path, *artifact.contents()) }
    };
    let n_threads = std::thread::available_parallelism().unwrap().get();
    let share = modules.div_ceil(n_threads);
    std::thread::scope(|scope| {
        let make = &make;
        let threads: Vec<_> = (0..n_threads)
            .map(|thread| {
                let own = thread * share..((thread + 1) * share).min(modules);
                scope.spawn(move || own.map(make).collect::<Vec<_>>())
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    })
}
