//! A host that replaces its 2,000 plugins three times while four threads serve 100,000 requests.
//!
//! `cargo run -p loadline-loader --example hot_reload` (with the number of plugins and requests, if you like)
#![cfg_attr(not(unix), allow(unused_imports, dead_code))]

use std::sync::{Arc, RwLock};

#[cfg(unix)]
use loadline_loader::pack::{self, Pack, PackOptions, PackWriter};
use loadline_loader::wasmtime::{Config, Engine, Instance, Store};
use loadline_loader::{Budget, Loader, LoaderOptions, compile};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Builds a new pack of all plugins and opens it.
#[cfg(unix)]
fn release(engine: &Engine, path: &std::path::Path, plugins: usize) -> Outcome<Arc<Pack>> {
    let mut writer = PackWriter::create(path, None)?;
    for plugin in 0..plugins {
        let text = format!(
            r#"(module (memory 1) (data (i32.const 0) "data")
                 (func (export "answer") (result i32) (i32.const {plugin})))"#
        );
        writer.add(plugin.to_string(), &compile::bytes(engine, text.as_bytes())?)?;
    }
    writer.finish()?;
    Ok(Arc::new(Pack::open(path, PackOptions::new())?))
}

#[cfg(unix)]
fn serve(loader: &Loader, pack: &Pack, plugin: usize) -> Outcome<bool> {
    let lease = loader.load_packed(pack, &plugin.to_string())?;
    let mut store = Store::new(loader.engine(), ());
    let instance = Instance::new(&mut store, lease.module().ok_or("a component")?, &[])?;
    let answer = instance.get_typed_func::<(), i32>(&mut store, "answer")?;
    Ok(answer.call(&mut store, ())? == plugin as i32)
}

#[cfg(not(unix))]
fn main() {
    println!("skipped: packs are for Unix");
}

#[cfg(unix)]
fn main() -> Outcome<()> {
    let number = |at, default| std::env::args().nth(at).map_or(Ok(default), |text| text.parse());
    let (plugins, requests) = (number(1, 2_000)?, number(2, 100_000)?);
    let (home, mut config) = (tempfile::tempdir()?, Config::new());
    pack::configure(&mut config);
    let engine = Engine::new(&config)?;
    let budget = Budget { modules: plugins as u64 * 3 / 4, bytes: 1 << 30 };
    let loader = &Loader::new(&engine, LoaderOptions::new().budget(budget));
    let path = home.path().join("plugins.pack");
    let current = &RwLock::new(release(&engine, &path, plugins)?);
    let failed: usize = std::thread::scope(|scope| {
        let serve_one = move |request: usize| {
            let pack = current.read().expect("no thread panics").clone();
            let served = serve(loader, &pack, request * 7919 % plugins);
            served.inspect_err(|error| eprintln!("{error:?}")).unwrap_or(false)
        };
        let thread = |from| move || (from..requests).step_by(4).filter(|n| !serve_one(*n)).count();
        let threads = [0, 1, 2, 3].map(|from| scope.spawn(thread(from)));
        for _ in 0..3 {
            *current.write().expect("no thread panics") = release(&engine, &path, plugins)?;
        }
        Outcome::Ok(threads.map(|thread| thread.join().expect("it does not panic")).iter().sum())
    })?;
    println!("{requests} requests to {plugins} plugins, 3 reloads, {failed} failed");
    if failed == 0 { Ok(()) } else { Err("requests failed".into()) }
}
