//! Measures the cost of native unwinds while packed modules are loaded:
//!
//! ```text
//! cargo bench --profile dev -p loadline-workload --bench native_unwind -- --bench
//! ```
//!
//! The benchmark prints the frames that are visible from a host function called from wasm, and the time of
//! one such backtrace. It also prints the times of a backtrace and of a panic in the host alone, on one
//! thread and on two. It runs in one process, first without modules and then with more and more modules.
#![allow(clippy::unwrap_used, unsafe_code)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use loadline_workload::backtrace::frames;
use loadline_workload::loader::pack::{self, Pack, PackOptions, PackWriter};
use loadline_workload::loader::wasmtime::{Caller, Config, Engine, Func, Instance, Module, Store};
use loadline_workload::loader::{Loaded, compile, native_unwind};

const DEPTH: usize = 8;
const POPULATIONS: [usize; 4] = [1000, 4000, 16_000, 32_000];

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        return; // `cargo test` starts benches, too.
    }
    if let Err(reason) = native_unwind::enable() {
        println!("skipped: {reason}");
        return;
    }
    std::panic::set_hook(Box::new(|_| {}));
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("bench.pack");
    let most = POPULATIONS[POPULATIONS.len() - 1];
    build(&path, most);
    let mut config = Config::new();
    pack::configure(&mut config);
    let engine = Engine::new(&config).unwrap();
    println!(
        "ns, best of several      wasm backtrace   host backtrace       panic, 1 thread and 2"
    );
    row(0, None);
    let pack = Pack::open(&path, PackOptions::new()).unwrap();
    let mut loaded: Vec<Loaded> = Vec::new();
    for population in POPULATIONS {
        let more = loaded.len()..population;
        loaded.extend(more.map(|index| pack.load_at(&engine, index).unwrap()));
        let Loaded::Module(module) = &loaded[population / 2] else { panic!("a module") };
        row(population, Some(through_wasm(&engine, module)));
    }
    drop(loaded);
    pack.close().unwrap();
}

fn build(path: &std::path::Path, modules: usize) {
    let mut text = r#"(module (import "" "host" (func $host))"#.to_owned();
    for depth in 0..DEPTH {
        let callee =
            if depth + 1 == DEPTH { "$host".to_owned() } else { format!("$f{}", depth + 1) };
        text += &format!("(func $f{depth} (call {callee}) (drop (i32.const 1)))");
    }
    text += r#"(export "go" (func $f0)))"#;
    let artifact = compile::bytes(&Engine::default(), text.as_bytes()).unwrap();
    let mut writer = PackWriter::create(path, None).unwrap();
    for number in 0..modules {
        let mut artifact = artifact.clone();
        artifact.number(number as u64);
        writer.add(number.to_string(), &artifact).unwrap();
    }
    writer.finish().unwrap();
}

fn row(population: usize, through_wasm: Option<(usize, f64)>) {
    let wasm =
        through_wasm.map_or("–".to_owned(), |(frames, time)| format!("{time:.0} ({frames})"));
    let host = best(|| {
        black_box(frames());
    });
    let panic = || {
        let _ = black_box(std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(0))));
    };
    let one = best(panic);
    let two = std::thread::scope(|scope| {
        let threads = [(), ()].map(|()| scope.spawn(|| best(panic)));
        threads.map(|thread| thread.join().unwrap()).into_iter().sum::<f64>() / 2.0
    });
    println!("{population:>6} modules {wasm:>23} {host:>16.0} {one:>16.0} {two:>10.0}");
}

/// Returns the number of frames that are visible from within wasm, and the time of one backtrace there.
fn through_wasm(engine: &Engine, module: &Module) -> (usize, f64) {
    let mut store = Store::new(engine, (0, 0.0));
    let host = Func::wrap(&mut store, |mut caller: Caller<'_, (usize, f64)>| {
        let time = best(|| {
            black_box(frames());
        });
        *caller.data_mut() = (frames(), time);
    });
    let instance = Instance::new(&mut store, module, &[host.into()]).unwrap();
    instance.get_typed_func::<(), ()>(&mut store, "go").unwrap().call(&mut store, ()).unwrap();
    *store.data()
}

/// Returns the nanoseconds of one call, as the best of several hundred batches.
fn best(mut work: impl FnMut()) -> f64 {
    const BATCH: u32 = 50;
    let batches = (0..300).map(|_| {
        let began = Instant::now();
        (0..BATCH).for_each(|_| work());
        began.elapsed()
    });
    batches.min().unwrap_or(Duration::ZERO).as_nanos() as f64 / f64::from(BATCH)
}
