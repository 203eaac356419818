//! A component of K core modules tells a profiler of its whole image K times. Prints K, milliseconds to
//! load the component, and how many lines that put into the perf map.

#![allow(unsafe_code)]

use std::fs;
use std::time::Instant;

use wasmtime::component::Component;
use wasmtime::{Config, Engine, ProfilingStrategy, Result};

const FUNCTIONS: usize = 20;

/// A component of so many core modules, each with functions of its own, and instances of them.
fn component(core_modules: usize) -> String {
    let one = |index: usize| {
        let function = |f| format!("(func (export \"m{index}f{f}\") (result i32) i32.const {f})");
        let functions: String = (0..FUNCTIONS).map(function).collect();
        format!("(core module $m{index} {functions})(core instance (instantiate $m{index}))")
    };
    format!("(component {})", (0..core_modules).map(one).collect::<String>())
}

/// Lines in the file that Wasmtime writes for perf; 0 where there is none.
fn lines(path: &str) -> usize {
    fs::read_to_string(path).map_or(0, |map| map.lines().count())
}

fn main() -> Result<()> {
    let largest = std::env::args().nth(1).map_or(Ok(80), |text| text.parse())?;
    let perf_map = format!("/tmp/perf-{}.map", std::process::id());
    println!("{:<8} {:>6} {:>10} {:>8}", "profiler", "k", "ms", "lines");
    for (kind, profiler) in
        [("none", ProfilingStrategy::None), ("perf-map", ProfilingStrategy::PerfMap)]
    {
        let engine = Engine::new(Config::new().profiler(profiler))?;
        let sizes = std::iter::successors(Some(largest / 8), |k| Some(k * 2));
        for k in sizes.take_while(|k| *k <= largest) {
            let artifact = engine.precompile_component(&wat::parse_str(component(k))?)?;
            let (before, started) = (lines(&perf_map), Instant::now());
            // SAFETY: the bytes are what this engine has compiled a moment ago.
            let loaded = unsafe { Component::deserialize(&engine, &artifact)? };
            let ms = started.elapsed().as_secs_f64() * 1e3;
            println!("{kind:<8} {k:>6} {ms:>10.2} {:>8}", lines(&perf_map) - before);
            drop(loaded);
        }
    }
    let _ = fs::remove_file(&perf_map);
    Ok(())
}
