//! A run by the clock: reads counters at the borders of phases, which hardly disturbs the run.

use loadline_probe::Totals;
use loadline_scenario::{
    Absence, KnownWork, LoadedAtOnce, Measure, Metric, Modules, Phase, Proof, Reading,
    Registration, Sample, Scope, Workload,
};
use loadline_workload::{Event, Observer, Role};

use super::samples::{FIRST_CHECKPOINT, MEASURED, Measured, Samples, thread_number};
use super::{known_work, modules};
use crate::command;
use crate::counting::counters::Counters;
use crate::counting::frames::{self, FrameCounts};
use crate::counting::live::Resident;
use crate::error::Error;
use crate::registration::bench;

/// Measures one run.
///
/// # Errors
/// The errors of the workload.
pub fn measure(request: &Measure) -> Result<Measured, Error> {
    match &request.workload {
        Workload::SelfCheck(known) => measure_self_check(request, known),
        Workload::Modules(workload) => measure_modules(request, workload),
        Workload::Registration(registration) => measure_registration(request, registration),
        Workload::Command(command) => command::measure(request, command),
    }
}

fn measure_self_check(request: &Measure, known: &KnownWork) -> Result<Measured, Error> {
    let mut samples = Samples::new(request.modules);
    let before = Resident::now();
    let mut probe = Counters::open(&request.metrics);
    probe.start();
    let units = known_work::work(known, request.modules, |work| {
        probe.measure(Phase::Work, work);
        Ok(())
    })?;
    let resident = before.grown();
    samples.totals(Phase::Work, Scope::Process, &probe.totals(Phase::Work));
    samples.push(Phase::Work, Metric::ResidentBytes, resident);
    let proof = Proof { known_work: units, ..Proof::default() };
    Ok(Measured { proof, samples: samples.list })
}

fn measure_registration(request: &Measure, registration: &Registration) -> Result<Measured, Error> {
    let mut probe = Counters::open(&request.metrics);
    probe.start();
    let proof = bench::run(request, registration, |phase, work| {
        probe.measure(phase, work);
        Ok(())
    })?;
    let mut samples = Samples::new(request.modules);
    for phase in bench::PHASES {
        samples.totals(phase, Scope::Process, &probe.totals(phase));
    }
    let counts = [
        (Phase::Register, Metric::UnwindTablesRegistered, proof.registered),
        (Phase::Deregister, Metric::UnwindTablesDeregistered, proof.deregistered),
    ];
    for (phase, metric, count) in counts {
        samples.list.retain(|sample| (sample.phase, sample.metric) != (phase, metric));
        if let Some(count) = count {
            samples.push(phase, metric, Reading::Exact(count));
        }
    }
    samples.list.retain(|sample| request.metrics.contains(&sample.metric));
    Ok(Measured { proof, samples: samples.list })
}

fn measure_modules(request: &Measure, workload: &Modules) -> Result<Measured, Error> {
    let is_alone = modules::is_alone(&workload.load_order);
    let watch = Watch {
        metrics: &request.metrics,
        modules: request.modules,
        keeps_checkpoints: is_alone,
        unloads_in_one_go: is_alone && workload.load_order.loaded_at_once == LoadedAtOnce::All,
    };
    let driven = modules::drive(request, workload, |_, role| Watcher::new(&watch, role))?;
    let proof = modules::proof(&driven);
    let watchers: Vec<Watcher> = driven.observers.into_iter().map(|(_, watcher)| watcher).collect();
    let samples = samples(&watch, watchers, frames::counts());
    Ok(Measured { proof, samples })
}

/// The settings for the watcher of every thread.
struct Watch<'a> {
    metrics: &'a [Metric],
    modules: usize,
    /// Whether checkpoints are kept; see [`modules::is_alone`].
    keeps_checkpoints: bool,
    /// After the first unload there are only unloads, so the counters are read at checkpoints only.
    unloads_in_one_go: bool,
}

/// Counts the phases of one thread. All its data is allocated before the first step.
struct Watcher {
    role: Role,
    probe: Counters,
    checkpoints: Vec<Checkpoint>,
    keeps_checkpoints: bool,
    unloads_in_one_go: bool,
    modules: usize,
    resident: Option<ResidentOverLoad>,
}

/// The cumulative counts after `modules` modules had gone through `phase`.
struct Checkpoint {
    phase: Phase,
    modules: usize,
    totals: Totals,
}

struct ResidentOverLoad {
    before: Resident,
    grown: Reading,
}

