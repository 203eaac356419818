//! Runs the same work on many items, on a limited number of threads.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Returns the number of threads that the machine runs at once.
pub(crate) fn processors() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Calls `work` with each number of `0..total` once, in rising order, on at most `threads` threads, including
/// the calling thread. After `work` has returned false, no further call begins.
///
/// # Panics
///
/// If `work` panics.
pub(crate) fn each(total: usize, threads: NonZeroUsize, work: impl Fn(usize) -> bool + Sync) {
    let (next, is_stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
    let walk = || {
        while !is_stopped.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= total {
                break;
            }
            if !work(index) {
                is_stopped.store(true, Ordering::Relaxed);
            }
        }
    };
    thread::scope(|scope| {
        for thread in 1..threads.get().min(total) {
            let named = thread::Builder::new().name(format!("loadline-{thread}"));
            // If no further thread can be started, fewer threads do the work.
            if named.spawn_scoped(scope, walk).is_err() {
                break;
            }
        }
        walk();
    });
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn everything_is_done_once_until_somebody_stops() {
        for (total, threads) in [(0, 3), (1, 3), (100, 1), (100, 4)] {
            let done = Mutex::new(Vec::new());
            let threads = NonZeroUsize::new(threads).expect("not zero");
            each(total, threads, |index| {
                done.lock().expect("no thread panics").push(index);
                true
            });
            let mut done = done.into_inner().expect("no thread panics");
            done.sort_unstable();
            assert_eq!(done, (0..total).collect::<Vec<_>>());
        }
        let n_done = AtomicUsize::new(0);
        each(1000, NonZeroUsize::MIN, |index| {
            n_done.fetch_add(1, Ordering::Relaxed);
            index < 9
        });
        assert_eq!(n_done.into_inner(), 10);
    }
}
