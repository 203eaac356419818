//! [`Message`]: one line of the runner's answer.
//!
//! Messages are JSON documents on the runner's standard output, one per line.

use serde::{Deserialize, Serialize};

use crate::metric::name::Metric;
use crate::metric::phase::Phase;
use crate::metric::reading::{Absence, Reading};
use crate::protocol::environment::Environment;
use crate::workload::Workload;

/// One line of the runner's answer. The last line is `Done` or `Failed`. An answer with another last line is
/// incomplete.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Message {
    /// The description of this machine and build.
    Environment(Box<Environment>),
    /// A metric that this machine cannot count, and why.
    Absent(Absent),
    /// The progress of compiling a corpus.
    Progress {
        /// The number of artifacts that are ready.
        done: usize,
        /// The number of artifacts that were asked for.
        total: usize,
    },
    /// One reading.
    Sample(Sample),
    /// The counts that prove the run's work.
    Proof(Proof),
    /// The result of loading modules up to a limit.
    Exhausted(Exhausted),
    /// The runner could not do what the request asks for.
    Failed {
        /// The attempt, what went wrong, and the remedy.
        error: String,
    },
    /// The answer is complete.
    Done,
}

/// The result of loading modules up to a limit, reported by the process that met the limit and went on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exhausted {
    /// How much of the limited resource was in use before the first module.
    pub in_use: u64,
    /// The number of modules that were loaded.
    pub modules: usize,
    /// The error when the next module was loaded.
    pub ended: String,
}

/// A metric whose counter this machine does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absent {
    /// The metric that is not counted.
    pub metric: Metric,
    /// Why the counter is missing.
    pub absence: Absence,
    /// The workloads that have no count of the metric for this reason.
    #[serde(default, skip_serializing_if = "Uncounted::is_all")]
    pub uncounted: Uncounted,
}

impl Absent {
    /// Makes an entry for a metric that is not counted for any workload.
    pub const fn everywhere(metric: Metric, absence: Absence) -> Absent {
        Absent { metric, absence, uncounted: Uncounted::All }
    }

    /// Whether `workload` has no count of the metric.
    pub fn concerns(&self, workload: &Workload) -> bool {
        match self.uncounted {
            Uncounted::All => true,
            Uncounted::AllButCommands => !matches!(workload, Workload::Command(_)),
            Uncounted::Commands => matches!(workload, Workload::Command(_)),
            Uncounted::None => false,
        }
    }
}

/// The workloads for which a metric is not counted when its counter is missing.
///
/// For some counters, the system's own accounting (CPU clocks, resource usage) is used instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Uncounted {
    /// No workload is counted.
    #[default]
    All,
    /// Commands are counted by the system's accounting, other workloads are not counted.
    AllButCommands,
    /// Commands are not counted, other workloads are.
    Commands,
    /// Every workload is counted by the system's accounting.
    None,
}

impl Uncounted {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    fn is_all(&self) -> bool {
        *self == Uncounted::All
    }
}

/// The threads whose counts a sample holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// All threads of the run together.
    Process,
    /// One thread. Loading threads count from 0; the unloading thread follows them.
    Thread(usize),
}

/// One raw reading of one phase, at one N, in one process.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// The phase that was counted.
    pub phase: Phase,
    /// The metric that was counted.
    pub metric: Metric,
    /// The threads that were counted.
    pub scope: Scope,
    /// The number of modules that had gone through the phase: N, or a geometric checkpoint before N.
    pub modules: usize,
    /// The cumulative count from the beginning of the phase to this number of modules.
    pub reading: Reading,
}

/// The counts that prove what a run has done.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Proof {
    /// Modules that became ready.
    pub loaded: usize,
    /// Modules that were instantiated and called, and returned the value that their source defines.
    pub called: usize,
    /// Native unwinds that found at least one frame.
    pub unwound: usize,
    /// Backtraces, traps, panics and instantiations that succeeded.
    #[serde(default)]
    pub acted: usize,
    /// Modules that were dropped.
    pub released: usize,
    /// Calls that registered an `.eh_frame` with the unwinder. `None` where they are not counted.
    pub registered: Option<u64>,
    /// Calls that deregistered an `.eh_frame`. `None` where they are not counted.
    pub deregistered: Option<u64>,
    /// The work of a self-check that was done, in its own unit.
    #[serde(default)]
    pub known_work: u64,
    /// How a command ended. `None` if no command was run.
    pub command: Option<CommandProof>,
    /// The file of the active unwinder, as in [`Environment::unwinder_path`].
    pub unwinder_path: String,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandProof {
    /// Its exit code.
    pub exit_code: i32,
    /// The text of its last line `loadline:check=…`. `None` if it printed none.
    pub check: Option<String>,
    /// The metrics that CPU clocks and resource usage measured in place of `perf_event` counters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_accounting: Vec<Metric>,
}
