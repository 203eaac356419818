//! One measured run: drives the lifecycle under counters and says what they read.

use loadline_probe::Totals;
use loadline_scenario::{
    Absence, Action, Corpus, Lifecycle, LoadFrom, Means, Measure, Metric, Modules, Phase, Profiler,
    Proof, Reading, Residency, Sample, Schedule, Scope, Subject, UnloadThread,
};
#[cfg(unix)]
use loadline_workload::corpus::PackedCorpus;
use loadline_workload::corpus::{Cache, StoredCorpus};
use loadline_workload::loader::unwinder;
use loadline_workload::{Calls, Driven, Event, Observer, Options, Role, drive, engine, generate};

use crate::alive::Resident;
use crate::counters::{self, Counters};
use crate::error::Error;
use crate::frames::{self, FrameCounts};
use crate::perf_map::PerfMapped;
use crate::{command, count, lab, planted, process, profiled};

/// The first population at which cumulative counts are kept; then at every doubling.
pub const FIRST_CHECKPOINT: usize = 16;

/// The phases a thread can spend time in.
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

/// What one run proved, and what was read.
#[derive(Debug)]
pub struct Measured {
    /// The counts by which it proves its work.
    pub proof: Proof,
    /// The readings.
    pub samples: Vec<Sample>,
}

