//! Giving a Store a host function of a type that only its newest module has looks through all modules
//! of the Store. Prints N, milliseconds for all N instances, and microseconds for each of the newer half.

use std::time::{Duration, Instant};

use wasmtime::{Engine, Func, FuncType, Instance, Module, Result, Store, ValType};

/// The parameters of a function type that no other number gives: its digits in base four.
fn parameters(number: usize) -> impl Iterator<Item = (&'static str, ValType)> {
    let all = [("i32", ValType::I32), ("i64", ValType::I64), ("f32", ValType::F32)];
    let all = all.into_iter().chain([("f64", ValType::F64)]).collect::<Vec<_>>();
    (0..8).map(move |place| all[number >> (2 * place) & 3].clone())
}

/// Instances of as many modules as `largest` says, all in one Store; each imports one host function.
fn instantiate(kind: &str, largest: usize, number_of: impl Fn(usize) -> usize) -> Result<()> {
    let engine = Engine::default();
    let mut store = Store::new(&engine, ());
    let (mut all, mut newer) = (Duration::ZERO, Duration::ZERO);
    for n in 1..=largest {
        let number = number_of(n);
        let names: Vec<&str> = parameters(number).map(|(name, _)| name).collect();
        let import = format!("(import \"host\" \"f\" (func (param {})))", names.join(" "));
        let module = Module::new(&engine, wat::parse_str(format!("(module {import})"))?)?;
        let ty = FuncType::new(&engine, parameters(number).map(|(_, ty)| ty), []);
        let started = Instant::now();
        let host = Func::new(&mut store, ty, |_, _, _| Ok(()));
        Instance::new(&mut store, &module, &[host.into()])?;
        all += started.elapsed();
        newer += started.elapsed();
        if n.is_power_of_two() {
            if n >= largest / 16 {
                let each = newer.as_secs_f64() * 1e6 / (n - n / 2) as f64;
                println!("{kind:<8} {n:>6} {:>10.1} {each:>10.1}", all.as_secs_f64() * 1e3);
            }
            newer = Duration::ZERO;
        }
    }
    Ok(())
}

fn main() -> Result<()> {
    let largest = std::env::args().nth(1).map_or(Ok(4096), |text| text.parse())?;
    println!("{:<8} {:>6} {:>10} {:>10}", "type", "n", "ms", "us/newest");
    instantiate("shared", largest, |_| 0)?;
    instantiate("own", largest, |n| n)
}
