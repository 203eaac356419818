//! A run by `Collector::Count`: counts every operation at any cost, and measures no time.
//!
//! Operations are added up by phase, on the thread that does them. Live resources are read outside the
//! phases, at checkpoints and at the end. After the last module was dropped, they are the resources that are
//! left over.

use loadline_scenario::{
    Absence, KnownWork, Measure, Metric, Modules, Phase, Proof, Reading, Registration, Schedule,
    Scope, Workload,
};
use loadline_workload::{Event, Observer, Role};

use super::samples::{FIRST_CHECKPOINT, MEASURED, Measured, Samples, thread_number};
use super::{known_work, modules as run};
use crate::counting::live::Live;
use crate::counting::mappings;
use crate::counting::operations::{self, Operations};
use crate::error::Error;
use crate::registration::bench;

/// Does one run.
///
/// # Errors
/// The errors of any run. For a command, because this process cannot count the operations of another program.
pub fn measure(request: &Measure) -> Result<Measured, Error> {
    let mut measured = match &request.workload {
        Workload::Command(_) => return Err(Error::CommandCounted),
        Workload::SelfCheck(known) => measure_self_check(request, known)?,
        Workload::Modules(workload) => measure_modules(request, workload)?,
        Workload::Registration(registration) => measure_registration(request, registration)?,
    };
    measured.samples.retain(|sample| request.metrics.contains(&sample.metric));
    Ok(measured)
}

fn measure_self_check(request: &Measure, known: &KnownWork) -> Result<Measured, Error> {
    let followed = begin();
    let mut counted = None;
    let measured = |work: &mut dyn FnMut()| {
        let (alive, before) = (Live::now(), Operations::of_this_thread());
        work();
        let operations = Operations::of_this_thread().since(&before);
        counted = Some((operations, Live::now().grown_since(&alive)));
        Ok(())
    };
    let units = known_work::work(known, request.modules, measured)?;
    let mut samples = Samples::new(request.modules);
    if let Some((operations, grown)) = counted {
        samples.readings(Phase::Work, Scope::Process, operations.readings(followed));
        samples.readings(Phase::Work, Scope::Process, grown);
    }
    let proof = Proof { known_work: units, ..Proof::default() };
    Ok(Measured { proof, samples: samples.list })
}

fn measure_registration(request: &Measure, registration: &Registration) -> Result<Measured, Error> {
    let followed = begin();
    let mut samples = Samples::new(request.modules);
    let proof = bench::run(request, registration, |phase, work| {
        let before = Operations::of_this_thread();
        work();
        let operations = Operations::of_this_thread().since(&before);
        samples.readings(phase, Scope::Process, operations.readings(followed));
        Ok(())
    })?;
    Ok(Measured { proof, samples: samples.list })
}

/// Counts all operations from here on, and returns whether calls that map memory can be counted. No hash
/// table has been created before, so the seeds of all of them are fixed.
fn begin() -> Result<(), Absence> {
    operations::count_from_now();
    mappings::follow()
}

fn measure_modules(request: &Measure, workload: &Modules) -> Result<Measured, Error> {
    let (modules, is_alone) = (request.modules, run::is_alone(&workload.load_order));
    let followed = begin();
    let before = Live::now();
    let observe = |_: &Schedule, role| Counter::new(role, modules, is_alone);
    let driven = run::drive(request, workload, observe)?;
    let after = Live::now();
    let proof = run::proof(&driven);
    let counters: Vec<Counter> = driven.observers.into_iter().map(|(_, counter)| counter).collect();
    let mut samples = Samples::new(modules);
    for phase in MEASURED.into_iter().chain([Phase::Load, Phase::Total]) {
        counted(&mut samples, &counters, phase, followed, modules);
    }
    match counters.as_slice() {
        [counter] if is_alone => {
            for checkpoint in &counter.checkpoints {
                samples.list.append(&mut checkpoint.samples(modules, followed));
            }
        }
        _ => {
            let grown = after.grown_since(&before);
            samples.readings(Phase::Unload, Scope::Process, grown);
            // While some threads load, others may already unload.
            let unknown = grown.map(|(metric, _)| (metric, NOT_MEASURED));
            samples.readings(Phase::Load, Scope::Process, unknown);
        }
    }
    Ok(Measured { proof, samples: samples.list })
}

const NOT_MEASURED: Reading = Reading::Unavailable(Absence::NotMeasured);

/// Adds the operations of a phase, of all threads together and of each thread.
fn counted(
    samples: &mut Samples,
    counters: &[Counter],
    phase: Phase,
    followed: Result<(), Absence>,
    modules: usize,
) {
    let all =
        counters.iter().fold(Tally::default(), |all, counter| all.plus(&counter.tally(phase)));
    let followed = counters.iter().fold(followed, |all, counter| all.and(counter.entered));
    samples.readings(phase, Scope::Process, all.readings(followed));
    if counters.len() > 1 {
        for counter in counters {
            let tally = counter.tally(phase);
            if tally.steps > 0 {
                let scope = Scope::Thread(thread_number(counter.role, modules));
                samples.readings(phase, scope, tally.readings(followed));
            }
        }
    }
}

