//! What N is: [`Axis`].

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::artifact::{Corpus, Generated};
use crate::modules::Modules;

/// What rises from rung to rung. All but the first leave the number of modules as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Axis {
    /// How many modules are loaded.
    #[default]
    Modules,
    /// How many functions a generated module has; all exported ones stay exported.
    Functions,
    /// How many core modules a generated component has.
    CoreModules,
}

impl Axis {
    /// One of what N counts, as a reader is told it.
    pub const fn unit(self) -> &'static str {
        match self {
            Axis::Modules => "module",
            Axis::Functions => "function",
            Axis::CoreModules => "core module",
        }
    }

    /// Whether N is the number of modules.
    pub fn is_modules(&self) -> bool {
        *self == Axis::Modules
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
    use crate::artifact::{LoadFrom, Tables};
    use crate::lifecycle::{Lifecycle, UnloadOrder};
    use crate::modules::{Engines, Profiler};

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
