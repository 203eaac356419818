//! Loads the same artifact N times, so that callgrind shows what each load does again. Prints N and the
//! artifact's length:
//!
//! ```text
//! cargo build -p loadline-runner --example load_cost
//! valgrind --tool=callgrind target/debug/examples/load_cost 2000
//! callgrind_annotate --inclusive=yes callgrind.out.*
//! ```

#![allow(unsafe_code)]

use wasmtime::{Config, Engine, Module, Result};

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
    // Without unwind tables, whose cost depends on the unwinder.
    let engine = Engine::new(Config::new().native_unwind_info(false))?;
    let artifact = engine.precompile_module(&wat::parse_str(module())?)?;
    for _ in 0..loads {
        // SAFETY: the bytes are what this engine has compiled a moment ago.
        drop(unsafe { Module::deserialize(&engine, &artifact)? });
    }
    println!("{loads} loads of {} bytes", artifact.len());
    Ok(())
}
