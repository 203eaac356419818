//! What one process is asked and what it answers: [`Request`], [`Message`], [`Sample`],
//! [`Environment`].
//!
//! A request is one JSON document on the runner's standard input; messages are one JSON document a
//! line on its standard output. This crate names the types; the two programs read and write them.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::artifact::{Corpus, Tables};
use crate::metric::{Absence, Metric, Phase, Reading};
use crate::modules::{Limit, Modules};
use crate::subject::Subject;

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
        #[serde(with = "crate::path")]
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
    #[serde(with = "crate::path")]
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
    #[serde(with = "crate::path")]
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
    #[serde(with = "crate::path")]
    pub cache: PathBuf,
    /// What watches the process. Left out where it is [`Means::Clock`], so that runners of older
    /// sources understand the request.
    #[serde(default, skip_serializing_if = "Means::is_clock")]
    pub means: Means,
    /// The processors to stay on; all if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processors: Vec<usize>,
}

/// What watches a run. What disturbs the clock is counted in runs of its own.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Means {
    /// Counters that cost next to nothing beside what is measured; times are taken.
    #[default]
    Clock,
    /// Every operation is counted, whatever that costs; no time is taken.
    Count,
    /// valgrind's callgrind counts every instruction; no time is taken.
    Callgrind,
}

impl Means {
    /// All of them, from the quickest on.
    pub const ALL: [Means; 3] = [Means::Clock, Means::Count, Means::Callgrind];

    /// Whether times are taken.
    pub fn is_clock(&self) -> bool {
        *self == Means::Clock
    }
}

/// One line of the runner's answer. The last line is `Done` or `Failed`; an answer that ends with
/// another is torn.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// What this machine and build are.
    Environment(Box<Environment>),
    /// A metric that cannot be counted here, and why.
    Absent(Absent),
    /// How far the compiling of a corpus is.
    Progress {
        /// Artifacts ready.
        done: usize,
        /// Artifacts asked for.
        total: usize,
    },
    /// One reading.
    Sample(Sample),
    /// The counts by which the run proves its work.
    Proof(Proof),
    /// What was met at a limit.
    Exhausted(Exhausted),
    /// The request could not be carried out.
    Failed {
        /// What was attempted, what went wrong, what to do.
        error: String,
    },
    /// Everything asked for has been said.
    Done,
}

/// What was met at a limit, by a process that went on afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exhausted {
    /// How much of it was in use before the first module.
    pub in_use: u64,
    /// How many modules were loaded.
    pub modules: usize,
    /// The error of the next.
    pub ended: String,
}

/// A metric whose counter is missing here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absent {
    /// The metric.
    pub metric: Metric,
    /// Why the counter is missing.
    pub absence: Absence,
    /// The subjects that have no count of the metric because of that.
    #[serde(default, skip_serializing_if = "Uncounted::is_all")]
    pub uncounted: Uncounted,
}

impl Absent {
    /// The metric is not counted for any subject.
    pub const fn everywhere(metric: Metric, absence: Absence) -> Absent {
        Absent { metric, absence, uncounted: Uncounted::All }
    }

    /// Whether `subject` has no count of the metric.
    pub fn concerns(&self, subject: &Subject) -> bool {
        match self.uncounted {
            Uncounted::All => true,
            Uncounted::AllButCommands => !matches!(subject, Subject::Command(_)),
            Uncounted::Commands => matches!(subject, Subject::Command(_)),
            Uncounted::None => false,
        }
    }
}

/// The subjects for which a metric without its counter is not counted.
///
/// The system's own accounting (CPU clocks, resource usage) stands in for some counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Uncounted {
    /// No subject is counted.
    #[default]
    All,
    /// Commands are counted by the system's accounting, other subjects are not counted.
    AllButCommands,
    /// Commands are not counted, other subjects are.
    Commands,
    /// Every subject is counted by the system's accounting.
    None,
}

impl Uncounted {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    fn is_all(&self) -> bool {
        *self == Uncounted::All
    }
}

/// Whose counts a sample holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// All threads of the run together.
    Process,
    /// One thread: loading threads from 0, then the one that unloads.
    Thread(usize),
}

