//! Carries out a plan: prepares the artifacts, runs every run in a fresh process, saves what it
//! said, and gathers the rounds of each series.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use loadline_scenario::{
    Absence, Absent, Environment, LoadFrom, Measure, Message, Metric, Modules, Phase, Plan,
    Planted, Prepare, Proof, Random, Reading, Request, Run, Sample, Scenario, Scope, SeriesName,
    Subject, Tables,
};

use crate::exit::{Exit, ended};
use crate::progress::Progress;
use crate::project::Project;
use crate::runner::{RunFailure, Runner};
use crate::session::{Header, Outcome, Planned, RunRecord, Session};

/// How long describing the machine may take.
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(120);

/// How long the compiling of one corpus may take.
const PREPARE_TIMEOUT: Duration = Duration::from_secs(3600);

/// A session's results: the series of each scenario, in the scenarios' order.
#[derive(Debug)]
pub struct Measured {
    /// The machine and the build.
    pub environment: Environment,
    /// The metrics that cannot be counted here.
    pub absent: Vec<Absent>,
    /// What was measured.
    pub scenarios: Vec<MeasuredScenario>,
    /// Where the raw samples are.
    pub saved: PathBuf,
    /// What decided the order of runs.
    pub seed: u64,
    /// Rungs that this machine's limits left out, one sentence each.
    pub left_out: Vec<String>,
}

/// One scenario's results.
#[derive(Debug)]
pub struct MeasuredScenario {
    /// The scenario, with the ladder that was measured.
    pub scenario: Scenario,
    /// Its judged and observed series.
    pub series: BTreeMap<SeriesName, Rounds>,
    /// Runs that failed, one sentence each; a scenario with any is not judged.
    pub failures: Vec<String>,
}

/// The rounds of one series.
#[derive(Debug, Clone, PartialEq)]
pub enum Rounds {
    /// One row a rung: N, then the reading of each round in the order of measuring.
    Complete(Vec<(usize, Vec<f64>)>),
    /// There is no series, and why.
    Missing(Absence),
}

impl Measured {
    /// What a session's records amount to, fresh or saved long ago.
    pub fn of(
        header: &Header,
        scenarios: Vec<Scenario>,
        records: &[RunRecord],
        saved: PathBuf,
    ) -> Measured {
        let gathered = scenarios.into_iter().map(|s| gather(s, records, &header.absent));
        Measured {
            environment: header.environment.clone(),
            absent: header.absent.clone(),
            scenarios: gathered.collect(),
            saved,
            seed: header.seed,
            left_out: Vec::new(),
        }
    }
}

/// How a session is measured.
#[derive(Debug)]
pub struct Bench<'a> {
    /// Where everything lies.
    pub project: &'a Project,
    /// The program that is started.
    pub runner: &'a Runner,
}

