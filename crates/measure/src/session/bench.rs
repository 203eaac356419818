//! The bench on which sessions are measured. It describes the machine, prepares artifacts, and makes each run
//! in a fresh process.

mod under_callgrind;

use loadline_record::{Context, Error, Exit, Result};
use std::borrow::Cow;
use std::time::{Duration, Instant};

use loadline_scenario::{
    Absence, Absent, Collector, Corpus, Environment, Measure, Message, Metric, Prepare, Proof,
    Random, Registration, Request, Run, Sample, Scenario, Workload,
};

use crate::builds::other_side::Before;
use crate::process::runner::{RunFailure, Runner};
use crate::project::files;
use crate::project::folders::Project;
use crate::session::progress::Progress;
use crate::session::proof::{check_marks, check_proof};
use loadline_record::header::{Against, Outcome, RunRecord, Side};
use loadline_record::measured::{is_compared, why_absent};
use loadline_record::profile::SavedProfile;
use under_callgrind::{instructions, not_separated, profiled, wants_phases};

/// How long a runner may take to describe the machine.
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(120);

/// How long compiling one corpus may take.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(3600);

/// What a session needs to measure: the project and its runners.
#[derive(Debug)]
pub struct Bench<'a> {
    /// The project that is measured.
    pub project: &'a Project,
    /// The runner that is started.
    pub runner: &'a Runner,
    /// The other side of a comparison. Its runs alternate with the runs of `runner`.
    pub before: Option<&'a Before>,
}