/// One reading of one phase, at one N, in one process, raw.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Where it was counted.
    pub phase: Phase,
    /// What was counted.
    pub metric: Metric,
    /// Whose counts.
    pub scope: Scope,
    /// How many modules had gone through the phase: N, or a geometric checkpoint before it.
    pub modules: usize,
    /// The cumulative count from the phase's beginning to there.
    pub reading: Reading,
}

/// The counts by which a run proves its work.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Proof {
    /// Modules that became ready.
    pub loaded: usize,
    /// Modules that were instantiated, called, and returned what their source says.
    pub called: usize,
    /// Native unwinds that found at least one frame.
    pub unwound: usize,
    /// Backtraces, traps, panics and instantiations that went as they should.
    #[serde(default)]
    pub acted: usize,
    /// Modules that were dropped.
    pub released: usize,
    /// Calls that told the unwinder about an `.eh_frame`; `None` where they are not counted.
    pub registered: Option<u64>,
    /// Calls that told it to forget one.
    pub deregistered: Option<u64>,
    /// Planted work done, in its own unit.
    pub planted: u64,
    /// How a command ended; `None` where none was run.
    pub command: Option<CommandProof>,
    /// The file of the unwinder that was active, as [`Environment::unwinder_path`] has it.
    pub unwinder_path: String,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandProof {
    /// Its exit code.
    pub exit_code: i32,
    /// What its last line `loadline:check=…` said; `None` where it printed none.
    pub check: Option<String>,
    /// The metrics that CPU clocks and resource usage measured in place of `perf_event` counters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_accounting: Vec<Metric>,
}

/// What decides how a run behaves, beside the scenario. What could not be found out is the text
/// `unknown` with the reason behind it, never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Environment {
    /// This tool's version.
    pub loadline: String,
    /// Wasmtime's version.
    pub wasmtime: String,
    /// Wasmtime's features in this build.
    pub wasmtime_features: String,
    /// Cranelift's version.
    pub cranelift: String,
    /// The instruction set Cranelift compiles for.
    pub isa: String,
    /// Cranelift's flags that differ from their defaults, shared and of the instruction set.
    pub isa_flags: String,
    /// How the runner was built.
    pub build: String,
    /// The active unwinder's family: `libgcc-list` (libgcc up to 12), `libgcc-tree` (from 13),
    /// `llvm` or `other`.
    pub unwinder_family: String,
    /// The active unwinder's version.
    pub unwinder_version: String,
    /// The file it was loaded from.
    pub unwinder_path: String,
    /// The C library and its version.
    pub libc: String,
    /// Operating system and kernel release.
    pub kernel: String,
    /// The processor architecture, as Rust names it.
    pub arch: String,
    /// The processor's model.
    pub cpu: String,
    /// The sizes of its caches, from the first level on.
    pub caches: String,
    /// How many processors this process may use.
    pub processors: String,
    /// Which ones, by number: `0-1`.
    pub affinity: String,
    /// What is fixed of the allocator: glibc's tunables, as the process was started with.
    pub allocator: String,
    /// The arguments and the names of the environment variables the process was started with.
    pub started_with: String,
    /// The valgrind that counts instructions, or `none`.
    pub valgrind: String,
    /// `kernel.perf_event_paranoid`.
    pub perf_event_paranoid: String,
    /// `on` or `off`.
    pub address_randomisation: String,
    /// `vm.max_map_count`.
    pub max_map_count: String,
    /// The soft limit of open descriptors.
    pub descriptor_limit: String,
    /// Memory available when the process began, in bytes.
    pub memory_bytes: String,
}

impl Environment {
    /// The machine and the build in one line: `wasmtime 48.0.8, libgcc-list 12.0.0, linux 6.1, AMD EPYC`.
    #[must_use]
    pub fn line(&self) -> String {
        let Environment { wasmtime, unwinder_family, unwinder_version, cpu, kernel, .. } = self;
        format!("wasmtime {wasmtime}, {unwinder_family} {unwinder_version}, {kernel}, {cpu}")
    }

    /// Wasmtime's major version: growth is compared within one.
    pub fn wasmtime_major(&self) -> &str {
        self.wasmtime.split('.').next().unwrap_or(&self.wasmtime)
    }

    /// The unwinder's family and major version, `libgcc-list 12`: growth is compared within one.
    pub fn unwinder(&self) -> String {
        let major = self.unwinder_version.split('.').next().unwrap_or(&self.unwinder_version);
        format!("{} {major}", self.unwinder_family)
    }
}
