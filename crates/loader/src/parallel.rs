//! Runs the same work on many items, on a limited number of threads.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// Returns the number of threads that the machine runs at once.
pub(crate) fn processors() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// Calls `work` with each number of `0..total` once, in rising order, on at most `threads` threads, including
/// the calling thread. After `work` has returned false, no further call begins. When this function returns,
/// its threads no longer exist: `thread::scope` alone would return while they still hold a signal stack.
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
        // If no further thread can be started, fewer threads do the work.
        let started = (1..threads.get().min(total)).map_while(|thread| {
            let named = thread::Builder::new().name(format!("loadline-{thread}"));
            named.spawn_scoped(scope, walk).ok()
        });
        let started: Vec<_> = started.collect();
        walk();
        for thread in started {
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        }
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

    #[test]
    fn threads_have_ended_when_the_work_is_done() {
        static N_ENDED: AtomicUsize = AtomicUsize::new(0);
        /// Takes its time when a thread ends.
        struct Ending;
        impl Drop for Ending {
            fn drop(&mut self) {
                thread::sleep(std::time::Duration::from_millis(20));
                N_ENDED.fetch_add(1, Ordering::Relaxed);
            }
        }
        thread_local! {
            static ENDING: Ending = const { Ending };
        }
        let caller = thread::current().id();
        let all_work = std::sync::Barrier::new(4);
        each(4, NonZeroUsize::new(4).expect("not zero"), |_| {
            if thread::current().id() != caller {
                ENDING.with(|_| ());
            }
            all_work.wait();
            true
        });
        assert_eq!(N_ENDED.load(Ordering::Relaxed), 3);
    }
}
