//! What one run does: [`Subject`], one of four kinds, and the work that the gate plants for itself.

use std::num::NonZeroUsize;

use serde::{Deserialize, Serialize};

use crate::command::Command;
use crate::metric::{Metric, Phase};
use crate::modules::Modules;
use crate::registration::Registration;

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

/// Work of known growth in phase `work`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planted {
    /// Which resource is spent.
    pub work: PlantedWork,
    /// The share of the cost at `largest` that grows with N², in percent; the rest grows with N.
    pub quadratic_percent: u8,
    /// The N at which that share is reached.
    pub largest: NonZeroUsize,
}

/// What planted work spends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlantedWork {
    /// Instructions and the time they take.
    Cpu,
    /// Fresh pages, each touched once.
    Pages,
    /// Allocations, each freed at once; one unit is one allocation.
    Allocations,
}

impl Planted {
    /// The units of work that N asks for: `(1 − q)·N + q·N²/largest` of 1,000 units a module, where
    /// q is the quadratic share at `largest`, rounded down.
    pub fn units(&self, modules: usize) -> u64 {
        const UNITS_PER_MODULE: u128 = 1_000;
        let (n, largest) = (modules as u128, self.largest.get() as u128);
        let quadratic = u128::from(self.quadratic_percent.min(100));
        let linear = (100 - quadratic) * n * UNITS_PER_MODULE / 100;
        let quadratic = quadratic * n * n * UNITS_PER_MODULE / (100 * largest);
        u64::try_from(linear + quadratic).unwrap_or(u64::MAX)
    }
}
