//! [`Workload`]: the work of one run, of one of four kinds.

mod capacity;
pub(crate) mod command;
pub(crate) mod corpus;
pub(crate) mod known_work;
pub(crate) mod load_order;
pub(crate) mod modules;
pub(crate) mod n_counts;
pub(crate) mod path;
pub(crate) mod registration;

use serde::{Deserialize, Serialize};

use crate::metric::name::Metric;
use crate::metric::phase::Phase;
use crate::workload::command::Command;
use crate::workload::known_work::KnownWork;
use crate::workload::modules::Modules;
use crate::workload::registration::Registration;

/// The work of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// Loads and drops N modules.
    Modules(Modules),
    /// Runs a program, which receives N.
    Command(Command),
    /// Registers and deregisters N unwind tables.
    Registration(Registration),
    /// Does the self-check's work of known growth.
    SelfCheck(KnownWork),
}

impl Workload {
    /// Whether this is work of the self-check rather than the user's scenario.
    pub fn is_self_check(&self) -> bool {
        matches!(self, Workload::SelfCheck(_))
    }

    /// Whether a run may have this phase. Loading modules has no phase `work` or `run`, and no separate phase
    /// for registering. A command may mark any phase but `total`, which is the sum of `load` and `unload`.
    pub(crate) fn may_have(&self, phase: Phase) -> bool {
        match self {
            Workload::Modules(_) => {
                !matches!(phase, Phase::Work | Phase::Run | Phase::Register | Phase::Deregister)
            }
            Workload::Registration(registration) => match phase {
                Phase::Register | Phase::Deregister => true,
                Phase::Unwind => registration.unwinds > 0,
                _ => false,
            },
            Workload::Command(_) => true,
            Workload::SelfCheck(_) => phase == Phase::Work,
        }
    }

    /// The noun for one of N, unless the scenario names another.
    pub(crate) fn unit(&self) -> &'static str {
        match self {
            Workload::Modules(modules) => modules.n_counts.unit(),
            Workload::Registration(_) => "table",
            Workload::Command(_) | Workload::SelfCheck(_) => "item",
        }
    }

    /// Whether a run of this workload can count this metric.
    pub(crate) fn may_count(&self, metric: Metric) -> bool {
        let is_of_commands = matches!(metric, Metric::Reported | Metric::PeakResidentBytes);
        !is_of_commands || matches!(self, Workload::Command(_))
    }
}
