//! Carries out a plan: prepares the artifacts, runs every run in a fresh process, saves what it
//! said, and gathers the rounds of each series.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use loadline_scenario::{
    Absence, Absent, Command, Environment, LoadFrom, Means, Measure, Message, Metric, Modules,
    Phase, Plan, Planted, Prepare, Proof, Random, Reading, Request, Run, Sample, Scenario, Scope,
    SeriesName, Subject, Tables,
};

use crate::against::Before;
use crate::exit::{Exit, ended};
use crate::progress::Progress;
use crate::project::Project;
use crate::runner::{RunFailure, Runner};
use crate::session::{self, Against, Asked, Header, Outcome, Planned, RunRecord, Session, Side};
use crate::shard::Shard;

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
    /// Which part of a suite this is, where it is one.
    pub part: Option<Shard>,
    /// What was measured in turn with it, by another build.
    pub before: Option<MeasuredBefore>,
}

/// The other build's results.
#[derive(Debug)]
pub struct MeasuredBefore {
    /// The build.
    pub build: Against,
    /// The scenarios that load modules, as it carried them out.
    pub scenarios: Vec<MeasuredScenario>,
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
        let before = header.against.as_ref().map(|build| {
            let compared = scenarios.iter().filter(|s| is_compared(s)).cloned();
            let gathered = compared.map(|s| gather(s, Side::Before, records, &build.absent));
            MeasuredBefore { build: build.clone(), scenarios: gathered.collect() }
        });
        let gathered = scenarios.into_iter().map(|s| gather(s, Side::Now, records, &header.absent));
        Measured {
            environment: header.environment.clone(),
            absent: header.absent.clone(),
            scenarios: gathered.collect(),
            saved,
            seed: header.seed,
            left_out: header.left_out.clone(),
            part: header.asked.as_ref().and_then(|asked| asked.part.as_ref()).map(|p| p.shard),
            before,
        }
    }
}

/// Whether both builds of a comparison carry `scenario` out; planted work tells of the session.
fn is_compared(scenario: &Scenario) -> bool {
    matches!(scenario.subject, Subject::Modules(_))
}

/// What sessions are measured with.
#[derive(Debug)]
pub struct Bench<'a> {
    /// Where everything lies.
    pub project: &'a Project,
    /// The program that is started.
    pub runner: &'a Runner,
    /// The other build, which is measured in turn with it.
    pub before: Option<&'a Before>,
}

