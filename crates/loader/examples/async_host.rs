//! Loads modules in an async program.
//!
//! ```text
//! cargo run -p loadline-loader --example async_host
//! ```
//!
//! A load may compile, read files, and wait for another process that compiles the same module. So an async
//! program runs it with `spawn_blocking`, and the executor serves other tasks meanwhile. Dropping a lease
//! never waits, so it needs no such care.

use std::error::Error;

use loadline_loader::wasmtime::{Config, Engine, Instance, Store};
use loadline_loader::{
    ArtifactStore, Error as LoadError, Lease, Loader, LoaderOptions, StoreOptions,
};
use tokio::runtime::Builder;
use tokio::task::{JoinSet, spawn_blocking};

fn main() -> Result<(), Box<dyn Error>> {
    // One thread for all tasks. `spawn_blocking` has threads of its own.
    Builder::new_current_thread().build()?.block_on(serve())
}

/// Loads a module without blocking the executor.
pub async fn load(
    loader: &Loader,
    store: &ArtifactStore,
    wasm: Vec<u8>,
) -> Result<Lease, LoadError> {
    let (loader, store) = (loader.clone(), store.clone());
    let loading = spawn_blocking(move || loader.load_wasm(&store, &wasm));
    loading.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
}

async fn serve() -> Result<(), Box<dyn Error>> {
    let home = tempfile::tempdir()?;
    let store = ArtifactStore::open(home.path().join("store"), StoreOptions::new())?;
    let loader = Loader::new(&Engine::new(&Config::new())?, LoaderOptions::new());
    let mut requests = JoinSet::new();
    for number in 0..4 {
        let (loader, store) = (loader.clone(), store.clone());
        let wasm =
            format!(r#"(module (func (export "answer") (result i32) (i32.const {number})))"#);
        requests.spawn(async move {
            let lease = load(&loader, &store, wasm.into_bytes()).await?;
            let mut calls = Store::new(loader.engine(), ());
            let module = lease.module().expect("it is not a component");
            let instance = Instance::new(&mut calls, module, &[])?;
            let answer = instance.get_typed_func::<(), i32>(&mut calls, "answer")?;
            Ok::<i32, Box<dyn Error + Send + Sync>>(answer.call(&mut calls, ())?)
        });
    }
    let mut answers = Vec::new();
    while let Some(answer) = requests.join_next().await {
        answers.push(answer?.map_err(|error| error as Box<dyn Error>)?);
    }
    answers.sort_unstable();
    println!("answers: {answers:?}");
    Ok(())
}
