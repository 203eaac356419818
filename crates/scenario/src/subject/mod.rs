//! What one run does: [`Subject`], one of four kinds, and the work that the gate plants for itself.

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

/// What one run does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// Loads and drops N modules.
    Modules(Modules),
    /// Runs a program that does whatever it does with N.
    Command(Command),
    /// Registers and deregisters N unwind tables.
    Registration(Registration),
    /// Does work of known growth, for the gate to prove that it can see.
    Planted(Planted),
}

impl Subject {
    /// Whether it is part of the gate's own proof rather than somebody's question.
    pub fn is_planted(&self) -> bool {
        matches!(self, Subject::Planted(_))
    }

    /// Whether a run may have this phase. A lifecycle has no phase `work` or `run`, and registers by
    /// loading; a command may mark any but `total`, which is `load` and `unload` together for it as
    /// well.
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

    /// One of what N counts, as a reader is told it.
    pub fn unit(&self) -> &'static str {
        match self {
            Subject::Modules(modules) => modules.axis.unit(),
            Subject::Registration(_) => "table",
            Subject::Command(_) | Subject::Planted(_) => "module",
        }
    }

    /// Whether a run may have counted this metric.
    pub(crate) fn may_count(&self, metric: Metric) -> bool {
        metric != Metric::Reported || matches!(self, Subject::Command(_))
    }
}
