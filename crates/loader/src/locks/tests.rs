//! Tests of what the locks measure.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use loadline_testing::alone;

use super::measured::{Condvar, FIGURES, Mutex, RwLock, lost_ns, start};

/// A wait is counted, whether the holder sleeps or computes.
#[test]
fn a_long_wait_is_found() {
    if !alone("locks::tests::a_long_wait_is_found") {
        return;
    }
    start();
    let (mutex, changed) = (Mutex::new(0), Condvar::new());
    let held = mutex.lock();
    let started = Barrier::new(2);
    thread::scope(|scope| {
        scope.spawn(|| {
            started.wait();
            *mutex.lock() += 1;
            changed.notify_all();
        });
        started.wait();
        thread::sleep(Duration::from_millis(40));
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(10) {}
        drop(held);
    });
    let day = Duration::from_secs(86_400);
    drop(changed.wait_while(&mutex, mutex.lock(), day, |n| *n == 0));
    drop(changed.wait_while(&mutex, mutex.lock(), Duration::from_millis(30), |n| *n == 1));
    for (longest, least_ms) in [(&FIGURES.lock, 25), (&FIGURES.hold, 25), (&FIGURES.condition, 15)]
    {
        assert!(longest.ns() > least_ms * 1_000_000, "{FIGURES:?}");
    }
    assert!(FIGURES.n_waits.load(Ordering::Relaxed) >= 2);
}

/// The holder loses its CPU to other threads, and the wait for it is not counted as long.
#[test]
fn the_delay_of_a_holder_is_not_counted() {
    if !alone("locks::tests::the_delay_of_a_holder_is_not_counted") {
        return;
    }
    start();
    let lock = RwLock::new(0);
    let (is_done, n_busy) = (AtomicBool::new(false), 6 * crate::parallel::processors().get());
    thread::scope(|scope| {
        for _ in 0..n_busy {
            scope.spawn(|| {
                while !is_done.load(Ordering::Relaxed) {
                    std::hint::spin_loop()
                }
            });
        }
        let held = lock.write();
        scope.spawn(|| drop(lock.read()));
        // The threads take turns on the CPUs.
        let began = Instant::now();
        while lost_ns() < 40_000_000 && began.elapsed() < Duration::from_secs(10) {
            std::hint::spin_loop();
        }
        drop(held);
        is_done.store(true, Ordering::Relaxed);
    });
    if lost_ns() < 40_000_000 {
        loadline_testing::skip!("this system does not tell the run-queue delay");
        return;
    }
    let (counted, all) = (FIGURES.lock.ns(), FIGURES.with_delay.ns());
    assert!(counted < all / 2, "{FIGURES:?}");
}
