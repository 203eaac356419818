//! [`Message`]: what the runner answers.
//!
//! Messages are one JSON document a line on the runner's standard output.

use serde::{Deserialize, Serialize};

use crate::metric::name::Metric;
use crate::metric::phase::Phase;
use crate::metric::reading::{Absence, Reading};
use crate::protocol::environment::Environment;
use crate::subject::Subject;

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