impl Bench<'_> {
    /// Describes the machine, counters included.
    ///
    /// # Errors
    /// When the runner cannot say it.
    pub fn describe(&self) -> anyhow::Result<(Environment, Vec<Absent>)> {
        let mut environment = None;
        let mut absent = Vec::new();
        let request = Request::Describe { metrics: Metric::ALL.to_vec() };
        let answer = self.runner.ask(&request, DESCRIBE_TIMEOUT, |message| match message {
            Message::Environment(said) => environment = Some(*said),
            Message::Absent(said) => absent.push(said),
            _ => {}
        });
        answer.map_err(|failure| stop(failure, "describe this machine"))?;
        let environment = environment.context("the runner did not describe this machine")?;
        Ok((environment, absent))
    }

    /// Measures `scenarios`, every run in a fresh process.
    ///
    /// # Errors
    /// When artifacts cannot be made, samples cannot be saved, or the program is interrupted. A
    /// failed run is no error but a recorded failure of its scenario.
    pub fn measure(
        &self,
        mut scenarios: Vec<Scenario>,
        environment: &Environment,
        absent: &[Absent],
        seed: u64,
    ) -> anyhow::Result<Measured> {
        let left_out = leave_out_what_does_not_fit(&mut scenarios, environment)?;
        self.prepare(&scenarios)?;
        let plan = Plan::of(&scenarios, seed);
        let header = header(&scenarios, environment, absent, seed);
        let mut session = Session::create(&self.project.sessions(), &header)?;
        let mut records = Vec::with_capacity(plan.runs.len());
        let weight = |run: &Run| run_weight(run.modules);
        let progress = Progress::new("measuring", plan.runs.iter().map(weight).sum());
        for run in &plan.runs {
            let scenario = &scenarios[run.scenario];
            let record = self.run(scenario, run, plan.seed, environment)?;
            session.save(&record)?;
            progress.add(weight(run), &format!("{} N = {}", scenario.title(), run.modules));
            records.push(record);
        }
        progress.finish();
        let mut measured = Measured::of(&header, scenarios, &records, session.path());
        measured.left_out = left_out;
        Ok(measured)
    }

    /// Compiles what the scenarios load, each corpus once and at its largest N.
    fn prepare(&self, scenarios: &[Scenario]) -> anyhow::Result<()> {
        let mut wanted: Vec<Prepare> = Vec::new();
        for scenario in scenarios {
            let Subject::Modules(subject) = &scenario.subject else { continue };
            let modules = scenario.ladder.last().copied().unwrap_or(0);
            let same = |p: &&mut Prepare| p.corpus == subject.corpus && p.tables == subject.tables;
            match wanted.iter_mut().find(same) {
                Some(prepare) => prepare.modules = prepare.modules.max(modules),
                None => wanted.push(Prepare {
                    corpus: subject.corpus.clone(),
                    tables: subject.tables,
                    modules,
                    cache: self.project.corpora(),
                }),
            }
        }
        let total = wanted.iter().map(|prepare| prepare.modules as u64).sum();
        let progress = Progress::new("compiling artifacts", total);
        for prepare in wanted {
            let mut ready = 0;
            let request = Request::Prepare(prepare);
            let answer = self.runner.ask(&request, PREPARE_TIMEOUT, |message| {
                if let Message::Progress { done, .. } = message {
                    progress.add(done.saturating_sub(ready) as u64, "modules");
                    ready = done;
                }
            });
            answer.map_err(|failure| stop(failure, "prepare the artifacts"))?;
        }
        progress.finish();
        Ok(())
    }

    /// One run, as it ended. Only an interrupt is an error.
    fn run(
        &self,
        scenario: &Scenario,
        run: &Run,
        seed: u64,
        environment: &Environment,
    ) -> anyhow::Result<RunRecord> {
        let request = Request::Measure(Measure {
            subject: scenario.subject.clone(),
            modules: run.modules,
            seed: Random::new(seed ^ run.round as u64).next_u64(),
            metrics: scenario.metrics(),
            cache: self.project.corpora(),
        });
        let mut proof = None;
        let mut samples = Vec::new();
        let answer = self.runner.ask(&request, scenario.timeout, |message| match message {
            Message::Proof(said) => proof = Some(said),
            Message::Sample(said) => samples.push(said),
            _ => {}
        });
        let proven = answer.and_then(|()| {
            let proof =
                proof.ok_or_else(|| RunFailure::Unproven("it gave no counts".to_owned()))?;
            check_proof(&proof, &scenario.subject, run.modules, environment)
                .map_err(RunFailure::Unproven)?;
            Ok(proof)
        });
        let outcome = match proven {
            Ok(proof) => Outcome::Finished { proof, samples },
            Err(RunFailure::Interrupted) => {
                return Err(ended(Exit::Interrupted, "interrupted"));
            }
            Err(failure) => Outcome::Failed { error: failure.to_string() },
        };
        let scenario = scenario.title();
        Ok(RunRecord { scenario, modules: run.modules, round: run.round, outcome })
    }
}

fn stop(failure: RunFailure, attempt: &str) -> anyhow::Error {
    match failure {
        RunFailure::Interrupted => ended(Exit::Interrupted, "interrupted"),
        failure => ended(Exit::CouldNotMeasure, format!("cannot {attempt}: {failure}")),
    }
}