impl Bench<'_> {
    /// Describes the machine, counters included.
    ///
    /// # Errors
    /// When the runner cannot say it.
    pub fn describe(&self) -> anyhow::Result<(Environment, Vec<Absent>)> {
        self.describe_by(self.runner)
    }

    /// The other build, described by itself.
    fn describe_before(&self) -> anyhow::Result<Option<Against>> {
        let Some(before) = self.before else { return Ok(None) };
        let (environment, absent) = self.describe_by(&before.runner).with_context(|| {
            let name = &before.name;
            format!("the runner of {name} (too far back to understand this version's requests?)")
        })?;
        let Before { name, argument, .. } = before;
        let (name, argument) = (name.clone(), argument.clone());
        Ok(Some(Against { name, argument, environment, absent }))
    }

    fn describe_by(&self, runner: &Runner) -> anyhow::Result<(Environment, Vec<Absent>)> {
        let mut environment = None;
        let mut absent = Vec::new();
        let mut metrics = Metric::ALL.to_vec();
        let answer = loop {
            let request = Request::Describe { metrics: metrics.clone() };
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
                Some(place) => drop(metrics.remove(place)),
                None => break answer,
            }
        };
        answer.map_err(|failure| stop(failure, "describe this machine"))?;
        let environment = environment.context("the runner did not describe this machine")?;
        runner.check_preload(&environment)?;
        Ok((environment, absent))
    }

    /// Begins a session over `scenarios`: leaves out what does not fit this machine, makes the
    /// session's folder, and compiles what is to be loaded. It can be taken up if `asked` is given.
    ///
    /// # Errors
    /// When too few rungs fit, artifacts cannot be made, or the folder cannot be written.
    pub fn begin(
        &self,
        mut scenarios: Vec<Scenario>,
        environment: &Environment,
        absent: &[Absent],
        seed: u64,
        asked: Option<Asked>,
    ) -> anyhow::Result<Measurement<'_>> {
        let left_out = leave_out_what_does_not_fit(&mut scenarios, environment)?;
        let planned = scenarios.iter().map(Planned::of).collect();
        let mut header = Header::new(seed, planned, environment.clone(), absent.to_vec());
        header.left_out = left_out;
        header.asked = asked;
        header.runner = Some(self.runner.digest()?);
        header.against = self.describe_before()?;
        let session = Session::create(&self.project.sessions(), &header)?;
        self.prepare(self.runner, &scenarios)?;
        if let Some(before) = self.before {
            let of = || format!("the runner of {}", before.name);
            self.prepare(&before.runner, &scenarios).with_context(of)?;
        }
        Ok(Measurement::new(self, header, scenarios, session, Vec::new()))
    }

    /// Goes on with a session that was ended. Failed runs are carried out anew.
    ///
    /// # Errors
    /// When artifacts cannot be made.
    pub fn take_up(
        &self,
        session: Session,
        header: Header,
        scenarios: Vec<Scenario>,
        records: Vec<RunRecord>,
    ) -> anyhow::Result<Measurement<'_>> {
        self.prepare(self.runner, &scenarios)?;
        let mut measurement = Measurement::new(self, header, scenarios, session, records);
        measurement.records.retain(|record| !record.has_failed());
        Ok(measurement)
    }

    /// Compiles what the scenarios load, each corpus once and at its largest N.
    fn prepare(&self, runner: &Runner, scenarios: &[Scenario]) -> anyhow::Result<()> {
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
            let answer = runner.ask(&request, PREPARE_TIMEOUT, |message| {
                if let Message::Progress { done, .. } = message {
                    progress.add(done.saturating_sub(ready) as u64, "modules");
                    // Several threads report, not always in order.
                    ready = ready.max(done);
                }
            });
            answer.map_err(|failure| stop(failure, "prepare the artifacts"))?;
        }
        progress.finish();
        Ok(())
    }

    /// The subject as the runner needs it, which knows neither the project nor the caller's
    /// environment.
    fn located(&self, subject: &Subject) -> Subject {
        let mut subject = subject.clone();
        if let Subject::Command(command) = &mut subject {
            command.directory = self.project.root.join(&command.directory);
            for name in &command.inherit {
                if let Ok(value) = std::env::var(name) {
                    command.environment.entry(name.clone()).or_insert(value);
                }
            }
        }
        subject
    }

    /// One run, as it ended. Only an interrupt is an error.
    fn run(
        &self,
        scenario: &Scenario,
        &(ref run, side): &(Run, Side),
        seed: u64,
        environment: &Environment,
    ) -> anyhow::Result<RunRecord> {
        let runner = match (side, self.before) {
            (Side::Before, Some(before)) => &before.runner,
            _ => self.runner,
        };
        let request = Request::Measure(Measure {
            subject: self.located(&scenario.subject),
            modules: run.modules,
            seed: Random::new(seed ^ run.round as u64).next_u64(),
            metrics: scenario.metrics(),
            cache: self.project.corpora(),
            means: Means::Clock,
        });
        let started = Instant::now();
        let mut proof = None;
        let mut samples = Vec::new();
        let answer = runner.ask(&request, scenario.timeout, |message| match message {
            Message::Proof(said) => proof = Some(said),
            Message::Sample(said) => samples.push(said),
            _ => {}
        });
        let proven = answer.and_then(|()| {
            let proof =
                proof.ok_or_else(|| RunFailure::Unproven("it gave no counts".to_owned()))?;
            check_proof(&proof, &scenario.subject, run.modules, environment)
                .and_then(|()| check_marks(scenario, run.modules, &samples))
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
        let (scenario, seconds) = (scenario.title(), started.elapsed().as_secs_f64());
        let Run { modules, round, .. } = *run;
        Ok(RunRecord { scenario, modules, round, side, outcome, seconds })
    }
}

/// A session while it is measured.
#[derive(Debug)]
pub struct Measurement<'a> {
    bench: &'a Bench<'a>,
    header: Header,
    scenarios: Vec<Scenario>,
    session: Session,
    records: Vec<RunRecord>,
    /// The time spent in runs so far, and what was done in it.
    measuring: Duration,
    done: u64,
}

