//! Unloading off the hot path: modules are dropped by a thread of its own, in batches, in the order
//! that is cheap on the active unwinder.
//!
//! Which order that is depends on how the unwinder finds what is deregistered. A module without
//! tables is not deregistered, so its turn does not matter. libgcc up to release 12 keeps two lists
//! (GCC 12, `unwind-dw2-fde.c`): what was registered since the last unwind, newest first, and what
//! an unwind has seen, by falling address. Deregistering the head of either is one step, and of a
//! random one half of them all. LLVM's libunwind goes through everything in any order; libgcc from
//! release 13 through next to nothing.

use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crate::artifact::Loaded;
use crate::contents::Contents;
use crate::unwinder::{self, Family};
use crate::watch::{LoadObserver, UnloadRecord};

/// A module whose last handle is gone.
pub(crate) struct Retired {
    pub(crate) loaded: Loaded,
    pub(crate) contents: Contents,
    /// The place of its load among all loads.
    pub(crate) number: u64,
    pub(crate) since: Instant,
}

/// The thread that drops modules, and what waits for it.
pub(crate) struct Unloader {
    queue: Arc<Queue>,
    thread: Option<JoinHandle<()>>,
}

struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    observer: Arc<dyn LoadObserver>,
}

#[derive(Default)]
struct State {
    waiting: Vec<Retired>,
    /// Handed over so far, and dropped so far.
    n_retired: u64,
    n_dropped: u64,
    is_closed: bool,
}

impl Unloader {
    /// Starts the thread. Without one, modules are dropped by whoever hands them over.
    pub(crate) fn start(observer: Arc<dyn LoadObserver>) -> Unloader {
        let state = Mutex::new(State::default());
        let queue = Arc::new(Queue { state, changed: Condvar::new(), observer });
        let walked = Arc::clone(&queue);
        let thread = thread::Builder::new().name("loadline-unload".to_owned());
        let thread = thread.spawn(move || walked.walk()).ok();
        Unloader { queue, thread }
    }

    /// Hands a module over, and returns at once.
    pub(crate) fn retire(&self, retired: Retired) {
        let mut state = self.queue.lock();
        state.n_retired += 1;
        if self.thread.is_none() {
            drop(state);
            self.queue.drop_one(retired);
            return;
        }
        state.waiting.push(retired);
        self.queue.changed.notify_all();
    }

    /// Waits until everything that was handed over before is dropped.
    pub(crate) fn flush(&self) {
        if self.is_current() {
            return;
        }
        let mut state = self.queue.lock();
        let goal = state.n_retired;
        while state.n_dropped < goal {
            state = self.queue.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn is_current(&self) -> bool {
        self.thread.as_ref().is_none_or(|thread| thread.thread().id() == thread::current().id())
    }
}

impl Drop for Unloader {
    fn drop(&mut self) {
        self.queue.lock().is_closed = true;
        self.queue.changed.notify_all();
        if !self.is_current()
            && let Some(thread) = self.thread.take()
        {
            // It panics where an observer does; that was printed.
            let _ = thread.join();
        }
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops batches until the queue is closed and empty.
    fn walk(&self) {
        loop {
            let mut state = self.lock();
            while state.waiting.is_empty() {
                if state.is_closed {
                    return;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let batch = std::mem::take(&mut state.waiting);
            drop(state);
            for retired in ordered(batch) {
                // An observer that panics has said so on stderr; the others must go all the same.
                let _ = panic::catch_unwind(AssertUnwindSafe(|| self.drop_one(retired)));
            }
        }
    }

    fn drop_one(&self, retired: Retired) {
        let Retired { loaded, contents, since, .. } = retired;
        // Until the observer has been told as well: whoever waits for a drop reads its record next.
        let _counted = Counted(self);
        let began = Instant::now();
        drop(loaded);
        let took = began.elapsed();
        let waited = began.duration_since(since);
        self.observer.unloaded(&UnloadRecord { contents, waited, took });
    }
}

/// Counts a drop when it is over, however it ended.
struct Counted<'a>(&'a Queue);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.lock().n_dropped += 1;
        self.0.changed.notify_all();
    }
}

fn ordered(mut batch: Vec<Retired>) -> Vec<Retired> {
    let has_tables = batch.iter().any(|retired| retired.contents.fdes > 0);
    if has_tables && batch.len() > 1 && unwinder::family() == Family::LibgccList {
        sort(&mut batch, unwinder::all_are_sorted() == Some(true));
    }
    batch
}

/// Puts a batch into the order that costs libgcc's lists one step each.
fn sort(batch: &mut [Retired], all_were_seen: bool) {
    if all_were_seen {
        batch.sort_by_key(|retired| std::cmp::Reverse(address(&retired.loaded)));
    } else {
        batch.sort_by_key(|retired| std::cmp::Reverse(retired.number));
    }
}

fn address(loaded: &Loaded) -> usize {
    match loaded {
        Loaded::Module(module) => module.image_range().start.addr(),
        Loaded::Component(component) => component.image_range().start.addr(),
    }
}

#[cfg(all(test, feature = "compile"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{compile, engine, generate};
    use loadline_scenario::Generated;

    fn batch(n: u64) -> Vec<Retired> {
        let engine = engine::loading().unwrap();
        let compiling = engine::generating().unwrap();
        let retired = |number| {
            let artifact =
                compile::generated(&compiling, &Generated::default(), number as usize).unwrap();
            let loaded = artifact.load(&engine).unwrap();
            loaded.call(&engine, &generate::call(&Generated::default(), number as usize)).unwrap();
            Retired { loaded, contents: *artifact.contents(), number, since: Instant::now() }
        };
        (0..n).map(retired).collect()
    }

    #[test]
    fn the_heads_of_the_lists_go_first() {
        let mut batch = batch(6);
        batch.swap(1, 4);
        sort(&mut batch, false);
        let numbers: Vec<u64> = batch.iter().map(|retired| retired.number).collect();
        assert_eq!(numbers, [5, 4, 3, 2, 1, 0]);
        sort(&mut batch, true);
        assert!(batch.is_sorted_by_key(|retired| std::cmp::Reverse(address(&retired.loaded))));
        assert_eq!(ordered(batch).len(), 6);
    }

    #[test]
    fn an_observer_that_panics_keeps_nobody_waiting() {
        struct Panics;

        impl LoadObserver for Panics {
            fn unloaded(&self, _: &UnloadRecord) {
                panic!("as the test wants it");
            }
        }

        let unloader = Unloader::start(Arc::new(Panics));
        batch(3).into_iter().for_each(|retired| unloader.retire(retired));
        unloader.flush();
        let state = unloader.queue.lock();
        assert_eq!((state.n_retired, state.n_dropped), (3, 3));
    }
}
