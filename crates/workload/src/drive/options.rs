//! How modules are driven, and the proof of what was done.

use std::num::NonZeroUsize;

use loadline_scenario::{Engines, LoadFrom, Tables};

use crate::call::Call;

/// How artifacts are loaded, and which modules are called.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// How the bytes reach Wasmtime.
    pub load_from: LoadFrom,
    /// What becomes of unwind tables. Bytes that still have tables are stripped after they were
    /// read. Files must have been stripped when they were written.
    pub tables: Tables,
    /// Which modules are called after they were loaded; none by default.
    pub calls: Option<Calls<'a>>,
    /// Whether each module gets an engine of its own, with the settings of
    /// [`loading`](crate::engine::loading). The engine is made with the module and dropped with it.
    pub engines: Engines,
}

/// A sample of the modules, and what each must answer.
#[derive(Clone, Copy)]
pub struct Calls<'a> {
    /// Module 0 is called, and every module whose index is a multiple of this number.
    pub every: NonZeroUsize,
    /// Returns the call for the module with this index. It is asked before the first step.
    pub call: &'a (dyn Fn(usize) -> Call + 'a),
}

/// What was done, to be compared with what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proof {
    /// Modules that became ready.
    pub loaded: usize,
    /// Modules that were called and gave the right answer.
    pub called: usize,
    /// Native unwinds that saw frames.
    pub unwound: usize,
    /// Backtraces, traps, panics and instantiations that succeeded.
    pub acted: usize,
    /// Modules whose last handle was dropped.
    pub released: usize,
}

impl Proof {
    /// Adds what another thread did.
    pub(super) fn add(&mut self, other: Proof) {
        self.loaded += other.loaded;
        self.called += other.called;
        self.unwound += other.unwound;
        self.acted += other.acted;
        self.released += other.released;
    }
}