impl Bench<'_> {
    /// Describes the machine, and says which metrics it cannot count.
    ///
    /// # Errors
    /// When the runner cannot describe the machine.
    pub fn describe(&self) -> Result<(Environment, Vec<Absent>)> {
        self.describe_by(self.runner)
    }

    /// The description of the other side, made by its own runner.
    pub(crate) fn describe_before(&self) -> Result<Option<Against>> {
        let Some(before) = self.before else { return Ok(None) };
        let (environment, absent) = self.describe_by(&before.runner).with_context(|| {
            let name = &before.name;
            format!("the runner of {name} (too old to understand this version's requests?)")
        })?;
        let Before { name, argument, .. } = before;
        let (name, argument) = (name.clone(), argument.clone());
        Ok(Some(Against { name, argument, environment, absent }))
    }

    fn describe_by(&self, runner: &Runner) -> Result<(Environment, Vec<Absent>)> {
        let mut environment = None;
        let mut absent = Vec::new();
        let mut unknown_metrics = Vec::new();
        let mut metrics = Metric::ALL.to_vec();
        let answer = loop {
            let processors = runner.processors().to_vec();
            let request = Request::Describe { metrics: metrics.clone(), processors };
            let answer = runner.ask(&request, DESCRIBE_TIMEOUT, |message| match message {
                Message::Environment(said) => environment = Some(*said),
                Message::Absent(said) => absent.push(said),
                _ => {}
            });
            // A runner of older sources refuses a request that names a metric it does not know.
            let unknown = |metric: &Metric| match &answer {
                Err(RunFailure::Refused(error)) => error.contains(&format!("variant `{metric}`")),
                _ => false,
            };
            match metrics.iter().position(unknown) {
                Some(place) => {
                    let metric = metrics.remove(place);
                    unknown_metrics.push(Absent::everywhere(metric, Absence::UnknownToBuild));
                }
                None => break answer,
            }
        };
        answer.map_err(|failure| match failure {
            RunFailure::Refused(error) if error.starts_with("cannot stay on") => {
                Error::new(Exit::Usage, format!("cannot use --processors: {error}"))
            }
            failure => stop(failure, "describe this machine"),
        })?;
        let mut environment = environment.context("the runner did not describe this machine")?;
        environment.valgrind = runner.valgrind_version();
        runner.check_version(&environment)?;
        runner.check_preload(&environment)?;
        absent.extend(unknown_metrics);
        if !runner.has_valgrind() {
            let metric = Metric::CallgrindInstructions;
            absent.push(Absent::everywhere(metric, Absence::NoValgrind));
        }
        Ok((environment, absent))
    }

    /// Compiles what the scenarios load, for every build that is measured.
    ///
    /// # Errors
    /// When artifacts cannot be made.
    pub fn prepare_all(&self, scenarios: &[Scenario], against: Option<&Against>) -> Result<()> {
        self.prepare(Side::Now, scenarios, self.runner.has_valgrind())?;
        let (Some(before), Some(against)) = (self.before, against) else { return Ok(()) };
        let is_unknown = |a: &Absent| a.metric == Metric::CallgrindInstructions;
        let is_profiled = !against.absent.iter().any(is_unknown);
        let prepared = self.prepare(Side::Before, scenarios, is_profiled);
        prepared.map_err(|error| before.failed("cannot prepare", error))
    }

    /// Makes one run of each scenario on the other side and discards the result. A scenario that fails there
    /// is reported once, before anything is measured.
    pub(crate) fn start_before(
        &self,
        scenarios: &[Scenario],
        against: Option<&Against>,
        seed: u64,
    ) -> Result<()> {
        let (Some(before), Some(against)) = (self.before, against) else { return Ok(()) };
        for scenario in scenarios.iter().filter(|scenario| is_compared(scenario)) {
            let is_known =
                |metric: &Metric| why_absent(scenario, *metric, &against.absent).is_none();
            let has_any =
                |collector: &Collector| scenario.metrics_by(*collector).iter().any(is_known);
            let Some(collector) = scenario.collectors().into_iter().find(has_any) else { continue };
            // The sizes of a command under callgrind may not be chosen yet.
            let first = scenario.sizes_by(collector).first().or(scenario.sizes.first());
            let Some(&modules) = first else { continue };
            let visit = (Run { scenario: 0, modules, repetition: 0, collector }, Side::Before);
            let metrics = scenario.metrics_by(collector);
            let metrics: Vec<Metric> = metrics.into_iter().filter(is_known).collect();
            let (record, _) = self.run(scenario, &visit, &metrics, seed, &against.environment)?;
            if let Outcome::Failed { error } = record.outcome {
                let (full_name, name) = (scenario.full_name(), &before.name);
                let text = format!(
                    "cannot compare {full_name} with {name}: at N = {modules} it fails there: {error}"
                );
                return Err(Error::new(Exit::CouldNotMeasure, text));
            }
        }
        Ok(())
    }

    /// Compiles what the scenarios load, each corpus once and at its largest N. Callgrind simulates another
    /// CPU, so its artifacts are compiled separately.
    fn prepare(&self, side: Side, scenarios: &[Scenario], is_profiled: bool) -> Result<()> {
        let runner = self.runner_of(side);
        let mut wanted: Vec<Prepare> = Vec::new();
        for scenario in scenarios {
            let (scenario, project) = &self.on(side, scenario);
            if let Workload::Registration(Registration { functions, .. }) = scenario.workload {
                let cache = self.project.corpora();
                let request = Request::PrepareTables { functions, cache };
                let answer = runner.ask(&request, PREPARE_TIMEOUT, |_| {});
                answer.map_err(|failure| stop(failure, "compile functions for unwind tables"))?;
            }
            let Workload::Modules(workload) = &scenario.workload else { continue };
            let is_wanted = is_profiled && scenario.collectors().contains(&Collector::Callgrind);
            let apart = is_wanted.then_some(Collector::Callgrind);
            for collector in [Some(Collector::Clock), apart].into_iter().flatten() {
                let sizes = scenario.sizes_by(collector);
                // If N is the number of modules, the largest size contains all of them.
                let largest = sizes.len().saturating_sub(1);
                let sizes = if workload.n_counts.is_modules() { &sizes[largest..] } else { sizes };
                for (resolved, modules) in sizes.iter().map(|&n| workload.at(n)) {
                    let (corpus, tables) =
                        (located_corpus(project, &resolved.corpus)?, resolved.tables);
                    let same = |p: &&mut Prepare| {
                        p.corpus == corpus && p.tables == tables && p.collector == collector
                    };
                    match wanted.iter_mut().find(same) {
                        Some(prepare) => prepare.modules = prepare.modules.max(modules),
                        None => {
                            let cache = self.project.corpora();
                            wanted.push(Prepare { corpus, tables, modules, cache, collector });
                        }
                    }
                }
            }
        }
        let total = wanted.iter().map(|prepare| prepare.modules as u64).sum();
        let progress = Progress::new("compiling artifacts", total);
        for prepare in wanted {
            let mut ready = 0;
            let request = Request::Prepare(prepare);
            let answer = runner.ask(&request, PREPARE_TIMEOUT, |message| {
                if let Message::Progress { done, .. } = message {
                    progress.add(done.saturating_sub(ready) as u64, "modules");
                    // Several threads report progress, not always in order.
                    ready = ready.max(done);
                }
            });
            answer.map_err(|failure| stop(failure, "prepare the artifacts"))?;
        }
        progress.finish();
        Ok(())
    }

    /// The runner that makes the runs of one side.
    fn runner_of(&self, side: Side) -> &Runner {
        match (side, self.before) {
            (Side::Before, Some(before)) => &before.runner,
            _ => self.runner,
        }
    }

    /// A scenario as one side runs it, and the project that its files belong to.
    fn on<'s>(&'s self, side: Side, scenario: &'s Scenario) -> (Cow<'s, Scenario>, &'s Project) {
        match (side, self.before) {
            (Side::Before, Some(before)) => {
                let theirs = before.scenario(scenario);
                let project = before.project(self.project, &theirs);
                (Cow::Owned(theirs), project)
            }
            _ => (Cow::Borrowed(scenario), self.project),
        }
    }

    /// The request for one run.
    fn request(
        &self,
        workload: Workload,
        modules: usize,
        run: &Run,
        metrics: &[Metric],
        seed: u64,
    ) -> Request {
        Request::Measure(Measure {
            workload,
            modules,
            seed: order_of(run, seed),
            metrics: metrics.to_vec(),
            cache: self.project.corpora(),
            collector: run.collector,
            processors: self.runner.processors().to_vec(),
            dumps: None,
        })
    }

    /// Makes one run and returns its record. A failed run is a record too.
    ///
    /// # Errors
    /// Only when the program is interrupted, or a file to load no longer exists.
    pub fn run(
        &self,
        scenario: &Scenario,
        &(ref run, side): &(Run, Side),
        metrics: &[Metric],
        seed: u64,
        environment: &Environment,
    ) -> Result<(RunRecord, Option<SavedProfile>)> {
        let runner = self.runner_of(side);
        let (carried_out, project) = self.on(side, scenario);
        let (workload, modules) = located(project, &carried_out.workload, run.modules)?;
        let request = self.request(workload, modules, run, metrics, seed);
        let started = Instant::now();
        let mut proof = None;
        let mut samples = Vec::new();
        let receive = |message| match message {
            Message::Proof(said) => proof = Some(said),
            Message::Sample(said) => samples.push(said),
            _ => {}
        };
        let (answer, profile) = match run.collector {
            Collector::Clock | Collector::Count => {
                (runner.ask(&request, scenario.timeout, receive), None)
            }
            Collector::Callgrind => {
                let target = self.project.target();
                profiled(runner, &request, wants_phases(scenario), &target, receive)
            }
        };
        if modules != run.modules {
            // Samples from the time with fewer modules do not belong to this curve.
            samples.retain(|sample: &Sample| sample.modules == modules);
            samples.iter_mut().for_each(|sample| sample.modules = run.modules);
        }
        samples.extend(profile.iter().flat_map(|profile| instructions(profile, run.modules)));
        if profile.is_some() {
            samples.extend(not_separated(runner, scenario, run.modules, &samples));
        }
        let proven = answer.and_then(|()| {
            let proof =
                proof.ok_or_else(|| RunFailure::Unproven("it gave no counts".to_owned()))?;
            check_proof(&proof, &carried_out.workload, run.modules, environment)
                .and_then(|()| check_marks(scenario, run.collector, run.modules, &samples))
                .map_err(RunFailure::Unproven)?;
            Ok(proof)
        });
        let Run { modules, repetition, collector, .. } = *run;
        let record = RunRecord {
            scenario: scenario.full_name(),
            modules,
            repetition,
            side,
            collector,
            profile: None,
            outcome: outcome(proven, samples)?,
            seconds: started.elapsed().as_secs_f64(),
        };
        Ok((record, profile))
    }
}

