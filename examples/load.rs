//! Loads N precompiled modules with the `wasmtime` crate and drops them, the oldest first.
//!
//! Without an argument it prints how the two phases scale.

#![allow(unsafe_code)]

use std::env;

use loadline_harness::Phases;
use wasmtime::{Config, Engine, Module};

const WAT: &str = r#"(module (func (export "id") (param i32) (result i32) local.get 0))"#;

fn main() {
    loadline_harness::run(|n, phases| {
        load_and_drop(n, phases).expect("the module compiles and loads");
    });
}

fn load_and_drop(n: usize, phases: &mut Phases) -> wasmtime::Result<()> {
    let mut config = Config::new();
    config.native_unwind_info(env::var("NATIVE_UNWIND").as_deref() != Ok("0"));
    let engine = Engine::new(&config)?;
    let artifact = engine.precompile_module(&wat::parse_str(WAT)?)?;

    let modules = phases.measure("load", || {
        // SAFETY: the bytes are what this engine has compiled a moment ago.
        let load = |_| unsafe { Module::deserialize(&engine, &artifact) };
        let modules: wasmtime::Result<Vec<Module>> = (0..n).map(load).collect();
        println!("loadline:metric=modules:{n}:count");
        modules
    })?;
    let loaded = modules.len();

    // A Vec drops its first element first: the oldest.
    phases.measure("unload", || drop(modules));
    println!("loadline:check={loaded}");
    Ok(())
}
