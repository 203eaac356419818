//! [`Subject`]: the work of one run, of one of four kinds.

pub(crate) mod axis;
mod capacity;
pub(crate) mod command;
pub(crate) mod corpus;
pub(crate) mod load_order;
pub(crate) mod modules;
pub(crate) mod path;
pub(crate) mod planted;
pub(crate) mod registration;

use serde::{Deserialize, Serialize};

use crate::metric::name::Metric;
use crate::metric::phase::Phase;
use crate::subject::command::Command;
use crate::subject::modules::Modules;
use crate::subject::planted::Planted;
use crate::subject::registration::Registration;

/// The work of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// Loads and drops N modules.
    Modules(Modules),
    /// Runs a program, which receives N.
    Command(Command),
    /// Registers and deregisters N unwind tables.
    Registration(Registration),
    /// Does the self-check's work of known growth.
    Planted(Planted),
}

impl Subject {
    /// Whether this is work of the self-check rather than the user's scenario.
    pub fn is_planted(&self) -> bool {
        matches!(self, Subject::Planted(_))
    }

    /// Whether a run may have this phase. Loading modules has no phase `work` or `run`, and no separate phase
    /// for registering. A command may mark any phase but `total`, which is the sum of `load` and `unload`.
    pub(crate) fn may_have(&self, phase: Phase) -> bool {
        match self {
            Subject::Modules(_) => {
                !matches!(phase, Phase::Work | Phase::Run | Phase::Register | Phase::Deregister)
            }
            Subject::Registration(registration) => match phase {
                Phase::Register | Phase::Deregister => true,
                Phase::Unwind => registration.unwinds > 0,
                _ => false,
            },
            Subject::Command(_) => true,
            Subject::Planted(_) => phase == Phase::Work,
        }
    }

    /// The noun for one of N, unless the scenario names another.
    pub(crate) fn unit(&self) -> &'static str {
        match self {
            Subject::Modules(modules) => modules.axis.unit(),
            Subject::Registration(_) => "table",
            Subject::Command(_) | Subject::Planted(_) => "item",
        }
    }

    /// Whether a run of this subject can count this metric.
    pub(crate) fn may_count(&self, metric: Metric) -> bool {
        let is_of_commands = matches!(metric, Metric::Reported | Metric::PeakResidentBytes);
        !is_of_commands || matches!(self, Subject::Command(_))
    }
}
