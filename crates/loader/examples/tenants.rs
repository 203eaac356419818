//! A host with more tenants than it keeps loaded: modules come and go all the time.
//!
//! ```text
//! cargo run -p loadline-loader --example tenants
//! cargo run -p loadline-loader --example tenants -- 2000 200 50000   # tenants, loaded, requests
//! ```
//!
//! All tenants are in one pack, so a tenant that comes back costs no mapping, no copy and no change
//! of protection. At the end it says what loads and unloads took, first and last: it is the same.

use std::collections::VecDeque;
use std::error::Error;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use loadline_loader::compile::Workshop;
use loadline_loader::{
    Lease, LoadObserver, LoadRecord, Loader, LoaderOptions, UnloadRecord, generate,
};
use loadline_scenario::{Corpus, Generated, Random};

#[cfg(not(unix))]
fn main() {
    println!("skipped: packs are for Unix");
}

#[cfg(unix)]
fn main() -> Result<(), Box<dyn Error>> {
    use loadline_loader::pack::{self, Pack, PackOptions, PackWriter};
    use loadline_loader::wasmtime::{Config, Engine};

    let numbers: Result<Vec<usize>, _> =
        std::env::args().skip(1).map(|word| word.parse()).collect();
    let (tenants, loaded, requests) = match numbers?[..] {
        [] => (200, 40, 5000),
        [tenants, loaded, requests] => (tenants, loaded, requests),
        _ => return Err("usage: tenants [TENANTS LOADED REQUESTS]".into()),
    };
    let home = tempfile::tempdir()?;
    let path = home.path().join("tenants.pack");
    let axes = Generated::default();
    let workshop = Workshop::open(&Corpus::Generated(axes))?;
    let mut writer = PackWriter::create(&path, None)?;
    for tenant in 0..tenants {
        writer.add(format!("tenant {tenant}"), &workshop.artifact(tenant)?)?;
    }
    writer.finish()?;

    let mut config = Config::new();
    pack::configure(&mut config);
    let engine = Engine::new(&config)?;
    let times = Arc::new(Times::default());
    let loader = Loader::new(&engine, LoaderOptions::new().observer(times.clone()));
    let pack = Pack::open(&path, PackOptions::new())?;
    let mut resident: VecDeque<(usize, Lease)> = VecDeque::new();
    let mut random = Random::new(7);
    let began = Instant::now();
    for _ in 0..requests {
        // A few tenants are asked for much more often than the others.
        let tenant = random.below(1 + random.clone().below(tenants as u64)) as usize;
        let lease = match resident.iter().position(|(resident, _)| *resident == tenant) {
            Some(at) => resident.remove(at).map(|(_, lease)| lease),
            None => None,
        };
        let lease = match lease {
            Some(lease) => lease,
            None => loader.load_packed(&pack, &format!("tenant {tenant}"))?,
        };
        lease.call(&engine, &generate::call(&axes, tenant))?;
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