/// The outcome of a run with these samples, if its proof was right.
///
/// # Errors
/// Only when the program is interrupted.
fn outcome(
    proven: std::result::Result<Proof, RunFailure>,
    samples: Vec<Sample>,
) -> Result<Outcome> {
    match proven {
        Ok(proof) => Ok(Outcome::Finished { proof, samples }),
        Err(RunFailure::Interrupted) => Err(Error::new(Exit::Interrupted, "interrupted")),
        Err(failure) => Ok(Outcome::Failed { error: failure.to_string() }),
    }
}

/// The workload in the form that the runner needs, and the number of modules. The runner does not know the
/// project, the caller's environment, or any meaning of N but a number of modules.
///
/// # Errors
/// When a file that the workload names does not exist.
fn located(project: &Project, workload: &Workload, n: usize) -> Result<(Workload, usize)> {
    match workload.clone() {
        Workload::Command(command) => {
            let located = project.programs.located(&command);
            Ok((Workload::Command(project.programs.inherited(located)?), n))
        }
        Workload::Modules(modules) => {
            let (mut modules, count) = modules.at(n);
            modules.corpus = located_corpus(project, &modules.corpus)?;
            Ok((Workload::Modules(modules), count))
        }
        made @ (Workload::Registration(_) | Workload::SelfCheck(_)) => Ok((made, n)),
    }
}