impl<'a> Measurement<'a> {
    fn new(
        bench: &'a Bench<'a>,
        header: Header,
        scenarios: Vec<Scenario>,
        session: Session,
        records: Vec<RunRecord>,
    ) -> Measurement<'a> {
        let measuring = records.iter().map(|record| record.seconds.max(0.0)).sum();
        let measuring = Duration::try_from_secs_f64(measuring).unwrap_or_default();
        let done = records.iter().map(|record| weight_of(record.modules)).sum();
        Measurement { bench, header, scenarios, session, records, measuring, done }
    }

    /// Carries out every round of the scenarios that has not been.
    ///
    /// # Errors
    /// When a run cannot be saved, or the program is interrupted. A failed run is no error but a
    /// recorded failure of its scenario.
    pub fn run(&mut self) -> anyhow::Result<()> {
        self.save_plan()?;
        let left = self.left();
        let weight = left.iter().map(|(run, _)| run_weight(run)).sum();
        let progress = Progress::new("measuring", weight);
        for visit in &left {
            let run = &visit.0;
            let scenario = &self.scenarios[run.scenario];
            let (seed, environment) = (self.header.seed, &self.header.environment);
            let record = self.bench.run(scenario, visit, seed, environment);
            let record = record.inspect_err(|_| self.say_what_is_saved())?;
            self.session.save(&record)?;
            let now = format!("{} N = {}", scenario.title(), run.modules);
            progress.add(run_weight(run), &now);
            self.measuring += Duration::from_secs_f64(record.seconds);
            self.done += run_weight(run);
            self.records.push(record);
        }
        progress.finish();
        Ok(())
    }

    /// What whoever ends the program should know: nothing that was measured is lost.
    fn say_what_is_saved(&self) {
        if self.header.asked.is_some() {
            let saved = self.records.len();
            eprintln!("{saved} runs are saved; cargo xtask regress --resume goes on from there");
        }
    }

    /// Saves the rounds that were added, before they are measured: a session that is taken up has as
    /// many as it would have had.
    fn save_plan(&mut self) -> anyhow::Result<()> {
        let planned: Vec<Planned> = self.scenarios.iter().map(Planned::of).collect();
        if planned != self.header.scenarios {
            self.header.scenarios = planned;
            self.session.save_header(&self.header)?;
        }
        Ok(())
    }

    /// Marks the session as finished, unless runs have failed: those `--resume` carries out anew.
    ///
    /// # Errors
    /// When the mark cannot be saved.
    pub fn close(&mut self) -> anyhow::Result<()> {
        if self.header.finished.is_none() && !self.records.iter().any(RunRecord::has_failed) {
            self.header.finished = Some(session::now());
            self.session.save_header(&self.header)?;
        }
        Ok(())
    }

    /// How many runs have been carried out, and how many are left.
    pub fn n_runs(&self) -> (usize, usize) {
        (self.records.len(), self.left().len())
    }

    /// The runs of the scenarios' rounds that have not been carried out.
    fn left(&self) -> Vec<(Run, Side)> {
        let seed = self.header.seed;
        let runs = Plan::of(&self.scenarios, seed).runs;
        let mut visits = in_turn(runs, |run| self.sides(&self.scenarios[run.scenario]), seed);
        let done = self.records.iter().map(|r| (r.scenario.as_str(), r.modules, r.round, r.side));
        let done: HashSet<_> = done.collect();
        let titles: Vec<String> = self.scenarios.iter().map(Scenario::title).collect();
        visits.retain(|(run, side)| {
            !done.contains(&(titles[run.scenario].as_str(), run.modules, run.round, *side))
        });
        visits
    }

    fn sides(&self, scenario: &Scenario) -> &'static [Side] {
        match self.header.against {
            Some(_) if is_compared(scenario) => &[Side::Now, Side::Before],
            _ => &[Side::Now],
        }
    }

    /// Gives `titles` twice their rounds, up to `most`, as far as the time for that fits into
    /// `budget` in the order given. Returns how many runs that adds.
    pub fn add_rounds(&mut self, titles: &[String], most: usize, budget: Duration) -> usize {
        let before = self.left().len();
        let mut planned = self.measuring;
        for title in titles {
            let Some(scenario) = self.scenarios.iter_mut().find(|s| s.title() == *title) else {
                continue;
            };
            let more = (2 * scenario.processes).min(most).saturating_sub(scenario.processes);
            let is_twice = self.header.against.is_some() && is_compared(scenario);
            let runs = more as u64 * if is_twice { 2 } else { 1 };
            let weight: u64 = scenario.ladder.iter().map(|&n| weight_of(n)).sum::<u64>() * runs;
            let time = self.measuring.mul_f64(weight as f64 / self.done.max(1) as f64);
            if planned + time <= budget {
                planned += time;
                scenario.processes += more;
            }
        }
        self.left().len() - before
    }

    /// What the records amount to so far.
    pub fn measured(&self) -> Measured {
        let scenarios = self.scenarios.clone();
        Measured::of(&self.header, scenarios, &self.records, self.session.path())
    }

    /// What is going to be measured, in one sentence, before it is.
    pub fn plan_line(&self) -> String {
        let left = self.left();
        let weight: u64 = left.iter().map(|(run, _)| run_weight(run)).sum();
        let seconds = weight as f64 * SECONDS_PER_WEIGHT;
        let (runs, scenarios) = (left.len(), self.scenarios.len());
        let against = self.header.against.as_ref();
        let against = against.map(|build| format!(", in turn with {}", build.name));
        format!(
            "plan: {runs} runs of {scenarios} scenarios, planted ones included{}, in about {seconds:.0} s; order by --seed {}",
            against.unwrap_or_default(),
            self.header.seed
        )
    }
}