/// Carries out one run.
pub fn measure(request: &Measure) -> Result<Measured, Error> {
    if let Subject::Modules(Modules {
        lifecycle: Lifecycle { activity: Some(activity), .. }, ..
    }) = &request.subject
        && activity.action == Action::Trap
    {
        process::keep_backtraces();
    }
    if request.means == Means::Count {
        return count::measure(request);
    }
    if request.means == Means::Callgrind {
        return profiled::measure(request);
    }
    match &request.subject {
        Subject::Planted(planted) => {
            let mut samples = Samples::new(request.modules);
            let before = Resident::now();
            let mut probe = Counters::open(&request.metrics);
            probe.start();
            let units = planted::work(planted, request.modules, |work| {
                probe.measure(Phase::Work, work);
                Ok(())
            })?;
            let resident = before.grown();
            samples.totals(Phase::Work, Scope::Process, &probe.totals(Phase::Work));
            samples.push(Phase::Work, Metric::ResidentBytes, resident);
            let proof = Proof { planted: units, ..Proof::default() };
            Ok(Measured { proof, samples: samples.list })
        }
        Subject::Modules(subject) => measure_modules(request, subject),
        Subject::Registration(registration) => {
            let mut probe = Counters::open(&request.metrics);
            probe.start();
            let proof = lab::run(request, registration, |phase, work| {
                probe.measure(phase, work);
                Ok(())
            })?;
            let mut samples = Samples::new(request.modules);
            for phase in lab::PHASES {
                samples.totals(phase, Scope::Process, &probe.totals(phase));
            }
            let counts = [
                (Phase::Register, Metric::FramesRegistered, proof.registered),
                (Phase::Deregister, Metric::FramesDeregistered, proof.deregistered),
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
        Subject::Command(command) => command::measure(request, command),
    }
}

fn measure_modules(request: &Measure, subject: &Modules) -> Result<Measured, Error> {
    let is_alone = is_alone(&subject.lifecycle);
    let watch = Watch {
        metrics: &request.metrics,
        modules: request.modules,
        keeps_checkpoints: is_alone,
        unloads_in_one_go: is_alone && subject.lifecycle.residency == Residency::All,
    };
    let driven = drive_modules(request, subject, |_, role| Watcher::new(&watch, role))?;
    let proof = proof(&driven);
    let watchers: Vec<Watcher> = driven.observers.into_iter().map(|(_, watcher)| watcher).collect();
    let samples = samples(&watch, watchers, frames::counts());
    Ok(Measured { proof, samples })
}

/// Whether one thread does everything, so that its populations are the process's.
pub fn is_alone(lifecycle: &Lifecycle) -> bool {
    lifecycle.threads.get() == 1 && lifecycle.unload_thread == UnloadThread::Same
}

/// Drives the modules through their lifecycle, with an observer of each thread that `observe` makes.
pub fn drive_modules<O: Observer + Send>(
    request: &Measure,
    subject: &Modules,
    observe: impl Fn(&Schedule, Role) -> O + Sync,
) -> Result<Driven<O>, Error> {
    let cache = Cache::of(&request.cache, &subject.corpus, subject.tables, request.means)?;
    let artifacts = cache.artifacts(request.modules)?;
    let schedule = subject.lifecycle.schedule(request.modules, request.seed);
    let call;
    let calls = match &subject.corpus {
        Corpus::Generated(axes) if subject.are_called() => {
            call = |index| generate::call(axes, index);
            Some(Calls { every: subject.call_every, call: &call })
        }
        Corpus::Generated(_) | Corpus::Files(_) => None,
    };
    let Modules { load_from, tables, engines, .. } = *subject;
    let options = Options { load_from, tables, calls, engines };
    frames::resolve();
    let observe = |role| observe(&schedule, role);
    match (subject.profiler, load_from) {
        (Profiler::PerfMap, _) => {
            let mapped = PerfMapped::new(&request.cache)?;
            Ok(drive(&mapped.engine, &artifacts, &schedule, &options, observe)?)
        }
        (Profiler::None, LoadFrom::Bytes | LoadFrom::File) => {
            Ok(drive(&engine::loading()?, &artifacts, &schedule, &options, observe)?)
        }
        (Profiler::None, LoadFrom::Store) => {
            let corpus = StoredCorpus::make(&artifacts, &request.cache)?;
            Ok(drive(&engine::loading()?, &corpus.sources(), &schedule, &options, observe)?)
        }
        #[cfg(unix)]
        (Profiler::None, LoadFrom::Pack) => {
            let corpus = PackedCorpus::make(&artifacts, &request.cache, subject.tables)?;
            let driven = drive(corpus.engine(), &corpus.sources(), &schedule, &options, observe)?;
            corpus.close()?;
            Ok(driven)
        }
        #[cfg(not(unix))]
        (Profiler::None, LoadFrom::Pack) => Err(loadline_workload::Error::NoPacks.into()),
    }
}

/// The counts by which a lifecycle that has been driven proves its work.
pub fn proof<O>(driven: &Driven<O>) -> Proof {
    let frames = frames::counts();
    Proof {
        loaded: driven.proof.loaded,
        called: driven.proof.called,
        unwound: driven.proof.unwound,
        acted: driven.proof.acted,
        released: driven.proof.released,
        registered: frames.map(|frames| frames.registered),
        deregistered: frames.map(|frames| frames.deregistered),
        planted: 0,
        command: None,
        unwinder_path: unwinder::active_path(),
    }
}

/// What every thread's watcher is told.
struct Watch<'a> {
    metrics: &'a [Metric],
    modules: usize,
    /// See [`is_alone`].
    keeps_checkpoints: bool,
    /// From the first drop on there is nothing but drops: counters are read at checkpoints only.
    unloads_in_one_go: bool,
}

/// Counts the phases of one thread. Everything it keeps is allocated before the first step.
struct Watcher {
    role: Role,
    probe: Counters,
    checkpoints: Vec<Checkpoint>,
    keeps_checkpoints: bool,
    unloads_in_one_go: bool,
    modules: usize,
    resident: Option<ResidentOverLoad>,
}

/// Cumulative counts when `modules` had gone through `phase`.
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

    /// The counts so far of a phase; those of `load` are its parts together.
    fn totals(&self, phase: Phase) -> Totals {
        // One after the other: a list would have to be allocated while something is measured.
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

    /// After the last load: how much the resident set has grown since before the first.
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
        // What was done here belongs to no phase.
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
            samples.push(phase, Metric::FramesRegistered, Reading::Exact(frames.registered));
        }
        for phase in [Phase::Unload, Phase::Total] {
            samples.push(phase, Metric::FramesDeregistered, Reading::Exact(frames.deregistered));
        }
    }
    if let Some(resident) = watchers.iter().find_map(|watcher| watcher.resident.as_ref()) {
        samples.push(Phase::Load, Metric::ResidentBytes, resident.grown);
    }
    samples.list.retain(|sample| watch.metrics.contains(&sample.metric));
    samples.list
}

/// Loading threads from 0, then the one that unloads, then the one that finishes.
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
    /// None yet.
    pub fn new(modules: usize) -> Samples {
        Samples { modules, list: Vec::new() }
    }

    /// Adds what was counted in a phase.
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
