//! Unloading off the hot path: modules are dropped by a thread of its own, in batches, in the order
//! that is cheap on the active unwinder. Where too many wait, loads unload some of them first.
//!
//! Which order that is depends on how the unwinder finds what is deregistered. A module without
//! tables is not deregistered, so its turn does not matter. libgcc up to release 12 keeps two lists
//! (GCC 12, `unwind-dw2-fde.c`): what was registered since the last unwind, newest first, and what
//! an unwind has seen, by falling address. Deregistering the head of either is one step, and of a
//! random one half of them all. LLVM's libunwind goes through everything in any order; libgcc from
//! release 13 through next to nothing.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::artifact::Loaded;
use crate::artifact::contents::Contents;
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

/// The thread that drops modules, and what waits for it. The thread ends when this is dropped and
/// everything is unloaded; no thread waits for it.
pub(crate) struct Unloader {
    queue: Arc<Queue>,
}

struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    observer: Arc<dyn LoadObserver>,
    /// Where there is no thread, everything that waits is unloaded by loads and by `flush`.
    has_thread: bool,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Retired>,
    /// Modules handed over so far.
    n_retired: u64,
    /// For each batch that is being dropped, how many modules were handed over before its first.
    running: Vec<u64>,
    is_closed: bool,
}

/// Modules that were handed over one after the other, and are being dropped. Counts as running until
/// it is dropped itself, however that happens.
struct Batch<'a> {
    queue: &'a Queue,
    first: u64,
}

/// More modules than this do not wait: each further load unloads some of them first.
const MOST_WAITING: usize = 1024;

/// How many a load then unloads: more than it adds.
const UNLOADED_BY_A_LOAD: usize = 2;

thread_local! {
    /// Whether this thread is dropping a batch, and so would wait for itself.
    static IS_UNLOADING: Cell<bool> = const { Cell::new(false) };
}

impl Unloader {
    /// Starts the thread.
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

    /// Hands a module over, and returns at once.
    pub(crate) fn retire(&self, retired: Retired) {
        let mut state = self.queue.lock();
        state.n_retired += 1;
        state.waiting.push_back(retired);
        self.queue.changed.notify_all();
    }

    /// Unloads some of what waits where that is too much: before a load, so that a program that
    /// loads faster than one thread unloads does not collect modules.
    pub(crate) fn make_room(&self) {
        let most = if self.queue.has_thread { MOST_WAITING } else { 0 };
        if !IS_UNLOADING.get() && self.queue.lock().waiting.len() > most {
            self.queue.unload(UNLOADED_BY_A_LOAD);
        }
    }

    /// Waits until everything that was handed over before is dropped, for so long at most; false
    /// where it is not. Does not wait within an unload.
    pub(crate) fn flush(&self, patience: Option<Duration>) -> bool {
        let (goal, began) = (self.queue.lock().n_retired, Instant::now());
        if IS_UNLOADING.get() {
            return self.is_gone(goal);
        }
        if !self.queue.has_thread {
            while self.queue.unload(UNLOADED_BY_A_LOAD) && !is_over(patience, began) {}
        }
        let mut state = self.queue.lock();
        while state.n_gone() < goal {
            if is_over(patience, began) {
                return false;
            }
            // Without a limit it still looks again now and then, which costs nothing.
            let left = patience.map_or(Duration::from_secs(3600), |patience| {
                patience.saturating_sub(began.elapsed())
            });
            let waited = self.queue.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Whether the first so many modules that were handed over are dropped.
    fn is_gone(&self, goal: u64) -> bool {
        self.queue.lock().n_gone() >= goal
    }
}

fn is_over(patience: Option<Duration>, began: Instant) -> bool {
    patience.is_some_and(|patience| began.elapsed() >= patience)
}

impl Drop for Unloader {
    fn drop(&mut self) {
        self.queue.lock().is_closed = true;
        self.queue.changed.notify_all();
    }
}

impl State {
    /// How many of the modules that were handed over are dropped, up to the first that is not. A
    /// batch is dropped in any order, so it counts once it is through.
    fn n_gone(&self) -> u64 {
        let before_waiting = self.n_retired - self.waiting.len() as u64;
        self.running.iter().copied().min().unwrap_or(before_waiting).min(before_waiting)
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
            drop(state);
            self.unload(usize::MAX);
        }
    }

    /// Drops so many of the modules that have waited longest; false where none waits.
    fn unload(&self, most: usize) -> bool {
        let mut state = self.lock();
        let first = state.n_retired - state.waiting.len() as u64;
        let n = most.min(state.waiting.len());
        let batch: Vec<Retired> = state.waiting.drain(..n).collect();
        if batch.is_empty() {
            return false;
        }
        state.running.push(first);
        drop(state);
        let _running = Batch { queue: self, first };
        IS_UNLOADING.set(true);
        for retired in ordered(batch) {
            // An observer that panics has said so on stderr; the others must go all the same.
            let _ = panic::catch_unwind(AssertUnwindSafe(|| self.drop_one(retired)));
        }
        IS_UNLOADING.set(false);
        true
    }

    fn drop_one(&self, retired: Retired) {
        let Retired { loaded, contents, since, .. } = retired;
        let began = Instant::now();
        drop(loaded);
        let took = began.elapsed();
        let waited = began.duration_since(since);
        self.observer.unloaded(&UnloadRecord { contents, waited, took });
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
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
    use std::sync::mpsc;

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

    /// Stops in each unload until the test goes on.
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

    /// A batch goes newest first under libgcc's lists, so a count says nothing about the oldest.
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
        // Both are in the batch after the one that is stopped.
        unloader.retire(early);
        assert!(!unloader.flush(Some(Duration::ZERO)));
        unloader.retire(late);
        release.send(()).unwrap();
        // Whichever of the two goes first, the other may be the earlier one.
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
        let waiting = || unloader.queue.lock().waiting.len();
        assert_eq!(waiting(), MOST_WAITING + 1);
        drop(release);
        unloader.make_room();
        assert!(waiting() < MOST_WAITING);
        assert!(unloader.flush(None));
    }
}
