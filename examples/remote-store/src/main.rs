//! One process compiles a module and offers it over HTTP. Another process loads the module without compiling.
//!
//! ```text
//! head -c 32 /dev/urandom > secret && chmod 600 secret
//! cargo run -- serve secret built answer.wat 127.0.0.1:8080
//! cargo run -- fetch secret fetched http://127.0.0.1:8080 KEY    # in another terminal, with the printed key
//! ```
//!
//! The server stands for an object store. Both processes know the secret. So the network and the server need
//! not be trusted: the second process refuses an entry that was not exported with the secret.

use std::error::Error;
use std::path::Path;

use loadline_loader::wasmtime::{Engine, Instance, Store};
use loadline_loader::{
    ArtifactStore, Key, Loader, LoaderOptions, StoreKey, StoreOptions, UnwindPolicy,
};
use tiny_http::{Response, Server};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", secret, folder, wasm, address] => serve(&open(folder, secret)?, wasm, address),
        ["fetch", secret, folder, server, key] => {
            fetch(&open(folder, secret)?, server, &key.parse()?)
        }
        _ => Err("usage: remote-store serve SECRET FOLDER WASM ADDRESS\n       \
                  remote-store fetch SECRET FOLDER URL KEY"
            .into()),
    }
}

fn open(folder: &str, secret: &str) -> Result<ArtifactStore, Box<dyn Error>> {
    Ok(ArtifactStore::open(folder, StoreOptions::new().key(Key::read(secret)?))?)
}

/// Compiles a module, and answers requests for the entries of the store.
fn serve(
    store: &ArtifactStore,
    wasm: impl AsRef<Path>,
    address: &str,
) -> Result<(), Box<dyn Error>> {
    let engine = Engine::default();
    let wasm = std::fs::read(wasm)?;
    store.artifact(&engine, &wasm)?;
    let key = StoreKey::of(&engine, &wasm, UnwindPolicy::default());

    let server =
        Server::http(address).map_err(|error| format!("cannot serve {address}: {error}"))?;
    println!("http://{} has {key}", server.server_addr());
    for request in server.incoming_requests() {
        let entry = match request.url().trim_start_matches('/').parse() {
            Ok(key) => store.export(&key)?,
            Err(_) => None,
        };
        let sent = match entry {
            Some(bytes) => request.respond(Response::from_data(bytes)),
            None => request.respond(Response::empty(404)),
        };
        if let Err(error) = sent {
            eprintln!("a client did not get its answer: {error}");
        }
    }
    Ok(())
}

/// Loads the module of a key, from this store or from the server, and calls its function `answer`.
fn fetch(store: &ArtifactStore, server: &str, key: &StoreKey) -> Result<(), Box<dyn Error>> {
    let engine = Engine::default();
    let loader = Loader::new(&engine, LoaderOptions::new());
    let plugin = match loader.load_key(store, key)? {
        Some(plugin) => plugin,
        None => {
            let mut response = ureq::get(format!("{server}/{key}")).call()?;
            let bytes = response.body_mut().with_config().limit(1 << 30).read_to_vec()?;
            store.import(key, &bytes)?;
            loader.load_key(store, key)?.ok_or("the entry was removed meanwhile")?
        }
    };
    let module = plugin.module().ok_or("the entry is a component, not a module")?;
    let mut calls = Store::new(&engine, ());
    let instance = Instance::new(&mut calls, module, &[])?;
    let answer = instance.get_typed_func::<(), i32>(&mut calls, "answer")?;
    println!("answer() = {}", answer.call(&mut calls, ())?);
    Ok(())
}