/// What a run costs beside the others, for the remaining time: a process, and then its modules.
fn run_weight(modules: usize) -> u64 {
    modules as u64 + 200
}

fn header(
    scenarios: &[Scenario],
    environment: &Environment,
    absent: &[Absent],
    seed: u64,
) -> Header {
    let planned = scenarios.iter().map(|s| Planned {
        scenario: s.title(),
        ladder: s.ladder.clone(),
        processes: s.processes,
    });
    Header::new(seed, planned.collect(), environment.clone(), absent.to_vec())
}

/// Compares what a run counted with what it was asked for: a wrong count is an error, never a point.
fn check_proof(
    proof: &Proof,
    subject: &Subject,
    modules: usize,
    environment: &Environment,
) -> Result<(), String> {
    let equal = |what: &str, found: u64, expected: u64| {
        if found == expected {
            return Ok(());
        }
        Err(format!("{what} {found} times where {expected} was asked"))
    };
    match subject {
        Subject::Planted(planted) => {
            equal("planted work done", proof.planted, planted.units(modules))
        }
        Subject::Modules(subject) => {
            equal("loaded", proof.loaded as u64, modules as u64)?;
            equal("released", proof.released as u64, modules as u64)?;
            let called = modules.div_ceil(subject.call_every.get());
            equal("called", proof.called as u64, called as u64)?;
            let schedule = subject.lifecycle.schedule(modules, 0);
            equal("unwound", proof.unwound as u64, schedule.n_unwinds() as u64)?;
            if proof.unwinder_path != environment.unwinder_path {
                let (run, session) = (&proof.unwinder_path, &environment.unwinder_path);
                return Err(format!("its unwinder is {run}, the session's is {session}"));
            }
            check_registrations(proof, subject, modules)
        }
    }
}

fn check_registrations(proof: &Proof, subject: &Modules, modules: usize) -> Result<(), String> {
    let (Some(registered), Some(deregistered)) = (proof.registered, proof.deregistered) else {
        return Ok(());
    };
    if registered != deregistered {
        return Err(format!("{registered} registrations, but {deregistered} deregistrations"));
    }
    match subject.tables {
        Tables::Strip if registered > 0 => {
            Err(format!("stripped tables, but {registered} registrations"))
        }
        // One a module under libgcc, one an FDE under LLVM's libunwind.
        Tables::Keep if registered < modules as u64 => {
            Err(format!("{modules} modules with tables, but {registered} registrations"))
        }
        _ => Ok(()),
    }
}

/// The rounds of each series of `scenario` out of all records.
fn gather(scenario: Scenario, records: &[RunRecord], absent: &[Absent]) -> MeasuredScenario {
    let title = scenario.title();
    let own: Vec<&RunRecord> = records.iter().filter(|r| r.scenario == title).collect();
    let failures = own.iter().filter_map(|record| match &record.outcome {
        Outcome::Finished { .. } => None,
        Outcome::Failed { error } => {
            Some(format!("N = {}, round {}: {error}", record.modules, record.round + 1))
        }
    });
    let mut failures: Vec<String> = failures.collect();
    let (planned, found) = (scenario.ladder.len() * scenario.processes, own.len());
    if found < planned {
        failures.push(format!("{found} of {planned} runs were carried out"));
    }
    let series = scenario.series().map(|name| (name, rounds(&scenario.ladder, name, &own, absent)));
    let series = series.collect();
    MeasuredScenario { scenario, series, failures }
}

fn rounds(ladder: &[usize], name: SeriesName, own: &[&RunRecord], absent: &[Absent]) -> Rounds {
    if let Some(absent) = absent.iter().find(|absent| absent.metric == name.metric) {
        return Rounds::Missing(absent.absence);
    }
    let mut rows = Vec::with_capacity(ladder.len());
    for &modules in ladder {
        let mut values = Vec::new();
        for record in own.iter().filter(|record| record.modules == modules) {
            let Outcome::Finished { samples, .. } = &record.outcome else { continue };
            match reading(samples, name, modules) {
                Reading::Unavailable(absence) => return Rounds::Missing(absence),
                reading => values.extend(reading.value()),
            }
        }
        rows.push((modules, values));
    }
    Rounds::Complete(rows)
}

