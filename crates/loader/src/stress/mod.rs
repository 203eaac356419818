//! Tests eight threads that load, call, unload, evict, and open and close packs at the same time, for seconds
//! or for minutes. No load may fail except as documented, no call may return a wrong result, nothing may be
//! left at the end, and no thread may wait for long for a lock or a condition of this crate.
#![allow(clippy::unwrap_used)]

mod worker;
mod world;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use self::worker::Worker;
use self::world::World;
use crate::locks::measured::{self, FIGURES};

const THREADS: u64 = 8;

/// No thread may wait longer than this, without run-queue delay.
const LONGEST_WAIT: Duration = Duration::from_millis(100);

/// If other programs take a larger share of the CPU time, long waits prove nothing.
const MOST_FOR_OTHERS: f64 = 0.2;

#[test]
fn eight_threads_for_two_seconds() {
    run("stress::eight_threads_for_two_seconds", 2);
}

/// Waits are counted without run-queue delay, so other programs may run at the same time.
mod at_any_load {
    #[test]
    #[ignore = "slow: eight threads for five minutes, or for LOADLINE_STRESS_SECONDS"]
    fn eight_threads_for_minutes() {
        let seconds = std::env::var("LOADLINE_STRESS_SECONDS");
        let seconds = seconds.map_or(300, |seconds| seconds.parse().expect("a number of seconds"));
        super::run("stress::at_any_load::eight_threads_for_minutes", seconds);
    }
}

fn run(test: &str, seconds: u64) {
    // A process of its own, because the descriptors and mappings of the whole process are counted.
    if !loadline_testing::alone(test) {
        return;
    }
    let seed = std::env::var("LOADLINE_STRESS_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(std::process::id()) ^ nanos_of_clock());
    println!("repeat with LOADLINE_STRESS_SEED={seed}");
    let world = World::new();
    measured::start();
    let before = world::in_process();
    let counts = world.open();
    let cpu_before = world::cpu_ticks();
    let end = Instant::now() + Duration::from_secs(seconds);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (world, counts) = (&world, &counts);
            scope.spawn(move || Worker::new(world, counts, seed.wrapping_add(thread)).work(end));
        }
    });
    let share = cpu_before.share_of_others(&world::cpu_ticks());
    let n_operations = counts.n_operations.load(Ordering::Relaxed);
    println!("{n_operations} operations in {seconds} s: {counts:?}");
    counts.close(&world);
    let after = world::in_process();
    println!("before: {before:?}, after: {after:?}");
    assert_eq!(after.descriptors, before.descriptors, "descriptors are left");
    assert_eq!(after.executable, before.executable, "mappings of code are left");
    assert!(after.rss_kb < before.rss_kb + 64 * 1024, "memory is left");
    // The C library keeps some memory for each thread.
    assert!(after.mappings <= before.mappings + 20 * THREADS as usize, "mappings are left");
    assert!(n_operations > 100 * seconds, "hardly anything was done");
    assert_no_long_wait(share);
}

/// Some run-queue delay cannot be distinguished from waiting. It is the delay of a thread that has a lock of the
/// kernel, of the C library or of Wasmtime, for which a thread with one of our locks waits. With eight threads on
/// two CPUs and little else, this adds some 20 ms. So a longer wait proves nothing while other programs take the
/// CPUs.
fn assert_no_long_wait(share_of_others: f64) {
    println!("{FIGURES:#?}");
    println!("other programs took {:.0} % of the CPU time", share_of_others * 100.0);
    for (what, longest) in [
        ("wait for a lock", &FIGURES.lock),
        ("wait for a condition", &FIGURES.condition),
        ("wait for the lock of a file", &FIGURES.file),
    ] {
        if Duration::from_nanos(longest.ns()) < LONGEST_WAIT {
            continue;
        }
        assert!(share_of_others > MOST_FOR_OTHERS, "too long a {what}: {longest:?}");
        loadline_testing::skip!("waits are not judged, because other programs take the CPUs");
    }
}

fn nanos_of_clock() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| u64::from(now.subsec_nanos()) << 20)
}
