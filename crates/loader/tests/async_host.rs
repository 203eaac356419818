//! Tests that an async program can load without blocking its executor, as the example `async_host` does.
#![cfg(all(unix, feature = "compile"))]
#![allow(clippy::unwrap_used)]

#[path = "../examples/async_host.rs"]
#[allow(dead_code)]
mod async_host;
mod common;

use std::fs::File;
use std::sync::mpsc;
use std::time::Duration;

use common::{check, engine, wasm};
use loadline_loader::{ArtifactStore, Loader, LoaderOptions, StoreKey, StoreOptions, UnwindPolicy};

/// The load waits for a lock that the test releases from another task of the same executor.
async fn loads_while_another_task_runs() {
    let home = tempfile::tempdir().unwrap();
    let store = ArtifactStore::open(home.path().join("store"), StoreOptions::new()).unwrap();
    let loader = Loader::new(&engine(), LoaderOptions::new());
    // As if another process compiled the module at this moment.
    let key = StoreKey::of(loader.engine(), &wasm(0), UnwindPolicy::default()).to_string();
    let compiling = File::create(store.folder().join("locks").join(&key[..2])).unwrap();
    compiling.lock().unwrap();

    let (of_task, store) = (loader.clone(), store.clone());
    let load = tokio::spawn(async move { async_host::load(&of_task, &store, wasm(0)).await });
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    assert!(!load.is_finished());
    compiling.unlock().unwrap();
    check(loader.engine(), &load.await.unwrap().unwrap(), 0);
}

#[test]
fn the_executor_is_never_blocked() {
    let (tell, told) = mpsc::channel();
    // A blocked executor fails the test instead of blocking it.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(loads_while_another_task_runs());
        tell.send(()).unwrap();
    });
    told.recv_timeout(Duration::from_secs(60)).expect("the executor goes on");
}
