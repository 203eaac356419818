//! Loading and dropping N modules: [`Modules`], where they come from, how they reach Wasmtime, and in which
//! order they come and go.

use std::fmt;
use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::artifact::{Corpus, HostFunction, LoadFrom, Tables};
use crate::axis::Axis;
use crate::lifecycle::{Action, Lifecycle};
use crate::scenario::{ScenarioError, wrong};

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

    /// Refuses what no run could do.
    pub(crate) fn check(&self) -> Result<(), ScenarioError> {
        let is_made_first = matches!(self.load_from, LoadFrom::Pack | LoadFrom::Store);
        if self.profiler != Profiler::None && is_made_first {
            let problem = "is for modules that are loaded from bytes or file";
            return Err(wrong("profiler", problem));
        }
        if self.load_from == LoadFrom::Pack && self.engines == Engines::Each {
            let problem = "each is not for packs, which are made for one engine";
            return Err(wrong("engines", problem));
        }
        let generated = match &self.corpus {
            Corpus::Generated(axes) => Some(axes),
            Corpus::Files(_) => None,
        };
        if generated.is_none() && self.axis != Axis::Modules {
            let problem = "needs generated modules: those of files are as they are";
            return Err(wrong("axis", problem));
        }
        let is_component =
            self.axis == Axis::CoreModules || generated.is_some_and(|a| a.core_modules.is_some());
        let host_function = generated.map_or(HostFunction::None, |axes| axes.host_function);
        if is_component && host_function != HostFunction::None {
            let problem = "is not for components (leave core_modules or host_function out)";
            return Err(wrong("artifact.host_function", problem));
        }
        let Some(activity) = self.lifecycle.activity else { return Ok(()) };
        match activity.action {
            Action::Unwind | Action::Panic => {}
            Action::Backtrace | Action::Trap if host_function == HostFunction::SharedType => {}
            Action::Backtrace | Action::Trap => {
                let problem = "needs modules with artifact.host_function = \"shared-type\"";
                return Err(wrong("activity", problem));
            }
            Action::Instantiate if host_function != HostFunction::None => {}
            Action::Instantiate => {
                let problem = "instantiate needs modules with an artifact.host_function";
                return Err(wrong("activity", problem));
            }
        }
        Ok(())
    }
}
