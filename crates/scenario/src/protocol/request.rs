//! [`Request`]: the task of one runner process.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::metric::collector::Collector;
use crate::metric::name::Metric;
use crate::workload::Workload;
use crate::workload::corpus::{Corpus, Tables};
use crate::workload::modules::{Limit, Modules};

/// The task of one runner process. The runner does this one thing and ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Describe this machine and build.
    Describe {
        /// The metrics whose counters the runner tries.
        metrics: Vec<Metric>,
        /// The CPUs to stay on. Empty means all.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        processors: Vec<usize>,
    },
    /// Compile the artifacts of a corpus into the cache, unless they are there already.
    Prepare(Prepare),
    /// Compile the functions of unwind tables into the cache, unless they are there already.
    PrepareTables {
        /// The number of functions per table.
        functions: NonZeroUsize,
        /// The folder of all cached corpora.
        #[serde(with = "crate::workload::path")]
        cache: PathBuf,
    },
    /// Measure one run.
    Measure(Measure),
    /// Load modules until a limit of the system stops it.
    Exhaust(Exhaust),
}

/// The request to load modules until a limit of the system stops it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exhaust {
    /// The modules to load, and how.
    pub workload: Modules,
    /// The limit to meet.
    pub limit: Limit,
    /// The value to which the process first lowers the limit. `None` leaves the limit as it is.
    pub lowered: Option<u64>,
    /// The number of prepared artifacts, which are loaded in turn.
    pub artifacts: usize,
    /// The most modules to load.
    pub most: usize,
    /// The folder of all cached corpora, as given to [`Prepare`].
    #[serde(with = "crate::workload::path")]
    pub cache: PathBuf,
}

/// The request to compile artifacts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prepare {
    /// The corpus whose artifacts are compiled.
    pub corpus: Corpus,
    /// Whether the artifacts keep their unwind tables.
    pub tables: Tables,
    /// The number of artifacts to compile.
    pub modules: usize,
    /// The folder of all cached corpora.
    #[serde(with = "crate::workload::path")]
    pub cache: PathBuf,
    /// The collector of the runs that will load the artifacts. Callgrind simulates a CPU of its own, which
    /// needs other artifacts. The field is left out and `Clock` under the same conditions as in [`Measure`].
    #[serde(default, skip_serializing_if = "Collector::is_clock")]
    pub collector: Collector,
}

/// The request to measure one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// The work of the run.
    pub workload: Workload,
    /// The size, N.
    pub modules: usize,
    /// The seed for everything that the load order leaves to chance.
    pub seed: u64,
    /// The metrics to count.
    pub metrics: Vec<Metric>,
    /// The folder of all cached corpora, as given to [`Prepare`].
    #[serde(with = "crate::workload::path")]
    pub cache: PathBuf,
    /// The collector that observes the process. [`Collector::Clock`] is left out of the JSON, so that runners of
    /// older sources understand the request.
    #[serde(default, skip_serializing_if = "Collector::is_clock")]
    pub collector: Collector,
    /// The CPUs to stay on. Empty means all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processors: Vec<usize>,
    /// How a command's counts under callgrind are split at its phase lines. `None` if they are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dumps: Option<Dumps>,
}

/// How to split a command's counts under callgrind at its phase lines, while the command waits for an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dumps {
    /// valgrind's program `vgdb`, which makes a process write its counts.
    #[serde(with = "crate::workload::path")]
    pub vgdb: PathBuf,
    /// The folder into which callgrind writes. Dumps of a phase are moved into a folder of the phase's name.
    #[serde(with = "crate::workload::path")]
    pub folder: PathBuf,
    /// The prefix of the names of valgrind's pipes. Each running process has its own pipes.
    #[serde(with = "crate::workload::path")]
    pub pipes: PathBuf,
}