/// Every run by each of its sides. Two builds carry out the same run one right after the other, in an
/// order that chance decides: whatever happens on the machine happens to both.
fn in_turn(runs: Vec<Run>, sides: impl Fn(&Run) -> &'static [Side], seed: u64) -> Vec<(Run, Side)> {
    let mut order = Random::new(seed ^ ORDER_OF_SIDES);
    let visits = runs.into_iter().flat_map(|run| {
        let mut sides = sides(&run).to_vec();
        order.shuffle(&mut sides);
        sides.into_iter().map(move |side| (run, side))
    });
    visits.collect()
}

fn stop(failure: RunFailure, attempt: &str) -> anyhow::Error {
    match failure {
        RunFailure::Interrupted => ended(Exit::Interrupted, "interrupted"),
        failure => ended(Exit::CouldNotMeasure, format!("cannot {attempt}: {failure}")),
    }
}

/// Another stream than the one that orders runs.
const ORDER_OF_SIDES: u64 = 0x51de_51de_51de_51de;

/// Seconds a unit of weight takes, for the plan alone: one module of 20 KB, loaded and dropped.
const SECONDS_PER_WEIGHT: f64 = 85e-6;

/// What a run costs beside the others, for the remaining time: a process, and then its modules.
fn run_weight(run: &Run) -> u64 {
    weight_of(run.modules)
}

