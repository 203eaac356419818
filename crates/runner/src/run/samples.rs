//! [`Samples`]: the readings of one run.

use loadline_probe::Totals;
use loadline_scenario::{Metric, Phase, Proof, Reading, Sample, Scope};
use loadline_workload::Role;

use crate::counting::counters;

/// The first population at which cumulative counts are kept. Further counts are kept at every doubling.
pub const FIRST_CHECKPOINT: usize = 16;

/// The phases in which a thread can spend time.
pub const MEASURED: [Phase; 9] = [
    Phase::Read,
    Phase::Deserialize,
    Phase::Call,
    Phase::Unwind,
    Phase::Backtrace,
    Phase::Trap,
    Phase::Panic,
    Phase::Instantiate,
    Phase::Unload,
];

/// The proof and the readings of one run.
#[derive(Debug)]
pub struct Measured {
    /// The counts with which the run proves its work.
    pub proof: Proof,
    /// The readings.
    pub samples: Vec<Sample>,
}

/// Returns the number of a thread. Loading threads are numbered from 0. The unloading thread has the number
/// `modules`, and the finishing thread has the next number.
pub fn thread_number(role: Role, modules: usize) -> usize {
    match role {
        Role::Loading(thread) => thread,
        Role::Unloading => modules,
        Role::Finishing => modules + 1,
    }
}

/// The readings of one population.
pub struct Samples {
    modules: usize,
    /// The readings so far.
    pub list: Vec<Sample>,
}

impl Samples {
    /// Creates an empty list of readings.
    pub fn new(modules: usize) -> Samples {
        Samples { modules, list: Vec::new() }
    }

    /// Adds the counts of a phase.
    pub fn totals(&mut self, phase: Phase, scope: Scope, totals: &Totals) {
        self.readings(phase, scope, counters::readings(totals));
    }

    /// Adds several readings of a phase.
    pub fn readings(
        &mut self,
        phase: Phase,
        scope: Scope,
        readings: impl IntoIterator<Item = (Metric, Reading)>,
    ) {
        let modules = self.modules;
        let samples = readings.into_iter();
        self.list.extend(samples.map(|(metric, reading)| Sample {
            phase,
            metric,
            scope,
            modules,
            reading,
        }));
    }

    /// Adds one reading of the whole process.
    pub fn push(&mut self, phase: Phase, metric: Metric, reading: Reading) {
        let (scope, modules) = (Scope::Process, self.modules);
        self.list.push(Sample { phase, metric, scope, modules, reading });
    }
}
