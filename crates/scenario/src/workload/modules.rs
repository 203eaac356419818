//! Loading and dropping N modules: [`Modules`], with their source, the way they are passed to Wasmtime, and
//! their load order.

use std::fmt;
use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::workload::corpus::{Corpus, Generated, HostFunction, LoadFrom, Tables};
use crate::workload::load_order::LoadOrder;
use crate::workload::n_counts::NCounts;

/// Loading and dropping N modules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modules {
    /// The source of the artifacts.
    pub corpus: Corpus,
    /// The handling of their unwind tables.
    pub tables: Tables,
    /// How the artifacts are passed to Wasmtime.
    pub load_from: LoadFrom,
    /// The order in which modules are loaded and dropped.
    pub load_order: LoadOrder,
    /// One of every `call_every` modules is instantiated and called.
    pub call_every: NonZeroUsize,
    /// What N counts. [`Modules::at`] resolves it before a run is requested. It and the next fields are left
    /// out of the JSON at their defaults, so that runners of older sources understand the request.
    #[serde(default, skip_serializing_if = "NCounts::is_modules")]
    pub n_counts: NCounts,
    /// The number of modules where N counts something else.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: NonZeroUsize,
    /// Whether modules share an engine.
    #[serde(default, skip_serializing_if = "Engines::is_one")]
    pub engines: Engines,
    /// The profiler that is notified of each loaded image.
    #[serde(default, skip_serializing_if = "Profiler::is_none")]
    pub profiler: Profiler,
}

const fn one() -> NonZeroUsize {
    NonZeroUsize::MIN
}

fn is_one(number: &NonZeroUsize) -> bool {
    *number == NonZeroUsize::MIN
}

/// A resource of which the system allows a process a limited amount.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// Mappings, limited by `vm.max_map_count`.
    Mappings,
    /// Open file descriptors, limited by `RLIMIT_NOFILE`.
    Descriptors,
    /// Bytes of address space, limited by `RLIMIT_AS`.
    AddressSpace,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Limit::Mappings => "mappings",
            Limit::Descriptors => "file descriptors",
            Limit::AddressSpace => "bytes of address space",
        })
    }
}

/// Whether modules share an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engines {
    /// One engine for all modules.
    #[default]
    One,
    /// One engine per module, made when the module is loaded and dropped with it.
    Each,
}

impl Engines {
    fn is_one(&self) -> bool {
        *self == Engines::One
    }
}

/// The profiler that Wasmtime notifies of each loaded image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profiler {
    /// No profiler.
    #[default]
    None,
    /// Linux perf, which reads a line for each function in a file called `perf-PID.map`.
    PerfMap,
}

impl Profiler {
    fn is_none(&self) -> bool {
        *self == Profiler::None
    }
}

impl Modules {
    /// Whether a sample of the modules is called. Modules from files are not called, because the types of
    /// their functions are unknown. Modules with imports are not called, because they cannot be instantiated
    /// alone.
    pub fn are_called(&self) -> bool {
        match &self.corpus {
            Corpus::Generated(axes) => axes.host_function == HostFunction::None,
            Corpus::Files(_) => false,
        }
    }
}

impl Modules {
    /// The workload of a run at N, and its number of modules. If N does not count modules, N sets their size.
    pub fn at(&self, n: usize) -> (Modules, usize) {
        let mut workload = Modules { n_counts: NCounts::Modules, ..self.clone() };
        if self.n_counts == NCounts::Modules {
            return (workload, n);
        }
        if let Corpus::Generated(axes) = &mut workload.corpus {
            let n = NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
            match self.n_counts {
                NCounts::Modules => {}
                NCounts::Functions => *axes = axes.with_functions(n),
                NCounts::CoreModules => axes.core_modules = Some(n),
            }
        }
        (workload, self.count.get())
    }
}

impl Generated {
    /// The same modules with this many functions. If all functions were exported, all are; otherwise the
    /// number of exported functions stays the same.
    fn with_functions(&self, functions: NonZeroUsize) -> Generated {
        let are_all = self.exported == self.functions;
        let exported = if are_all { functions } else { self.exported.min(functions) };
        Generated { functions, exported, ..*self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::corpus::{LoadFrom, Tables};
    use crate::workload::load_order::{LoadOrder, UnloadOrder};
    use crate::workload::modules::{Engines, Profiler};

    fn not_zero(n: usize) -> NonZeroUsize {
        NonZeroUsize::new(n).expect("tests ask for at least one")
    }

    fn workload(n_counts: NCounts) -> Modules {
        Modules {
            corpus: Corpus::Generated(Generated::default()),
            tables: Tables::Keep,
            load_from: LoadFrom::Bytes,
            load_order: LoadOrder::hold_all(UnloadOrder::OldestFirst),
            call_every: not_zero(64),
            n_counts,
            count: not_zero(3),
            engines: Engines::One,
            profiler: Profiler::None,
        }
    }

    fn generated(workload: &Modules) -> Generated {
        match &workload.corpus {
            Corpus::Generated(axes) => *axes,
            Corpus::Files(_) => panic!("nothing was generated"),
        }
    }

    #[test]
    fn modules_become_more_or_larger() {
        let (same, modules) = workload(NCounts::Modules).at(40);
        assert_eq!((same, modules), (workload(NCounts::Modules), 40));
        let (larger, modules) = workload(NCounts::Functions).at(40);
        let axes = generated(&larger);
        assert_eq!((axes.functions.get(), axes.exported.get(), modules), (40, 40, 3));
        let (components, modules) = workload(NCounts::CoreModules).at(40);
        let axes = generated(&components);
        assert_eq!((axes.core_modules, axes.functions.get(), modules), (Some(not_zero(40)), 12, 3));
        // A request to the runner has no `n_counts` but `modules`.
        assert!(larger.n_counts.is_modules() && components.n_counts.is_modules());
    }

    #[test]
    fn what_is_not_exported_stays_so() {
        let mut one = workload(NCounts::Functions);
        one.corpus = Corpus::Generated(Generated { exported: not_zero(1), ..Generated::default() });
        assert_eq!(generated(&one.at(100).0).exported.get(), 1);
    }
}
