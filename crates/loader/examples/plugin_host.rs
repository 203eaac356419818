//! A host that runs plugins from a folder and loads new versions while the host runs.
//!
//! ```text
//! cargo run -p loadline-loader --example plugin_host              # runs a short demonstration
//! cargo run -p loadline-loader --example plugin_host -- plugins/  # runs the plugins in that folder
//! ```
//!
//! A plugin is a `.wasm` or `.wat` file that exports `answer: [i32] -> [i32]`. The host keeps compiled
//! plugins in a store next to the folder, so it compiles only new versions. Another thread unloads an old
//! version after the last call of that version has ended.

use std::collections::HashMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use loadline_loader::wasmtime::{Config, Engine, Instance, Store};
use loadline_loader::{
    ArtifactStore, Lease, LoadObserver, LoadRecord, Loader, LoaderOptions, StoreOptions, Warning,
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

/// Adds a plugin, replaces it with a new version, and then with a broken version.
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
    store: ArtifactStore,
    loader: Loader,
    plugins: HashMap<PathBuf, Plugin>,
}

struct Plugin {
    /// Modification time and length of the file at the last attempt to load it.
    version: (SystemTime, u64),
    lease: Option<Lease>,
}

impl Host {
    fn new(folder: PathBuf) -> Result<Host, Box<dyn Error>> {
        let observer = Arc::new(Print);
        let engine = Engine::new(&Config::new())?;
        let options = StoreOptions::new().max_bytes(1 << 30).observer(observer.clone());
        let store = ArtifactStore::open(folder.with_extension("store"), options)?;
        let loader = Loader::new(&engine, LoaderOptions::new().observer(observer));
        Ok(Host { folder, store, loader, plugins: HashMap::new() })
    }

    /// Loads new versions and drops plugins whose file was removed. If a new version cannot be loaded, the
    /// host keeps the old version.
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
                // This drops the old lease. Running calls keep the old module until they end.
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

/// Calls a plugin in a new instance, because plugins keep no state between calls.
fn call(engine: &Engine, lease: &Lease, argument: i32) -> Result<i32, Box<dyn Error>> {
    let module = lease.module().ok_or("a component, not a module")?;
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, module, &[])?;
    let answer = instance.get_typed_func::<i32, i32>(&mut store, "answer")?;
    Ok(answer.call(&mut store, argument)?)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Prints each load and each warning.
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
