//! Loads N precompiled modules with the `wasmtime` crate and drops them, the oldest first.
//!
//! The lines it prints tell Loadline which stretch is which; run by hand they are just output.

#![allow(unsafe_code)]

use std::env;
use std::io::{self, Write};

use wasmtime::{Config, Engine, Module};

const WAT: &str = r#"(module (func (export "id") (param i32) (result i32) local.get 0))"#;

/// From here on everything counts as `name`.
fn phase(name: &str) -> io::Result<()> {
    println!("loadline:phase={name}");
    io::stdout().flush()?;
    if env::var_os("LOADLINE_ACK").is_some() {
        io::stdin().read_line(&mut String::new())?; // the counters have been read
    }
    Ok(())
}

fn main() -> wasmtime::Result<()> {
    let n: usize = env::args().nth(1).unwrap_or_default().parse()?;
    let mut config = Config::new();
    config.native_unwind_info(env::var("NATIVE_UNWIND").as_deref() != Ok("0"));
    let engine = Engine::new(&config)?;
    let artifact = engine.precompile_module(&wat::parse_str(WAT)?)?;

    phase("load")?;
    // SAFETY: the bytes are what this engine has compiled a moment ago.
    let load = |_| unsafe { Module::deserialize(&engine, &artifact) };
    let modules: Vec<Module> = (0..n).map(load).collect::<Result<_, _>>()?;
    let loaded = modules.len();
    println!("loadline:metric=modules:{loaded}:count");

    phase("unload")?;
    drop(modules); // a Vec drops its first element first: the oldest

    phase("none")?;
    println!("loadline:check={loaded}");
    Ok(())
}
