//! Loading a module whose function types are its own takes time and memory for the types of all
//! modules that are loaded. Prints N, milliseconds for all N loads, and MiB resident after them.

#![allow(unsafe_code)]

use std::time::{Duration, Instant};

use wasmtime::{Engine, Module, Result};

const TYPES: usize = 50;

/// A function type that no other number gives: its digits in base four are the parameters.
fn function_type(number: usize) -> String {
    let digit = |place: usize| ["i32", "i64", "f32", "f64"][number >> (2 * place) & 3];
    let parameters: Vec<&str> = (0..12).map(digit).collect();
    format!("(type (func (param {})))", parameters.join(" "))
}

/// A module that declares the types from number `first` on, and nothing else.
fn artifact(engine: &Engine, first: usize) -> Result<Vec<u8>> {
    let types: String = (first..first + TYPES).map(function_type).collect();
    engine.precompile_module(&wat::parse_str(format!("(module {types})"))?)
}

/// What the kernel says this process has in memory, in MiB; 0 where it does not say it.
fn resident_mib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<usize>().ok());
    kib.unwrap_or(0) / 1024
}

/// Loads as many modules as `largest` says, and prints a row at each power of two.
fn load(kind: &str, largest: usize, first_type: impl Fn(usize) -> usize) -> Result<()> {
    let engine = Engine::default();
    let (mut modules, mut loading) = (Vec::new(), Duration::ZERO);
    for index in 0..largest {
        let artifact = artifact(&engine, first_type(index))?;
        let started = Instant::now();
        // SAFETY: the bytes are what this engine has compiled a moment ago.
        modules.push(unsafe { Module::deserialize(&engine, &artifact)? });
        loading += started.elapsed();
        let n = modules.len();
        if n.is_power_of_two() && n >= largest / 16 {
            println!(
                "{kind:<8} {n:>6} {:>10.1} {:>6}",
                loading.as_secs_f64() * 1e3,
                resident_mib()
            );
        }
    }
    Ok(())
}

fn main() -> Result<()> {
    let largest = std::env::args().nth(1).map_or(Ok(2048), |text| text.parse())?;
    println!("{:<8} {:>6} {:>10} {:>6}", "types", "n", "ms", "MiB");
    load("shared", largest, |_| 0)?;
    load("own", largest, |index| index * TYPES)
}
