//! Threads that begin together, and whose end is awaited, with or without success.
//!
//! This module knows nothing about modules.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

use super::observer::Role;
use crate::error::Error;

/// A gate at which threads wait until all of them are ready.
#[derive(Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    n_arrived: usize,
    /// Whether the threads may begin, or `None` while this is undecided.
    may_pass: Option<bool>,
}

/// A meeting point at which a known number of threads wait for one another while they work.
#[derive(Default)]
pub(super) struct Meeting {
    /// The expected number of threads, and the number that have arrived.
    state: Mutex<(usize, usize)>,
    changed: Condvar,
}

impl Meeting {
    /// Sets the number of threads that will arrive, each once.
    pub(super) fn expect(&self, n_threads: usize) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).0 = n_threads;
    }

    /// Waits until all threads have arrived, or until the run is stopped.
    pub(super) fn attend(&self, is_stopped: &AtomicBool) {
        /// A thread that fails before it arrives sends no notice here, so check `is_stopped` this often.
        const LOOK_EVERY: Duration = Duration::from_millis(10);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.1 += 1;
        self.changed.notify_all();
        while state.1 < state.0 && !is_stopped.load(Ordering::Relaxed) {
            let waited = self.changed.wait_timeout(state, LOOK_EVERY);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// Opens the gate. Dropping it releases waiting threads without work. So an error or a panic on the starting
/// thread leaves no thread behind.
pub(super) struct Keeper<'a>(&'a Gate);

impl Gate {
    pub(super) fn keeper(&self) -> Keeper<'_> {
        Keeper(self)
    }

    /// Waits until the gate is opened. Returns false if it will not be opened.
    fn pass(&self) -> bool {
        let mut state = self.lock();
        state.n_arrived += 1;
        self.changed.notify_all();
        loop {
            match state.may_pass {
                Some(may_pass) => return may_pass,
                None => state = self.wait(state),
            }
        }
    }

    fn decide(&self, mut state: MutexGuard<'_, State>, may_pass: bool) {
        state.may_pass.get_or_insert(may_pass);
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.changed.wait(state).unwrap_or_else(PoisonError::into_inner)
    }
}

impl Keeper<'_> {
    /// Opens the gate as soon as `n_threads` threads have arrived.
    pub(super) fn open(&self, n_threads: usize) {
        let mut state = self.0.lock();
        while state.n_arrived < n_threads {
            state = self.0.wait(state);
        }
        self.0.decide(state, true);
    }
}

impl Drop for Keeper<'_> {
    fn drop(&mut self) {
        self.0.decide(self.0.lock(), false);
    }
}

/// A thread that was started and not joined yet.
pub(super) struct Handle<'scope, T> {
    role: Role,
    thread: ScopedJoinHandle<'scope, T>,
}

impl<'scope, T: Send + 'scope> Handle<'scope, T> {
    /// Starts a thread that prepares itself, waits at the gate, and works. If the gate is not opened, `work`
    /// gets false. A panic sets `is_stopped` for the other threads.
    pub(super) fn spawn<'env, W>(
        scope: &'scope Scope<'scope, 'env>,
        role: Role,
        gate: &'env Gate,
        is_stopped: &'env AtomicBool,
        prepare: impl FnOnce() -> W + Send + 'env,
        work: impl FnOnce(W, bool) -> T + Send + 'env,
    ) -> Result<Handle<'scope, T>, Error>
    where
        'env: 'scope,
    {
        let body = move || {
            let _raised_by_a_panic = StopOnPanic(is_stopped);
            // A thread that cannot prepare itself must still arrive. Otherwise the gate would wait for it
            // forever.
            let prepared = panic::catch_unwind(AssertUnwindSafe(prepare));
            let may_pass = gate.pass();
            match prepared {
                Ok(worker) => work(worker, may_pass),
                Err(panic) => panic::resume_unwind(panic),
            }
        };
        let thread = thread::Builder::new().name(role.to_string()).spawn_scoped(scope, body);
        let thread = thread.map_err(|source| Error::Spawn { role, source })?;
        Ok(Handle { role, thread })
    }

    /// Waits until the thread ends.
    pub(super) fn join(self) -> Result<T, Error> {
        let role = self.role;
        self.thread.join().map_err(|panic| Error::Panicked { role, message: message(&*panic) })
    }
}

struct StopOnPanic<'a>(&'a AtomicBool);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
