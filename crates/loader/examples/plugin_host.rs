//! A host that runs plugins from a folder and takes up new versions while it runs.
//!
//! ```text
//! cargo run -p loadline-loader --example plugin_host              # shows itself, and ends
//! cargo run -p loadline-loader --example plugin_host -- plugins/  # watches that folder
//! ```
//!
//! A plugin is a `.wasm` or `.wat` file that exports `answer: [i32] -> [i32]`. Compiled plugins are
//! kept in a store beside the folder, so that only new versions are compiled. An old version is
//! unloaded by another thread, after its last call has ended.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use loadline_loader::wasmtime::{Config, Engine, Instance, Store as WasmStore};
use loadline_loader::{
    Lease, LoadObserver, LoadRecord, Loader, LoaderOptions, Store, StoreOptions, Warning,
};

fn main() -> Result<(), Box<dyn Error>> {
    match std::env::args_os().nth(1) {
        Some(folder) => {
            let mut host = Host::new(PathBuf::from(folder))?;
            loop {
                host.reload()?;
                host.call_all(1);
                std::thread::sleep(Duration::from_secs(1));
            }
        }
        None => show(),
    }
}

/// A plugin appears, is replaced by a new version, and by a broken one.
fn show() -> Result<(), Box<dyn Error>> {
    let home = tempfile::tempdir()?;
    let folder = home.path().join("plugins");
    fs::create_dir(&folder)?;
    let mut host = Host::new(folder.clone())?;
    let add = |n: u32| {
        format!(
            r#"(module (func (export "answer") (param i32) (result i32)
                 (i32.add (local.get 0) (i32.const {n}))))"#
        )
    };
    for text in [add(1), add(20), "(module (func".to_owned()] {
        fs::write(folder.join("adder.wat"), text)?;
        host.reload()?;
        host.call_all(1);
    }
    Ok(())
}

struct Host {
    folder: PathBuf,
    store: Store,
    loader: Loader,
    plugins: HashMap<PathBuf, Plugin>,
}

struct Plugin {
    /// Time and length of the file that was tried last.
    version: (SystemTime, u64),
    lease: Option<Lease>,
}

impl Host {
    fn new(folder: PathBuf) -> Result<Host, Box<dyn Error>> {
        let observer = Arc::new(Print);
        let engine = Engine::new(&Config::new())?;
        let options = StoreOptions::new().max_bytes(1 << 30).observer(observer.clone());
        let store = Store::open(folder.with_extension("store"), options)?;
        let loader = Loader::new(&engine, LoaderOptions::new().observer(observer));
        Ok(Host { folder, store, loader, plugins: HashMap::new() })
    }

    /// Loads what is new, keeps the old version where the new one cannot be loaded, and lets go of
    /// what is gone.
    fn reload(&mut self) -> Result<(), Box<dyn Error>> {
        self.plugins.retain(|path, _| path.exists());
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if !path.extension().is_some_and(|end| end == "wasm" || end == "wat") {
                continue;
            }
            let found = fs::metadata(&path)?;
            let version = (found.modified()?, found.len());
            let plugin = self.plugins.entry(path.clone());
            let plugin =
                plugin.or_insert(Plugin { version: (SystemTime::UNIX_EPOCH, 0), lease: None });
            if plugin.version == version {
                continue;
            }
            plugin.version = version;
            match self.loader.load_wasm(&self.store, &fs::read(&path)?) {
                // The old lease is dropped here; calls that run keep it until they end.
                Ok(lease) => plugin.lease = Some(lease),
                Err(error) => eprintln!("{}: {error}, keeping the old version", path.display()),
            }
        }
        Ok(())
    }

    fn call_all(&self, argument: i32) {
        for (path, plugin) in &self.plugins {
            let Some(lease) = &plugin.lease else { continue };
            match call(self.loader.engine(), lease, argument) {
                Ok(answer) => println!("{}: answer({argument}) = {answer}", name(path)),
                Err(error) => eprintln!("{}: {error}", name(path)),
            }
        }
    }
}

/// An instance for one call: plugins keep nothing from one call to the next.
fn call(engine: &Engine, lease: &Lease, argument: i32) -> Result<i32, Box<dyn Error>> {
    let module = lease.module().ok_or("a component, not a module")?;
    let mut store = WasmStore::new(engine, ());
    let instance = Instance::new(&mut store, module, &[])?;
    let answer = instance.get_typed_func::<i32, i32>(&mut store, "answer")?;
    Ok(answer.call(&mut store, argument)?)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Says what happens.
struct Print;

impl LoadObserver for Print {
    fn loaded(&self, record: &LoadRecord<'_>) {
        let time = record.prepare + record.deserialize;
        println!("loaded {} functions in {time:.1?}", record.contents.functions);
    }

    fn warn(&self, warning: &Warning) {
        eprintln!("warning: {warning}");
    }
}
