//! [`Request`]: what the runner is asked to do.
//!
//! A request is one JSON document on the runner's standard input.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::metric::collector::Means;
use crate::metric::name::Metric;
use crate::subject::Subject;
use crate::subject::corpus::{Corpus, Tables};
use crate::subject::modules::{Limit, Modules};

/// What the runner is asked to do; it does one thing and ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Say what this machine and build are.
    Describe {
        /// The metrics whose counters are to be tried.
        metrics: Vec<Metric>,
        /// The processors to stay on; all if empty.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        processors: Vec<usize>,
    },
    /// Compile the artifacts of a corpus into the cache, where they are not there yet.
    Prepare(Prepare),
    /// Compile the functions of unwind tables into the cache, where they are not there yet.
    PrepareTables {
        /// How many functions a table has.
        functions: NonZeroUsize,
        /// The folder of all cached corpora.
        #[serde(with = "crate::subject::path")]
        cache: PathBuf,
    },
    /// Measure one run.
    Measure(Measure),
    /// Load modules until a limit of the system ends it.
    Exhaust(Exhaust),
}

/// A limit of the system to be met.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exhaust {
    /// What is loaded, and how.
    pub subject: Modules,
    /// The limit.
    pub limit: Limit,
    /// To what the process lowers it first; as it is if none.
    pub lowered: Option<u64>,
    /// How many artifacts are prepared; they are loaded in turn.
    pub artifacts: usize,
    /// How many modules are loaded at most.
    pub most: usize,
    /// The folder of all cached corpora, as given to [`Prepare`].
    #[serde(with = "crate::subject::path")]
    pub cache: PathBuf,
}

/// Artifacts to compile.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prepare {
    /// Which artifacts.
    pub corpus: Corpus,
    /// With or without unwind tables.
    pub tables: Tables,
    /// How many.
    pub modules: usize,
    /// The folder of all cached corpora.
    #[serde(with = "crate::subject::path")]
    pub cache: PathBuf,
    /// What will watch the runs that load them: callgrind brings a processor of its own, for which
    /// others are compiled. Left out and `Clock` as in [`Measure`].
    #[serde(default, skip_serializing_if = "Means::is_clock")]
    pub means: Means,
}

/// One run to measure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// What to do.
    pub subject: Subject,
    /// N.
    pub modules: usize,
    /// Decides what the lifecycle leaves to chance.
    pub seed: u64,
    /// What to count.
    pub metrics: Vec<Metric>,
    /// The folder of all cached corpora, as given to [`Prepare`].
    #[serde(with = "crate::subject::path")]
    pub cache: PathBuf,
    /// What watches the process. Left out where it is [`Means::Clock`], so that runners of older
    /// sources understand the request.
    #[serde(default, skip_serializing_if = "Means::is_clock")]
    pub means: Means,
    /// The processors to stay on; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processors: Vec<usize>,
    /// Of a command that runs under callgrind: how its counts are split at its phase lines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dumps: Option<Dumps>,
}

/// How the counts of a command under callgrind are split at its phase lines, while it waits for the
/// answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dumps {
    /// valgrind's program that has a process write down what it has counted.
    #[serde(with = "crate::subject::path")]
    pub vgdb: PathBuf,
    /// Where callgrind writes. What belongs to a phase is moved into a folder of the phase's name.
    #[serde(with = "crate::subject::path")]
    pub folder: PathBuf,
    /// How the names of valgrind's pipes begin: one set of pipes per living process.
    #[serde(with = "crate::subject::path")]
    pub pipes: PathBuf,
}