/// What a run over so many modules costs beside others.
pub fn weight_of(modules: usize) -> u64 {
    modules as u64 + 200
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
        Subject::Command(command) => check_command(proof, command, modules),
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

fn check_command(proof: &Proof, command: &Command, modules: usize) -> Result<(), String> {
    let Some(found) = &proof.command else {
        return Err("it does not say how the command ended".to_owned());
    };
    if found.exit_code != command.exit_code {
        let (code, right) = (found.exit_code, command.exit_code);
        return Err(format!("the command's exit code is {code} where {right} is right"));
    }
    match command.check_at(modules) {
        Some(right) if found.check.as_ref() != Some(&right) => {
            let said = found.check.as_deref().unwrap_or("nothing");
            Err(format!("the command's check is {said} where {right} is right"))
        }
        _ => Ok(()),
    }
}

/// Looks whether a command has marked every phase, and said every count, that is judged. What this
/// machine cannot count is no failure of the command's.
fn check_marks(scenario: &Scenario, modules: usize, samples: &[Sample]) -> Result<(), String> {
    if !matches!(scenario.subject, Subject::Command(_)) {
        return Ok(());
    }
    for &name in &scenario.judge {
        let SeriesName { phase, metric } = name;
        let is_missing =
            reading(samples, name, modules) == Reading::Unavailable(Absence::NotMeasured);
        let has_any = |sample: &Sample| sample.phase == phase && sample.reading.value().is_some();
        let occurred = samples.iter().any(has_any);
        match (is_missing, occurred) {
            (false, _) => {}
            (true, true) => {
                return Err(format!(
                    "{name} is judged, but the command printed no line loadline:metric={metric}:VALUE:{} in {phase}",
                    metric.unit()
                ));
            }
            (true, false) => {
                let phase = if phase == Phase::Total { Phase::Unload } else { phase };
                return Err(format!(
                    "{name} is judged, but the command has not marked it (a line loadline:phase={phase} begins it; without any such line everything is run)"
                ));
            }
        }
    }
    Ok(())
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

/// The rounds of each series of `scenario`, as one build carried it out, out of all records.
fn gather(
    scenario: Scenario,
    side: Side,
    records: &[RunRecord],
    absent: &[Absent],
) -> MeasuredScenario {
    let title = scenario.title();
    let own = own_records(&title, side, records);
    let failures = own.iter().filter_map(|record| match &record.outcome {
        Outcome::Finished { .. } => None,
        Outcome::Failed { error } => {
            Some(format!("N = {}, round {}: {error}", record.modules, record.round + 1))
        }
    });
    let mut failures: Vec<String> = failures.collect();
    let planned = scenario.ladder.len() * scenario.processes;
    let places: BTreeSet<_> = own.iter().map(|record| (record.modules, record.round)).collect();
    let is_planned = |(n, _): &&(usize, usize)| scenario.ladder.contains(n);
    let found = places.iter().filter(is_planned).count();
    if own.len() > found {
        failures.push(format!("{} runs are unplanned or stand twice", own.len() - found));
    }
    if found < planned {
        failures.push(format!("{found} of {planned} runs were carried out"));
    }
    failures.extend(scenario.series().flat_map(|name| gaps(name, &own)));
    let series = scenario.series().map(|name| (name, rounds(&scenario.ladder, name, &own, absent)));
    let series = series.collect();
    MeasuredScenario { scenario, series, failures }
}

/// The records of one scenario by one build, by round. Of a run that failed and was carried out anew,
/// the last counts, in its round's place: the readings at all N stand in the order of rounds.
fn own_records<'a>(title: &str, side: Side, records: &'a [RunRecord]) -> Vec<&'a RunRecord> {
    let mut own: Vec<&RunRecord> = Vec::new();
    let is_own = |record: &&RunRecord| record.side == side && record.scenario == title;
    for record in records.iter().filter(is_own) {
        let is_replaced = |before: &&mut &RunRecord| {
            before.has_failed() && (before.modules, before.round) == (record.modules, record.round)
        };
        match own.iter_mut().find(is_replaced) {
            Some(before) => *before = record,
            None => own.push(record),
        }
    }
    own.sort_by_key(|record| record.round);
    own
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
    let sample = sample(samples, name, modules);
    sample.map_or(Reading::Unavailable(Absence::NotMeasured), |sample| sample.reading)
}