impl Watcher {
    fn new(watch: &Watch<'_>, role: Role) -> Watcher {
        let counts_resident =
            watch.keeps_checkpoints && watch.metrics.contains(&Metric::ResidentBytes);
        let doublings = watch.modules.max(1).ilog2() as usize + 1;
        let mut watcher = Watcher {
            role,
            probe: Counters::open(watch.metrics),
            checkpoints: Vec::with_capacity(MEASURED.len() * doublings),
            keeps_checkpoints: watch.keeps_checkpoints,
            unloads_in_one_go: watch.unloads_in_one_go,
            modules: watch.modules,
            resident: None,
        };
        if counts_resident {
            let grown = Reading::Unavailable(Absence::NotMeasured);
            watcher.resident = Some(ResidentOverLoad { before: Resident::now(), grown });
        }
        watcher.probe.start();
        watcher
    }

    /// Returns the counts of a phase so far. For `load`, it adds up the parts.
    fn totals(&self, phase: Phase) -> Totals {
        // Add the parts one after the other, because a list would need an allocation during the measurement.
        match phase.parts() {
            [] => self.probe.totals(phase),
            [first, rest @ ..] => rest.iter().fold(self.probe.totals(*first), |sum, part| {
                Totals::sum(&[sum, self.probe.totals(*part)])
            }),
        }
    }

    fn keep(&mut self, phase: Phase, modules: usize) {
        if self.checkpoints.len() < self.checkpoints.capacity() {
            let totals = self.totals(phase);
            self.checkpoints.push(Checkpoint { phase, modules, totals });
        }
    }

    /// Reads, after the last load, how much the resident set has grown since before the first load.
    fn read_resident(&mut self) {
        if let Some(resident) = &mut self.resident {
            resident.grown = resident.before.grown();
        }
    }
}

impl Observer for Watcher {
    fn step(&mut self, event: Event) {
        let is_last = event.progress == self.modules;
        let is_checkpoint = self.keeps_checkpoints
            && (is_last
                || (event.progress >= FIRST_CHECKPOINT && event.progress.is_power_of_two()));
        if event.phase == Phase::Unload && self.unloads_in_one_go && !is_checkpoint {
            return;
        }
        self.probe.lap(Some(event.phase));
        if !is_checkpoint {
            return;
        }
        match event.phase {
            Phase::Deserialize => {
                self.keep(Phase::Load, event.progress);
                self.keep(Phase::Deserialize, event.progress);
                if is_last {
                    self.read_resident();
                }
            }
            Phase::Unload => self.keep(Phase::Unload, event.progress),
            _ => {}
        }
        // The work of this function belongs to no phase.
        self.probe.lap(None);
    }

    fn idle(&mut self) {
        self.probe.lap(None);
    }
}

fn samples(watch: &Watch<'_>, watchers: Vec<Watcher>, frames: Option<FrameCounts>) -> Vec<Sample> {
    let mut samples = Samples::new(watch.modules);
    for checkpoint in watchers.iter().flat_map(|watcher| &watcher.checkpoints) {
        if checkpoint.modules < watch.modules {
            let mut early = Samples::new(checkpoint.modules);
            early.totals(checkpoint.phase, Scope::Process, &checkpoint.totals);
            early.list.retain(|sample| sample.reading.value().is_some());
            samples.list.append(&mut early.list);
        }
    }
    let derived = [Phase::Load, Phase::Total];
    for phase in MEASURED.into_iter().chain(derived) {
        let of_threads: Vec<Totals> =
            watchers.iter().map(|watcher| watcher.totals(phase)).collect();
        samples.totals(phase, Scope::Process, &Totals::sum(&of_threads));
        for (watcher, totals) in watchers.iter().zip(&of_threads) {
            if watchers.len() > 1 && totals.laps() > 0 {
                samples.totals(
                    phase,
                    Scope::Thread(thread_number(watcher.role, watch.modules)),
                    totals,
                );
            }
        }
    }
    if let Some(frames) = frames {
        for phase in [Phase::Deserialize, Phase::Load, Phase::Total] {
            samples.push(phase, Metric::UnwindTablesRegistered, Reading::Exact(frames.registered));
        }
        for phase in [Phase::Unload, Phase::Total] {
            samples.push(
                phase,
                Metric::UnwindTablesDeregistered,
                Reading::Exact(frames.deregistered),
            );
        }
    }
    if let Some(resident) = watchers.iter().find_map(|watcher| watcher.resident.as_ref()) {
        samples.push(Phase::Load, Metric::ResidentBytes, resident.grown);
    }
    samples.list.retain(|sample| watch.metrics.contains(&sample.metric));
    samples.list
}
