//! Unloads modules off the hot path. A dedicated thread drops modules in batches, in the order that is cheap
//! on the active unwinder. If too many modules wait, each load first unloads some of them.
//!
//! The cheap order depends on how the unwinder finds the tables to deregister. The order does not matter for
//! modules without tables, which need no deregistration. libgcc up to release 12 keeps two lists (GCC 12,
//! `unwind-dw2-fde.c`). One list holds the objects registered since the last unwind, newest first. The other
//! list holds the objects that an unwind has seen, sorted by falling address. Deregistering the head of
//! either list takes one step. Deregistering a random object takes half as many steps as there are objects.
//! LLVM's libunwind walks all entries in any order. libgcc from release 13 walks almost none.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::artifact::Loaded;
use crate::artifact::contents::Contents;
use crate::locks::{Condvar, Mutex};
use crate::unwinder::{self, Family};
use crate::watch::{LoadObserver, UnloadRecord};

/// A module whose last handle was dropped.
pub(crate) struct Retired {
    pub(crate) loaded: Loaded,
    pub(crate) contents: Contents,
    /// The position of the load among all loads of the process.
    pub(crate) number: u64,
    pub(crate) since: Instant,
}

/// The thread that drops modules, and its queue. When the `Unloader` is dropped, the thread unloads
/// everything that is left and then ends. No other thread waits for that.
pub(crate) struct Unloader {
    queue: Arc<Queue>,
}

struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    observer: Arc<dyn LoadObserver>,
    /// Without a thread, loads and `flush` unload the waiting modules.
    has_thread: bool,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Retired>,
    /// The number of modules that were handed over so far.
    n_retired: u64,
    /// For each batch that is being dropped, the number of modules that were handed over before its first
    /// module.
    running: Vec<u64>,
    is_closed: bool,
}

/// Consecutive modules that are being dropped. The batch counts as running until this value is dropped, even
/// if a panic drops it.
struct Batch<'a> {
    queue: &'a Queue,
    first: u64,
}

/// If more modules than this wait, each further load first unloads some of them.
const MOST_WAITING: usize = 1024;

/// The number of modules that a load then unloads, which is more than it adds.
const UNLOADED_BY_A_LOAD: usize = 2;

thread_local! {
    /// Whether this thread is dropping a batch, and so would wait for itself.
    static IS_UNLOADING: Cell<bool> = const { Cell::new(false) };
}

impl Unloader {
    pub(crate) fn start(observer: Arc<dyn LoadObserver>) -> Unloader {
        let new = |has_thread| {
            let (state, changed) = (Mutex::new(State::default()), Condvar::new());
            Arc::new(Queue { state, changed, observer: Arc::clone(&observer), has_thread })
        };
        let queue = new(true);
        let walked = Arc::clone(&queue);
        let thread = thread::Builder::new().name("loadline-unload".to_owned());
        match thread.spawn(move || walked.walk()) {
            Ok(_) => Unloader { queue },
            Err(_) => Unloader { queue: new(false) },
        }
    }

    /// Hands over a module, and returns at once.
    pub(crate) fn retire(&self, retired: Retired) {
        let mut state = self.queue.state.lock();
        state.n_retired += 1;
        state.waiting.push_back(retired);
        self.queue.changed.notify_all();
    }

    /// Unloads some of the waiting modules if there are too many. Loads call this function first, so that
    /// waiting modules do not pile up in a program that loads faster than one thread unloads.
    pub(crate) fn make_room(&self) {
        let most = if self.queue.has_thread { MOST_WAITING } else { 0 };
        if !IS_UNLOADING.get() && self.queue.state.lock().waiting.len() > most {
            self.queue.unload(UNLOADED_BY_A_LOAD);
        }
    }

    /// Unloads everything that waits, and waits at most a second for unloads of other threads.
    pub(crate) fn unload_now(&self) {
        if !IS_UNLOADING.get() {
            while self.queue.unload(usize::MAX) {}
            self.flush(Some(Duration::from_secs(1)));
        }
    }

    /// Waits until every module that was handed over before is dropped, at most for `patience`. Returns false
    /// if some are not dropped. Does not wait within an unload.
    pub(crate) fn flush(&self, patience: Option<Duration>) -> bool {
        let (goal, began) = (self.queue.state.lock().n_retired, Instant::now());
        if IS_UNLOADING.get() {
            return self.is_gone(goal);
        }
        if !self.queue.has_thread {
            while self.queue.unload(UNLOADED_BY_A_LOAD) && !is_over(patience, began) {}
        }
        let mut state = self.queue.state.lock();
        while state.n_gone() < goal {
            if is_over(patience, began) {
                return false;
            }
            // Without a time limit, wake up once per hour, which costs nothing.
            let left = patience.map_or(Duration::from_secs(3600), |patience| {
                patience.saturating_sub(began.elapsed())
            });
            let is_waiting = |state: &mut State| state.n_gone() < goal;
            state = self.queue.changed.wait_while(&self.queue.state, state, left, is_waiting);
        }
        true
    }

    /// Returns whether the first `goal` modules that were handed over are dropped.
    fn is_gone(&self, goal: u64) -> bool {
        self.queue.state.lock().n_gone() >= goal
    }
}

fn is_over(patience: Option<Duration>, began: Instant) -> bool {
    patience.is_some_and(|patience| began.elapsed() >= patience)
}

impl Drop for Unloader {
    fn drop(&mut self) {
        self.queue.state.lock().is_closed = true;
        self.queue.changed.notify_all();
    }
}