/// The operations in a phase.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    steps: u64,
    operations: Operations,
}

impl Tally {
    fn plus(&self, other: &Tally) -> Tally {
        let operations = self.operations.plus(&other.operations);
        Tally { steps: self.steps + other.steps, operations }
    }

    fn readings(self, followed: Result<(), Absence>) -> impl Iterator<Item = (Metric, Reading)> {
        let has_occurred = self.steps > 0;
        let readings = self.operations.readings(followed);
        readings.map(move |(metric, reading)| {
            (metric, if has_occurred { reading } else { NOT_MEASURED })
        })
    }
}

/// Counts the operations of one thread. All its data is allocated before the first step.
struct Counter {
    role: Role,
    modules: usize,
    keeps_checkpoints: bool,
    /// Whether calls that map memory are counted on this thread.
    entered: Result<(), Absence>,
    tallies: [Tally; MEASURED.len()],
    checkpoints: Vec<Checkpoint>,
    /// The resources that were live before the first step.
    before: Live,
    /// The counts at the last border between phases.
    last: Operations,
}

/// The counts after `modules` modules had been loaded or dropped.
struct Checkpoint {
    phase: Phase,
    modules: usize,
    deserialize: Tally,
    tally: Tally,
    grown: [(Metric, Reading); 5],
}

impl Counter {
    fn new(role: Role, modules: usize, keeps_checkpoints: bool) -> Counter {
        let doublings = modules.max(1).ilog2() as usize + 1;
        let room = if keeps_checkpoints { 2 * (doublings + 1) } else { 0 };
        Counter {
            role,
            modules,
            keeps_checkpoints,
            entered: mappings::enter(),
            tallies: [Tally::default(); MEASURED.len()],
            checkpoints: Vec::with_capacity(room),
            before: Live::now(),
            last: Operations::of_this_thread(),
        }
    }

    /// Returns the counts of a phase so far. For `load` and `total`, it adds up the parts.
    fn tally(&self, phase: Phase) -> Tally {
        let parts = phase.parts();
        let is_part = |measured: Phase| measured == phase || parts.contains(&measured);
        let tallies = MEASURED.into_iter().zip(&self.tallies);
        tallies
            .filter(|(measured, _)| is_part(*measured))
            .fold(Tally::default(), |all, (_, tally)| all.plus(tally))
    }

    fn keep(&mut self, event: Event) {
        let phase = if event.phase == Phase::Deserialize { Phase::Load } else { event.phase };
        if self.checkpoints.len() < self.checkpoints.capacity() {
            self.checkpoints.push(Checkpoint {
                phase,
                modules: event.progress,
                deserialize: self.tally(Phase::Deserialize),
                tally: self.tally(phase),
                grown: Live::now().grown_since(&self.before),
            });
        }
    }
}

impl Observer for Counter {
    fn step(&mut self, event: Event) {
        let done = Operations::of_this_thread();
        let phase = MEASURED.into_iter().position(|phase| phase == event.phase);
        if let Some(tally) = phase.map(|phase| &mut self.tallies[phase]) {
            let operations = done.since(&self.last);
            *tally = tally.plus(&Tally { steps: 1, operations });
        }
        let is_last = event.progress == self.modules;
        let is_checkpoint =
            is_last || (event.progress >= FIRST_CHECKPOINT && event.progress.is_power_of_two());
        let is_kept = matches!(event.phase, Phase::Deserialize | Phase::Unload);
        if self.keeps_checkpoints && is_checkpoint && is_kept {
            self.keep(event);
        }
        // The work of this function belongs to no phase.
        self.last = Operations::of_this_thread();
    }

    fn idle(&mut self) {
        self.last = Operations::of_this_thread();
    }
}

impl Checkpoint {
    /// Returns the readings of this checkpoint. For the last checkpoint, these are only the live resources,
    /// because the phase has the operations. Live resources during unloading belong to no population except
    /// the last.
    fn samples(
        &self,
        last: usize,
        followed: Result<(), Absence>,
    ) -> Vec<loadline_scenario::Sample> {
        let mut samples = Samples::new(self.modules);
        let is_last = self.modules == last;
        if is_last || self.phase == Phase::Load {
            samples.readings(self.phase, Scope::Process, self.grown);
        }
        if !is_last {
            samples.readings(self.phase, Scope::Process, self.tally.readings(followed));
            if self.phase == Phase::Load {
                let readings = self.deserialize.readings(followed);
                samples.readings(Phase::Deserialize, Scope::Process, readings);
            }
            samples.list.retain(|sample| sample.reading.value().is_some());
        }
        samples.list
    }
}
