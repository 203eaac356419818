//! A host with more tenants than it keeps loaded, so it loads and unloads modules all the time.
//!
//! ```text
//! cargo run -p loadline-loader --example tenants
//! cargo run -p loadline-loader --example tenants -- 2000 200 50000   # tenants, loaded, requests
//! ```
//!
//! All tenants are in one pack, so loading a tenant again needs no mapping, no copy and no change of
//! protection. At the end, the example prints the median times of the first and of the last loads and
//! unloads. The times do not grow.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use loadline_loader::wasmtime::{Engine, Instance, Store};
use loadline_loader::{
    Lease, LoadObserver, LoadRecord, Loader, LoaderOptions, UnloadRecord, compile,
};

#[cfg(not(unix))]
fn main() {
    println!("skipped: packs are for Unix");
}

#[cfg(unix)]
fn main() -> Result<(), Box<dyn Error>> {
    use loadline_loader::pack::{self, Pack, PackOptions, PackWriter};
    use loadline_loader::wasmtime::Config;

    let numbers: Result<Vec<usize>, _> =
        std::env::args().skip(1).map(|word| word.parse()).collect();
    let (tenants, loaded, requests) = match numbers?[..] {
        [] => (200, 40, 5000),
        [tenants, loaded, requests] => (tenants, loaded, requests),
        _ => return Err("usage: tenants [TENANTS LOADED REQUESTS]".into()),
    };
    let home = tempfile::tempdir()?;
    let path = home.path().join("tenants.pack");
    let mut config = Config::new();
    pack::configure(&mut config);
    let engine = Engine::new(&config)?;
    let mut writer = PackWriter::create(&path, None)?;
    for tenant in 0..tenants {
        let artifact = compile::bytes(&engine, text(tenant).as_bytes())?;
        writer.add(format!("tenant {tenant}"), &artifact)?;
    }
    writer.finish()?;

    let times = Arc::new(Times::default());
    let loader = Loader::new(&engine, LoaderOptions::new().observer(times.clone()));
    let pack = Pack::open(&path, PackOptions::new())?;
    let mut resident: VecDeque<(usize, Lease)> = VecDeque::new();
    let mut random = fastrand::Rng::with_seed(7);
    let began = Instant::now();
    for _ in 0..requests {
        // A few tenants get most of the requests.
        let tenant = random.usize(..1 + random.clone().usize(..tenants));
        let lease = match resident.iter().position(|(resident, _)| *resident == tenant) {
            Some(at) => resident.remove(at).map(|(_, lease)| lease),
            None => None,
        };
        let lease = match lease {
            Some(lease) => lease,
            None => loader.load_packed(&pack, &format!("tenant {tenant}"))?,
        };
        call(&engine, &lease, tenant)?;
        resident.push_back((tenant, lease));
        if resident.len() > loaded {
            resident.pop_front(); // Another thread unloads it.
        }
    }
    println!("{requests} requests to {tenants} tenants in {:.1?}", began.elapsed());
    drop(resident);
    loader.flush();
    pack.close()?;
    times.tell();
    Ok(())
}

/// Returns the text of a tenant's module, which answers with the tenant's number.
fn text(tenant: usize) -> String {
    format!(r#"(module (func (export "tenant") (result i32) (i32.const {tenant})))"#)
}

fn call(engine: &Engine, lease: &Lease, tenant: usize) -> Result<(), Box<dyn Error>> {
    let module = lease.module().ok_or("a component, not a module")?;
    let mut store = Store::new(engine, ());
    let instance = Instance::new(&mut store, module, &[])?;
    let answer = instance.get_typed_func::<(), i32>(&mut store, "tenant")?.call(&mut store, ())?;
    if answer as usize == tenant { Ok(()) } else { Err("the wrong tenant answered".into()) }
}

#[derive(Default)]
struct Times {
    loads: Mutex<Vec<Duration>>,
    unloads: Mutex<Vec<Duration>>,
}

impl LoadObserver for Times {
    fn loaded(&self, record: &LoadRecord<'_>) {
        if let Ok(mut loads) = self.loads.lock()
            && !record.is_shared
        {
            loads.push(record.deserialize);
        }
    }

    fn unloaded(&self, record: &UnloadRecord) {
        if let Ok(mut unloads) = self.unloads.lock() {
            unloads.push(record.took);
        }
    }
}

impl Times {
    fn tell(&self) {
        for (what, times) in [("load", &self.loads), ("unload", &self.unloads)] {
            let Ok(times) = times.lock() else { continue };
            let tenth = times.len() / 10;
            let median = |part: &[Duration]| {
                let mut part = part.to_vec();
                part.sort();
                part.get(part.len() / 2).copied().unwrap_or_default()
            };
            let (first, last) = (&times[..tenth], &times[times.len() - tenth..]);
            println!(
                "{} {what}s, a median of {:.1?} in the first tenth and {:.1?} in the last",
                times.len(),
                median(first),
                median(last)
            );
        }
    }
}
