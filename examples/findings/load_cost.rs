//! Loads the same artifact N times, so that callgrind shows what each load does again. Prints N and the
//! artifact's length:
//!
//! ```text
//! cargo build -p loadline-runner --example load_cost
//! valgrind --tool=callgrind target/debug/examples/load_cost 2000
//! callgrind_annotate --inclusive=yes callgrind.out.*
//! ```
//!
//! With a second argument, another module keeps the types registered: `load_cost 2000 kept`. With `instance`,
//! the program also makes an instance of each module and calls a function.

#![allow(unsafe_code)]

use wasmtime::{Config, Engine, Instance, Module, Result, Store};

const FUNCTIONS: usize = 32;

/// A module of functions with ten types.
fn module() -> String {
    let function = |index: usize| {
        let parameters = "i32 ".repeat(1 + index % 10);
        let body = "(i32.mul (i32.const 3) (local.get 0)) (i32.add (local.get 0)) ".repeat(12);
        let adds = "(i32.add) ".repeat(11);
        format!("(func (export \"f{index}\") (param {parameters}) (result i32) {body} {adds})")
    };
    format!("(module {})", (0..FUNCTIONS).map(function).collect::<String>())
}

fn main() -> Result<()> {
    let loads = std::env::args().nth(1).map_or(Ok(200), |text| text.parse())?;
    let mode = std::env::args().nth(2).unwrap_or_else(|| "alone".to_owned());
    // Without unwind tables, whose cost depends on the unwinder.
    let engine = Engine::new(Config::new().native_unwind_info(false))?;
    let artifact = engine.precompile_module(&wat::parse_str(module())?)?;
    // SAFETY: the bytes are what this engine has compiled a moment ago.
    let load = || unsafe { Module::deserialize(&engine, &artifact) };
    let _kept = (mode != "alone").then(load).transpose()?;
    for _ in 0..loads {
        let module = load()?;
        if mode == "instance" {
            let mut store = Store::new(&engine, ());
            let instance = Instance::new(&mut store, &module, &[])?;
            instance.get_typed_func::<i32, i32>(&mut store, "f0")?.call(&mut store, 7)?;
        }
    }
    println!("{loads} loads of {} bytes", artifact.len());
    Ok(())
}
