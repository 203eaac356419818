//! The options for driving modules, and the proof of the work.

use std::num::NonZeroUsize;

use loadline_scenario::{Engines, LoadFrom, Tables};

use crate::call::Call;

/// How artifacts are loaded, and which modules are called.
#[derive(Clone, Copy, Default)]
pub struct Options<'a> {
    /// How the bytes reach Wasmtime.
    pub load_from: LoadFrom,
    /// Whether unwind tables are kept or stripped. Bytes that still have tables are stripped after reading.
    /// Files must be stripped when they are written.
    pub tables: Tables,
    /// The modules to call after loading. By default, none is called.
    pub calls: Option<Calls<'a>>,
    /// Whether each module gets its own engine, with the settings of [`loading`](crate::engine::loading). The
    /// engine is created with the module and dropped with it.
    pub engines: Engines,
}

/// A sample of the modules, and the call for each of them.
#[derive(Clone, Copy)]
pub struct Calls<'a> {
    /// Module 0 is called, and every module whose index is a multiple of this number.
    pub every: NonZeroUsize,
    /// Returns the call for the module with this index. The driver calls this before the first step.
    pub call: &'a (dyn Fn(usize) -> Call + 'a),
}

/// The work that was done, for comparison with the requested work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Proof {
    /// The number of modules that were loaded.
    pub loaded: usize,
    /// The number of modules that were called and returned the right result.
    pub called: usize,
    /// The number of native unwinds that saw frames.
    pub unwound: usize,
    /// The number of backtraces, traps, panics and instantiations that succeeded.
    pub acted: usize,
    /// The number of modules whose last handle was dropped.
    pub released: usize,
}

impl Proof {
    /// Adds the work of another thread.
    pub(super) fn add(&mut self, other: Proof) {
        self.loaded += other.loaded;
        self.called += other.called;
        self.unwound += other.unwound;
        self.acted += other.acted;
        self.released += other.released;
    }
}