fn sample(samples: &[Sample], name: SeriesName, modules: usize) -> Option<&Sample> {
    samples.iter().find(|sample| {
        sample.phase == name.phase
            && sample.metric == name.metric
            && sample.scope == Scope::Process
            && sample.modules == modules
    })
}

/// The runs that say nothing at all of what other runs of the scenario have counted. That is no
/// absence, which would have its reason, but a torn answer.
fn gaps(name: SeriesName, own: &[&RunRecord]) -> Vec<String> {
    let finished = own.iter().filter_map(|record| match &record.outcome {
        Outcome::Finished { samples, .. } => Some((record, sample(samples, name, record.modules))),
        Outcome::Failed { .. } => None,
    });
    let (with, without): (Vec<_>, Vec<_>) = finished.partition(|(_, sample)| sample.is_some());
    if with.is_empty() {
        return Vec::new();
    }
    let sentence = |record: &RunRecord| {
        let RunRecord { modules, round, .. } = record;
        format!("N = {modules}, round {}: no reading of {name}, which other runs have", round + 1)
    };
    without.iter().map(|(record, _)| sentence(record)).collect()
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const SCENARIO: &str = r#"
format = 1
question = "Does every run do what it was asked for?"
expectation = "It does."
lifecycle = "unload-oldest-first"
unwinds_before_unload = 2
judge = ["unload/task-clock"]
ladder = [64, 128, 256, 512, 1024]
"#;

    fn scenario(tables: &str) -> Scenario {
        let changes = BTreeMap::from([("tables".to_owned(), tables.to_owned())]);
        Scenario::parse_with("honest", SCENARIO, &changes).unwrap()
    }

    /// The proof of a run of `scenario` over 100 modules, and what is thought of it.
    fn check(scenario: &Scenario, lie: impl FnOnce(&mut Proof)) -> Result<(), String> {
        let mut environment = crate::session::tests::environment();
        environment.unwinder_path = "/lib/libgcc_s.so.1".to_owned();
        let is_stripped = scenario.variant.to_string() == "tables=strip";
        let registered = Some(if is_stripped { 0 } else { 100 });
        let mut proof = Proof {
            loaded: 100,
            called: 2,
            unwound: 2,
            released: 100,
            registered,
            deregistered: registered,
            planted: 0,
            command: None,
            unwinder_path: "/lib/libgcc_s.so.1".to_owned(),
        };
        lie(&mut proof);
        check_proof(&proof, &scenario.subject, 100, &environment)
    }

    #[test]
    fn an_honest_run_is_believed() {
        let (kept, stripped) = (scenario("keep"), scenario("strip"));
        assert_eq!(check(&kept, |_| {}), Ok(()));
        assert_eq!(check(&stripped, |_| {}), Ok(()));
        // One a function, as LLVM's unwinder has it.
        assert_eq!(
            check(&kept, |p| (p.registered, p.deregistered) = (Some(1200), Some(1200))),
            Ok(())
        );
        // Another platform, where nobody counts them.
        assert_eq!(check(&kept, |p| (p.registered, p.deregistered) = (None, None)), Ok(()));
    }

    #[test]
    fn every_lie_is_found() {
        let (kept, stripped) = (scenario("keep"), scenario("strip"));
        let refuse = |scenario, lie: fn(&mut Proof), expected: &str| {
            assert_eq!(check(scenario, lie), Err(expected.to_owned()));
        };
        refuse(&kept, |p| p.loaded = 99, "loaded 99 times where 100 was asked");
        refuse(&kept, |p| p.loaded = 101, "loaded 101 times where 100 was asked");
        refuse(&kept, |p| p.released = 0, "released 0 times where 100 was asked");
        refuse(&kept, |p| p.called = 1, "called 1 times where 2 was asked");
        refuse(&kept, |p| p.unwound = 1, "unwound 1 times where 2 was asked");
        let leaked = "100 registrations, but 99 deregistrations";
        refuse(&kept, |p| p.deregistered = Some(99), leaked);
        let unregistered = "100 modules with tables, but 99 registrations";
        refuse(&kept, |p| (p.registered, p.deregistered) = (Some(99), Some(99)), unregistered);
        let unstripped = "stripped tables, but 100 registrations";
        refuse(&stripped, |p| (p.registered, p.deregistered) = (Some(100), Some(100)), unstripped);
        let other = "its unwinder is /lib/libunwind.so.1, the session's is /lib/libgcc_s.so.1";
        refuse(&kept, |p| p.unwinder_path = "/lib/libunwind.so.1".to_owned(), other);
    }

    /// Both builds visit a place one after the other, either of them first about as often.
    #[test]
    fn two_builds_are_measured_in_turn() {
        let scenarios = [scenario("keep"), crate::selection::tooth("planted-cpu-linear").unwrap()];
        let runs = Plan::of(&scenarios, 7).runs;
        let n_compared = runs.iter().filter(|run| run.scenario == 0).count();
        let both = |run: &Run| -> &'static [Side] {
            if run.scenario == 0 { &[Side::Now, Side::Before] } else { &[Side::Now] }
        };
        let visits = in_turn(runs.clone(), both, 7);
        assert_eq!(visits.len(), runs.len() + n_compared);
        let mut rest = visits.as_slice();
        let mut n_now_first = 0;
        for run in runs {
            let (own, others) = rest.split_at(both(&run).len());
            assert!(own.iter().all(|(visited, _)| *visited == run));
            assert!(own.len() == 1 || own[0].1 != own[1].1);
            n_now_first += usize::from(own.len() == 2 && own[0].1 == Side::Now);
            rest = others;
        }
        assert!((n_compared / 5..=n_compared - n_compared / 5).contains(&n_now_first));
        assert_eq!(in_turn(Plan::of(&scenarios, 7).runs, both, 7), visits);
    }

    #[test]
    fn planted_work_is_counted() {
        let scenario = crate::selection::tooth("planted-cpu-quadratic").unwrap();
        let Subject::Planted(planted) = scenario.subject else { panic!("nothing is planted") };
        let units = planted.units(100);
        assert_eq!(check(&scenario, |p| p.planted = units), Ok(()));
        let error = check(&scenario, |p| p.planted = units - 1).unwrap_err();
        assert!(error.starts_with("planted work done"), "{error}");
    }

    /// The cost of a round is its scenario's reading of the whole run: not of a checkpoint on the
    /// way, not of one thread.
    #[test]
    fn a_round_is_the_reading_of_the_whole_process_at_the_end() {
        let name: SeriesName = "unload/task-clock".parse().unwrap();
        let sample = |scope, modules, count| Sample {
            phase: name.phase,
            metric: name.metric,
            scope,
            modules,
            reading: Reading::Exact(count),
        };
        let samples = [
            sample(Scope::Thread(0), 64, 1),
            sample(Scope::Process, 16, 2),
            sample(Scope::Process, 64, 3),
        ];
        assert_eq!(reading(&samples, name, 64), Reading::Exact(3));
        let missing = Reading::Unavailable(Absence::NotMeasured);
        assert_eq!(reading(&samples, name, 32), missing);
    }

    #[test]
    fn rungs_beyond_the_machines_limits_are_left_out_and_named() {
        let environment = |mappings: &str| Environment {
            max_map_count: mappings.to_owned(),
            ..crate::session::tests::environment()
        };
        let fit = |mappings| {
            let mut scenarios = [scenario("keep")];
            let left_out = leave_out_what_does_not_fit(&mut scenarios, &environment(mappings));
            left_out.map(|left_out| (scenarios[0].ladder.len(), left_out.join(" ")))
        };
        assert_eq!(fit("65530").unwrap(), (5, String::new()));
        assert_eq!(fit("unknown (no such file)").unwrap(), (5, String::new()));
        let error = fit("2000").unwrap_err().to_string();
        assert!(error.contains("vm.max_map_count is 2000"), "{error}");
    }
}