impl State {
    /// Returns how many of the modules that were handed over are dropped, up to the first that is not. A
    /// batch is dropped in any order, so it counts only when all of it is dropped.
    fn n_gone(&self) -> u64 {
        let before_waiting = self.n_retired - self.waiting.len() as u64;
        self.running.iter().copied().min().unwrap_or(before_waiting).min(before_waiting)
    }
}

impl Queue {
    /// Drops batches until the queue is closed and empty.
    fn walk(&self) {
        loop {
            let mut state = self.state.lock();
            while state.waiting.is_empty() {
                if state.is_closed {
                    return;
                }
                state = self.changed.wait_idle(&self.state, state);
            }
            drop(state);
            self.unload(usize::MAX);
        }
    }

    /// Drops up to `most` of the modules that have waited longest. Returns false if none waits.
    fn unload(&self, most: usize) -> bool {
        let mut state = self.state.lock();
        let first = state.n_retired - state.waiting.len() as u64;
        let n = most.min(state.waiting.len());
        let batch: Vec<Retired> = state.waiting.drain(..n).collect();
        if batch.is_empty() {
            return false;
        }
        state.running.push(first);
        drop(state);
        let _work = self.state.work();
        let _running = Batch { queue: self, first };
        IS_UNLOADING.set(true);
        for retired in ordered(batch) {
            // A panic of an observer is already printed on stderr. Drop the other modules nevertheless.
            let _ = panic::catch_unwind(AssertUnwindSafe(|| self.drop_one(retired)));
        }
        IS_UNLOADING.set(false);
        // A pack that was dropped in use may have lost its last module.
        #[cfg(unix)]
        crate::pack::sweep();
        true
    }

    fn drop_one(&self, retired: Retired) {
        let Retired { loaded, contents, number, since } = retired;
        let began = Instant::now();
        drop(loaded);
        let took = began.elapsed();
        let waited = began.duration_since(since);
        self.observer.unloaded(&UnloadRecord { number, contents, waited, took });
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.state.lock();
        if let Some(place) = state.running.iter().position(|first| *first == self.first) {
            state.running.swap_remove(place);
        }
        self.queue.changed.notify_all();
    }
}

fn ordered(mut batch: Vec<Retired>) -> Vec<Retired> {
    let has_tables = batch.iter().any(|retired| retired.contents.fdes > 0);
    if has_tables && batch.len() > 1 && unwinder::family() == Family::LibgccList {
        sort(&mut batch, unwinder::all_are_sorted() == Some(true));
    }
    batch
}

/// Sorts a batch into the order in which each deregistration takes one step in libgcc's lists.
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
    use std::sync::{Mutex, mpsc};

    use super::*;
    use crate::artifact::compile;
    use wasmtime::Engine;

    fn batch(n: u64) -> Vec<Retired> {
        let engine = Engine::default();
        let mut artifact = compile::bytes(&engine, b"(module (func (export \"f\")))").unwrap();
        let mut retired = |number| {
            artifact.number(number);
            let loaded = artifact.load(&engine).unwrap();
            Retired { loaded, contents: *artifact.contents(), number, since: Instant::now() }
        };
        (0..n).map(&mut retired).collect()
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
        assert!(unloader.flush(None));
        assert!(unloader.is_gone(3));
    }

    /// Blocks in each unload until the test continues.
    struct Steps {
        told: Mutex<mpsc::Sender<u64>>,
        go_on: Mutex<mpsc::Receiver<()>>,
    }

    impl LoadObserver for Steps {
        fn unloaded(&self, record: &UnloadRecord) {
            let _ = self.told.lock().unwrap().send(record.contents.functions as u64);
            let _ = self.go_on.lock().unwrap().recv();
        }
    }

    /// With libgcc's lists, the newest module of a batch is dropped first. So the number of dropped modules
    /// says nothing about the oldest module.
    #[test]
    fn what_was_handed_over_first_is_waited_for_whatever_goes_first() {
        let ((tell, told), (release, go_on)) = (mpsc::channel(), mpsc::channel());
        let (told_by, go_on) = (Mutex::new(tell), Mutex::new(go_on));
        let unloader = Unloader::start(Arc::new(Steps { told: told_by, go_on }));
        let mut modules = batch(3);
        for (number, retired) in modules.iter_mut().enumerate() {
            retired.contents.functions = number;
        }
        let [first, early, late] = <[Retired; 3]>::try_from(modules).ok().unwrap();
        unloader.retire(first);
        assert_eq!(told.recv().unwrap(), 0);
        // Both modules are in the batch after the one that is blocked.
        unloader.retire(early);
        assert!(!unloader.flush(Some(Duration::ZERO)));
        unloader.retire(late);
        release.send(()).unwrap();
        // Whichever of the two is dropped first, the other may be the older one.
        told.recv().unwrap();
        assert!(!unloader.is_gone(2));
        drop(release);
        assert!(unloader.flush(Some(Duration::from_secs(60))));
        assert!(unloader.is_gone(3));
    }

    #[test]
    fn loads_unload_what_waits_for_too_long() {
        let ((tell, told), (release, go_on)) = (mpsc::channel(), mpsc::channel());
        let (told_by, go_on) = (Mutex::new(tell), Mutex::new(go_on));
        let unloader = Unloader::start(Arc::new(Steps { told: told_by, go_on }));
        let retired = batch(1).remove(0);
        let another = || Retired { loaded: retired.loaded.clone(), ..retired };
        unloader.retire(another());
        told.recv().unwrap();
        for _ in 0..=MOST_WAITING {
            unloader.retire(another());
        }
        let waiting = || unloader.queue.state.lock().waiting.len();
        assert_eq!(waiting(), MOST_WAITING + 1);
        drop(release);
        unloader.make_room();
        assert!(waiting() < MOST_WAITING);
        assert!(unloader.flush(None));
    }
}