fn reading(samples: &[Sample], name: SeriesName, modules: usize) -> Reading {
    let sample = samples.iter().find(|sample| {
        sample.phase == name.phase
            && sample.metric == name.metric
            && sample.scope == Scope::Process
            && sample.modules == modules
    });
    sample.map_or(Reading::Unavailable(Absence::NotMeasured), |sample| sample.reading)
}

/// Takes away the rungs that would end at a limit of this machine instead of measuring.
///
/// # Errors
/// When too few are left to judge a growth.
fn leave_out_what_does_not_fit(
    scenarios: &mut [Scenario],
    environment: &Environment,
) -> anyhow::Result<Vec<String>> {
    let mut left_out = Vec::new();
    for scenario in scenarios {
        let Subject::Modules(subject) = &scenario.subject else { continue };
        let (limit, reason) = largest_that_fits(subject, environment);
        let fits = scenario.ladder.iter().filter(|&&n| n <= limit).count();
        if fits < scenario.ladder.len() {
            let title = scenario.title();
            let rungs = &scenario.ladder[fits..];
            left_out.push(format!("{title}: N = {rungs:?} left out, {reason}"));
            scenario.ladder.truncate(fits);
        }
        if scenario.ladder.len() < loadline_scenario::scenario::FEWEST_RUNGS {
            let title = scenario.title();
            let text = format!("cannot measure {title}: too few rungs fit this machine, {reason}");
            return Err(ended(Exit::CouldNotMeasure, text));
        }
    }
    Ok(left_out)
}

/// The largest N within the machine's limits, and the limit that sets it. A module loaded from bytes
/// takes two mappings, from a file three and a descriptor; a tenth is left for everything else.
fn largest_that_fits(subject: &Modules, environment: &Environment) -> (usize, String) {
    let number = |text: &str| text.parse::<usize>().ok();
    let mappings = if subject.load_from == LoadFrom::File { 3 } else { 2 };
    let by_mappings = number(&environment.max_map_count).map(|limit| {
        (limit / 10 * 9 / mappings, format!("vm.max_map_count is {limit} (sysctl raises it)"))
    });
    let by_descriptors = number(&environment.descriptor_limit)
        .filter(|_| subject.load_from == LoadFrom::File)
        .map(|limit| {
            (limit / 10 * 9, format!("the descriptor limit is {limit} (ulimit -n raises it)"))
        });
    let both = by_mappings.into_iter().chain(by_descriptors);
    both.min_by_key(|(n, _)| *n).unwrap_or((usize::MAX, String::new()))
}

/// A scenario of planted work over `ladder`, by which a session proves that it can see.
pub fn planted(name: &str, planted: Planted, ladder: &[usize], processes: usize) -> Scenario {
    use loadline_scenario::PlantedWork;

    let judge = match planted.work {
        PlantedWork::Cpu => vec![
            SeriesName::new(Phase::Work, Metric::TaskClock),
            SeriesName::new(Phase::Work, Metric::Instructions),
        ],
        PlantedWork::Pages => vec![
            SeriesName::new(Phase::Work, Metric::PageFaults),
            SeriesName::new(Phase::Work, Metric::ResidentBytes),
        ],
    };
    Scenario {
        name: name.to_owned(),
        variant: loadline_scenario::Variant::default(),
        question: "Does this session see planted growth?".to_owned(),
        expectation: "What was planted.".to_owned(),
        subject: Subject::Planted(planted),
        judge,
        observe: Vec::new(),
        processes,
        ladder: ladder.to_vec(),
        timeout: Duration::from_secs(120),
        control: None,
        known_growth: Vec::new(),
    }
}
