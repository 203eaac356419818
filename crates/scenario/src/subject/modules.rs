//! Loading and dropping N modules: [`Modules`], where they come from, how they reach Wasmtime, and in which
//! order they come and go.

use std::fmt;
use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::subject::axis::Axis;
use crate::subject::corpus::{Corpus, Generated, HostFunction, LoadFrom, Tables};
use crate::subject::load_order::Lifecycle;

/// Loading and dropping N modules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modules {
    /// Where the artifacts come from.
    pub corpus: Corpus,
    /// What is done about their unwind tables.
    pub tables: Tables,
    /// How they reach Wasmtime.
    pub load_from: LoadFrom,
    /// In which order they come and go.
    pub lifecycle: Lifecycle,
    /// One module in so many is instantiated and called.
    pub call_every: NonZeroUsize,
    /// What N is. Resolved by [`Modules::at`] before a run is asked for, and left out then, as is
    /// the rest where it is the default: so runners of older sources understand the request.
    #[serde(default, skip_serializing_if = "Axis::is_modules")]
    pub axis: Axis,
    /// How many modules there are where N is something else.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: NonZeroUsize,
    /// Whether modules share an engine.
    #[serde(default, skip_serializing_if = "Engines::is_one")]
    pub engines: Engines,
    /// Who is told of each image that is loaded.
    #[serde(default, skip_serializing_if = "Profiler::is_none")]
    pub profiler: Profiler,
}

const fn one() -> NonZeroUsize {
    NonZeroUsize::MIN
}

fn is_one(number: &NonZeroUsize) -> bool {
    *number == NonZeroUsize::MIN
}

/// What the system allows a process so many of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// Mappings: `vm.max_map_count`.
    Mappings,
    /// Open descriptors: `RLIMIT_NOFILE`.
    Descriptors,
    /// Bytes of address space: `RLIMIT_AS`.
    AddressSpace,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Limit::Mappings => "mappings",
            Limit::Descriptors => "descriptors",
            Limit::AddressSpace => "bytes of address space",
        })
    }
}

/// Whether modules share an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engines {
    /// One engine for all.
    #[default]
    One,
    /// One for each module: made when it is loaded, and gone with it.
    Each,
}

impl Engines {
    fn is_one(&self) -> bool {
        *self == Engines::One
    }
}

/// Who is told of each image that Wasmtime loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profiler {
    /// Nobody.
    #[default]
    None,
    /// Linux perf, by a line for each function in a file called `perf-PID.map`.
    PerfMap,
}

impl Profiler {
    fn is_none(&self) -> bool {
        *self == Profiler::None
    }
}

impl Modules {
    /// Whether a sample of the modules is called. Nobody said what functions of files take and
    /// return, and what imports something is not instantiated by itself.
    pub fn are_called(&self) -> bool {
        match &self.corpus {
            Corpus::Generated(axes) => axes.host_function == HostFunction::None,
            Corpus::Files(_) => false,
        }
    }
}

impl Modules {
    /// What a run at N does, and with how many modules: the same subject where N is their number,
    /// else one whose modules are so large.
    pub fn at(&self, n: usize) -> (Modules, usize) {
        let mut subject = Modules { axis: Axis::Modules, ..self.clone() };
        if self.axis == Axis::Modules {
            return (subject, n);
        }
        if let Corpus::Generated(axes) = &mut subject.corpus {
            let n = NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
            match self.axis {
                Axis::Modules => {}
                Axis::Functions => *axes = axes.with_functions(n),
                Axis::CoreModules => axes.core_modules = Some(n),
            }
        }
        (subject, self.count.get())
    }
}

impl Generated {
    /// The same with so many functions: all of them exported if all were, else as many as before.
    fn with_functions(&self, functions: NonZeroUsize) -> Generated {
        let are_all = self.exported == self.functions;
        let exported = if are_all { functions } else { self.exported.min(functions) };
        Generated { functions, exported, ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::corpus::{LoadFrom, Tables};
    use crate::subject::load_order::{Lifecycle, UnloadOrder};
    use crate::subject::modules::{Engines, Profiler};

    fn not_zero(n: usize) -> NonZeroUsize {
        NonZeroUsize::new(n).expect("tests ask for at least one")
    }

    fn subject(axis: Axis) -> Modules {
        Modules {
            corpus: Corpus::Generated(Generated::default()),
            tables: Tables::Keep,
            load_from: LoadFrom::Bytes,
            lifecycle: Lifecycle::hold_all(UnloadOrder::OldestFirst),
            call_every: not_zero(64),
            axis,
            count: not_zero(3),
            engines: Engines::One,
            profiler: Profiler::None,
        }
    }

    fn generated(subject: &Modules) -> Generated {
        match &subject.corpus {
            Corpus::Generated(axes) => *axes,
            Corpus::Files(_) => panic!("nothing was generated"),
        }
    }

    #[test]
    fn modules_become_more_or_larger() {
        let (same, modules) = subject(Axis::Modules).at(40);
        assert_eq!((same, modules), (subject(Axis::Modules), 40));
        let (larger, modules) = subject(Axis::Functions).at(40);
        let axes = generated(&larger);
        assert_eq!((axes.functions.get(), axes.exported.get(), modules), (40, 40, 3));
        let (components, modules) = subject(Axis::CoreModules).at(40);
        let axes = generated(&components);
        assert_eq!((axes.core_modules, axes.functions.get(), modules), (Some(not_zero(40)), 12, 3));
        // What the runner is asked names no axis.
        assert!(larger.axis.is_modules() && components.axis.is_modules());
    }

    #[test]
    fn what_is_not_exported_stays_so() {
        let mut one = subject(Axis::Functions);
        one.corpus = Corpus::Generated(Generated { exported: not_zero(1), ..Generated::default() });
        assert_eq!(generated(&one.at(100).0).exported.get(), 1);
    }
}
