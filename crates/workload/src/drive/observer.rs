//! Who watches a load order: the [`Observer`] of one thread, told after every step.
//!
//! No counter is read here; the observer does that, as seldom as it likes.

use std::fmt;

use loadline_scenario::Phase;

/// Watches the steps of one thread, on that thread.
///
/// A thread's life is one unbroken chain of stretches. Each call says what the stretch since the
/// previous call was spent on: a [`step`](Observer::step) of a phase, or something that belongs to
/// none ([`idle`](Observer::idle): waiting for other threads, handing a module to another thread).
/// What the driver itself does within a stretch is a few dozen nanoseconds: a look at the schedule,
/// one uncontended lock. It allocates nothing there.
///
/// So an observer that opens its counters in the constructor and laps them at every call accounts
/// for everything. One that wants fewer laps skips those between two steps of one phase: nothing
/// else lies between them, or `idle` would have been called.
///
/// `()` observes nothing and costs nothing.
pub trait Observer {
    /// The stretch since the previous call was the step `event`.
    #[inline]
    fn step(&mut self, event: Event) {
        let _ = event;
    }

    /// The stretch since the previous call, or since the observer was made, belongs to no phase.
    ///
    /// Called before the first step of every thread, and before each step that something else
    /// precedes.
    #[inline]
    fn idle(&mut self) {}
}

impl Observer for () {}

/// One step that a thread has finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    /// What was done: `Read`, `Deserialize`, `Call`, `Unwind` or `Unload`.
    ///
    /// `Read` exists only where bytes are read. It covers the policy applied to them, and the room
    /// for them: one buffer a thread, reused, so that it grows to the largest artifact and is never
    /// given back in between. `Call` covers the store, the instance, the call and the dropping of
    /// both, so that `Unload` is the module alone.
    pub phase: Phase,
    /// Which module it was done to; none for `Unwind`.
    pub module: Option<usize>,
    /// How many steps of this phase this thread has finished by now, from 1.
    pub progress: usize,
}

/// What a thread of a load order is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Loads its share of the modules; by its place in the schedule. A single one also does what
    /// comes after the last load.
    Loading(usize),
    /// Drops the modules that others hand over.
    Unloading,
    /// Does what comes after the last of several loading threads has ended.
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