fn located_corpus(project: &Project, corpus: &Corpus) -> Result<Corpus> {
    match corpus {
        Corpus::Generated(_) => Ok(corpus.clone()),
        Corpus::Files(patterns) => Ok(Corpus::Files(files::matching(&project.root, patterns)?)),
    }
}

fn stop(failure: RunFailure, attempt: &str) -> Error {
    match failure {
        RunFailure::Interrupted => Error::new(Exit::Interrupted, "interrupted"),
        failure => Error::new(Exit::CouldNotMeasure, format!("cannot {attempt}: {failure}")),
    }
}
/// The seed of a random module order in `run`, in a session with this `seed`. Runs with exact counts always
/// use the same order. Another order has another count, which would look like a change.
fn order_of(run: &Run, seed: u64) -> u64 {
    let seed = match run.collector {
        Collector::Clock => seed ^ run.repetition as u64,
        Collector::Count | Collector::Callgrind => 0,
    };
    Random::new(seed).next_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_exactly_comes_and_goes_in_one_order_always() {
        let order = |collector, repetition, seed| {
            order_of(&Run { scenario: 0, modules: 8, repetition, collector }, seed)
        };
        for collector in [Collector::Count, Collector::Callgrind] {
            assert_eq!(order(collector, 0, 7), order(collector, 2, 8), "{collector:?}");
        }
        assert_ne!(order(Collector::Clock, 0, 7), order(Collector::Clock, 1, 7));
        assert_ne!(order(Collector::Clock, 0, 7), order(Collector::Clock, 0, 8));
    }
}
