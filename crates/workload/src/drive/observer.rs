//! The [`Observer`] of one thread of a load order, which is notified after every step.
//!
//! This module reads no counter. The observer does, as rarely as it likes.

use std::fmt;

use loadline_scenario::Phase;

/// Observes the steps of one thread, on that thread.
///
/// The life of a thread is an unbroken chain of stretches. Each call names the work of the stretch since the
/// previous call. This is a [`step`](Observer::step) of a phase, or work that belongs to no phase
/// ([`idle`](Observer::idle)). Such work is waiting for other threads or handing a module to another thread.
/// Within a stretch, the driver itself takes a few dozen nanoseconds, for reading the schedule and for one
/// uncontended lock. It allocates nothing there.
///
/// So an observer that opens its counters in the constructor and laps them at every call accounts for
/// everything. An observer that wants fewer laps can skip the laps between two steps of the same phase. If
/// other work were between them, `idle` would have been called.
///
/// `()` is an observer that does nothing and costs nothing.
pub trait Observer {
    /// The stretch since the previous call was the step `event`.
    #[inline]
    fn step(&mut self, event: Event) {
        let _ = event;
    }

    /// The stretch since the previous call, or since the observer was created, belongs to no phase.
    ///
    /// This is called before the first step of every thread, and before each step that other work precedes.
    #[inline]
    fn idle(&mut self) {}
}

impl Observer for () {}

/// One step that a thread has finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// The phase of the step, such as `Read`, `Deserialize`, `Call`, `Unwind` or `Unload`.
    ///
    /// `Read` exists only if bytes are read. It covers applying the policy to them, and their memory. Each
    /// thread reuses one buffer, which grows to the largest artifact and is not freed in between. `Call`
    /// covers the store, the instance, the call, and dropping the store and the instance. So `Unload` is the
    /// module alone.
    pub phase: Phase,
    /// The index of the module, or `None` for `Unwind`.
    pub module: Option<usize>,
    /// The number of steps of this phase that this thread has finished so far, including this step.
    pub progress: usize,
}

/// The task of a thread in a load order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Loads its share of the modules. The number is its position in the schedule. A single loading thread
    /// also does the steps after the last load.
    Loading(usize),
    /// Drops the modules that other threads hand over.
    Unloading,
    /// Does the steps after the last of several loading threads has ended.
    Finishing,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Role::Loading(thread) => write!(f, "loading-{thread}"),
            Role::Unloading => f.write_str("unloading"),
            Role::Finishing => f.write_str("finishing"),
        }
    }
}
