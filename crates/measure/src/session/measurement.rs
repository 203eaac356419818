//! A session while it is measured: plans the remaining runs, makes them, and saves each one.

mod counting_sizes;
pub mod estimate;
mod steps;
mod turns;

use loadline_record::time;
use loadline_record::{Forecast, PROGRAM, Result};
use loadline_scenario::Environment;
use loadline_scenario::units::counted;
use std::collections::{BTreeMap, HashSet};

use loadline_scenario::{Absence, Absent, Collector, Metric, Plan, Run, Scenario, exact_runs};

use crate::out;
use crate::process::parallel::{n_processors, n_workers, side_by_side};
use crate::session::bench::Bench;
use crate::session::limits::{leave_out_what_does_not_fit, most_resident};
use crate::session::progress::Progress;
use counting_sizes::Trial;
use loadline_record::header::{Header, Planned, RunRecord, Side};
use loadline_record::measured::{Measured, exact_collectors, is_compared, is_given_up};
use loadline_record::profile::SavedProfile;
use loadline_record::session::Session;
use turns::in_turn;

/// A session while it is measured.
#[derive(Debug)]
pub struct Measurement<'a> {
    bench: &'a Bench<'a>,
    header: Header,
    scenarios: Vec<Scenario>,
    session: Session,
    records: Vec<RunRecord>,
    /// How many sizes were added above the largest, for each scenario.
    n_larger: Vec<usize>,
    /// The repetitions of collectors that should be exact and did not repeat, for each scenario.
    inexact: Vec<BTreeMap<Collector, usize>>,
}

impl<'a> Measurement<'a> {
    /// Makes a session of these scenarios, with the records of finished runs.
    pub fn new(
        bench: &'a Bench<'a>,
        header: Header,
        scenarios: Vec<Scenario>,
        session: Session,
        records: Vec<RunRecord>,
    ) -> Measurement<'a> {
        let n_larger = header.scenarios.iter().map(|planned| planned.n_larger).collect();
        let inexact = header.scenarios.iter().map(|planned| planned.inexact.clone()).collect();
        Measurement { bench, header, scenarios, session, records, n_larger, inexact }
    }

    /// Begins a session over `scenarios`. It leaves out what does not fit this machine, compiles what is
    /// loaded, chooses sizes under callgrind, and makes the session's folder. The session can be resumed if `ask` writes the command's
    /// options into its header.
    ///
    /// # Errors
    /// When too few sizes fit, artifacts cannot be made, or the folder cannot be written.
    pub fn begin(
        bench: &'a Bench<'a>,
        mut scenarios: Vec<Scenario>,
        environment: &Environment,
        absent: &[Absent],
        seed: u64,
        ask: impl FnOnce(&mut Header),
    ) -> Result<Measurement<'a>> {
        let left_out = leave_out_what_does_not_fit(&mut scenarios, environment)?;
        let against = bench.describe_before()?;
        bench.prepare_all(&scenarios, against.as_ref())?;
        bench.start_before(&scenarios, against.as_ref(), seed)?;
        let trial = Trial { bench, environment, absent, against: against.as_ref() };
        let (tried, too_slow) = trial.choose(&mut scenarios)?;
        let planned = scenarios.iter().map(Planned::of).collect();
        let mut header = Header::new(seed, planned, environment.clone(), absent.to_vec());
        header.left_out = [left_out, too_slow].concat();
        ask(&mut header);
        header.runner = Some(bench.runner.digest()?);
        header.against = against;
        let session = Session::create(&bench.project.sessions(), &header)?;
        let mut measurement = Measurement::new(bench, header, scenarios, session, Vec::new());
        for (record, visit) in tried {
            measurement.keep(record, &visit)?;
        }
        Ok(measurement)
    }

    /// Measures a session over `scenarios` to the end of its plan. It cannot be resumed.
    ///
    /// # Errors
    /// As for [`Measurement::begin`], and when a run cannot be saved or the program is interrupted.
    pub fn whole(
        bench: &'a Bench<'a>,
        scenarios: Vec<Scenario>,
        environment: &Environment,
        absent: &[Absent],
        seed: u64,
    ) -> Result<Measurement<'a>> {
        let mut measurement =
            Measurement::begin(bench, scenarios, environment, absent, seed, |_| {})?;
        out::note(measurement.plan_line());
        measurement.run()?;
        Ok(measurement)
    }

    /// Resumes a session that ended early. Failed runs are repeated.
    ///
    /// # Errors
    /// When artifacts cannot be made.
    pub fn resume(
        bench: &'a Bench<'a>,
        session: Session,
        header: Header,
        scenarios: Vec<Scenario>,
        records: Vec<RunRecord>,
    ) -> Result<Measurement<'a>> {
        bench.prepare_all(&scenarios, None)?;
        let finished = records.into_iter().filter(|record| !record.has_failed()).collect();
        Ok(Measurement::new(bench, header, scenarios, session, finished))
    }

    /// Records what was left out before the session began, one sentence each.
    ///
    /// # Errors
    /// When the header cannot be saved.
    pub fn leave_out(&mut self, sentences: Vec<String>) -> Result<()> {
        if sentences.is_empty() {
            return Ok(());
        }
        self.header.left_out.extend(sentences);
        self.session.save_header(&self.header)
    }

    /// The limit checks of the session. If it has none yet, `check` makes them.
    ///
    /// # Errors
    /// When they cannot be saved, or the program is interrupted.
    pub fn forecasts(
        &mut self,
        check: impl FnOnce(&Bench<'_>) -> Result<Vec<Forecast>>,
    ) -> Result<&[Forecast]> {
        if self.header.forecasts.is_empty() {
            self.header.forecasts = check(self.bench)?;
            self.session.save_header(&self.header)?;
        }
        Ok(&self.header.forecasts)
    }

    /// Makes every remaining run of the scenarios. Runs by the clock come first, one after the other.
    /// Counting runs follow, as many at a time as CPUs and memory allow. Counts that did not repeat are
    /// measured again.
    ///
    /// # Errors
    /// When a run cannot be saved, or the program is interrupted. A failed run is not an error but a recorded
    /// failure of its scenario.
    pub fn run(&mut self) -> Result<()> {
        self.save_plan()?;
        let left = self.left();
        let progress = Progress::new("measuring", weight_of_all(&left));
        for visit in &left {
            if self.is_given_up(visit.0.scenario) {
                progress.add(run_weight(&visit.0), "skipping runs that cannot succeed");
                continue;
            }
            let record = self.bench.run(
                &self.scenarios[visit.0.scenario],
                visit,
                &self.metrics_of(visit),
                self.header.seed,
                &self.header.environment,
            );
            let record = record.inspect_err(|_| self.say_what_is_saved())?;
            self.keep(record, visit)?;
            progress.add(run_weight(&visit.0), &shown(&self.scenarios, &visit.0));
        }
        progress.finish();
        self.count_exactly()?;
        if self.repeat_what_differs() {
            self.save_plan()?;
            self.count_exactly()?;
        }
        Ok(())
    }

    fn keep(
        &mut self,
        (mut record, profile): (RunRecord, Option<SavedProfile>),
        (run, side): &(Run, Side),
    ) -> Result<()> {
        if let Some(profile) = profile {
            let side = if *side == Side::Now { "" } else { "-before" };
            let Run { scenario, modules, repetition, .. } = run;
            let name = format!("{scenario}-{modules}-{repetition}{side}");
            record.profile = Some(self.session.save_profile(&name, &profile)?);
        }
        self.session.save(&record)?;
        self.records.push(record);
        Ok(())
    }

    /// Whether all runs of the first repetition failed alike on one side. The scenario's other runs are then
    /// not started. Self-checks run as long as any other scenario does.
    fn is_given_up(&self, scenario: usize) -> bool {
        if self.scenarios[scenario].workload.is_self_check() {
            let asked = self.scenarios.iter().enumerate();
            let mut asked = asked.filter(|(_, s)| !s.workload.is_self_check()).peekable();
            return asked.peek().is_some() && asked.all(|(place, _)| self.is_given_up(place));
        }
        is_given_up(&self.scenarios[scenario], &self.records)
    }

    /// Makes the counting runs. They measure no times, so they may run side by side.
    fn count_exactly(&mut self) -> Result<()> {
        let mut left = self.exact_left();
        left.retain(|visit| !self.is_given_up(visit.0.scenario));
        let progress = Progress::new("counting", weight_of_all(&left));
        let visits = left.iter().map(|visit| (visit, self.metrics_of(visit))).collect();
        let (bench, scenarios) = (self.bench, self.scenarios.clone());
        let (seed, environment) = (self.header.seed, self.header.environment.clone());
        let run = |(visit, metrics): &(&(Run, Side), Vec<Metric>)| {
            let scenario = &scenarios[visit.0.scenario];
            let record = bench.run(scenario, visit, metrics, seed, &environment);
            let visit = **visit;
            record.map(|record| (record, visit))
        };
        let workers = self.n_at_a_time();
        let keep = |(record, visit): (_, (Run, Side))| {
            progress.add(run_weight(&visit.0), &shown(&scenarios, &visit.0));
            self.keep(record, &visit)
        };
        let kept = side_by_side(visits, workers, run, keep);
        progress.finish();
        kept.inspect_err(|_| self.say_what_is_saved())
    }

    /// How many counting runs go on at a time. A run under callgrind takes several times the memory of a run
    /// by the clock.
    fn n_at_a_time(&self) -> usize {
        let samples = self.records.iter().filter_map(RunRecord::samples).flatten();
        let each = 4.0 * most_resident(samples).unwrap_or(0.0) + LEAST_MEMORY;
        let memory = self.header.environment.memory_bytes.parse().ok();
        n_workers(n_processors(self.bench.runner.processors()), memory, each)
    }

    /// Plans three repetitions of every count that should be exact and did not repeat. Returns whether there
    /// is any.
    fn repeat_what_differs(&mut self) -> bool {
        let measured = self.measured();
        let before = measured.before.iter().flat_map(|before| &before.scenarios);
        let differing: Vec<(String, Collector)> = measured
            .scenarios
            .iter()
            .chain(before)
            .flat_map(|m| m.unrepeated.iter().map(|collector| (m.scenario.full_name(), *collector)))
            .collect();
        for (full_name, collector) in &differing {
            if let Some(place) = self.place(full_name) {
                self.inexact[place].insert(*collector, INEXACT_REPETITIONS);
            }
        }
        !differing.is_empty()
    }

    /// The metrics that one side's build cannot count.
    fn absent_of(&self, side: Side) -> &[Absent] {
        match (side, &self.header.against) {
            (Side::Before, Some(build)) => &build.absent,
            _ => &self.header.absent,
        }
    }

    /// The metrics that one run counts: those that its scenario wants from this collector and its build
    /// knows.
    fn metrics_of(&self, (run, side): &(Run, Side)) -> Vec<Metric> {
        let absent = self.absent_of(*side);
        let mut metrics = self.scenarios[run.scenario].metrics_by(run.collector);
        metrics.retain(|metric| {
            let is_unknown =
                |a: &Absent| a.metric == *metric && a.absence == Absence::UnknownToBuild;
            !absent.iter().any(is_unknown)
        });
        metrics
    }

    /// Tells the user who ends the program that all finished runs are saved.
    fn say_what_is_saved(&self) {
        let command = match &self.header {
            Header { asked: Some(_), .. } => "regress",
            Header { capture: Some(_), .. } => "baseline",
            _ => return,
        };
        let saved = self.records.len();
        out::note(format_args!(
            "saved: {}; {PROGRAM} {command} --resume measures the rest",
            counted(saved, "run")
        ));
    }

    /// Saves the added repetitions and sizes before they are measured. A resumed session then has as many as
    /// planned.
    fn save_plan(&mut self) -> Result<()> {
        let added = self.n_larger.iter().zip(&self.inexact);
        let planned = self.scenarios.iter().zip(added).map(|(scenario, (&n_larger, inexact))| {
            Planned { n_larger, inexact: inexact.clone(), ..Planned::of(scenario) }
        });
        let planned: Vec<Planned> = planned.collect();
        if planned != self.header.scenarios {
            self.header.scenarios = planned;
            self.session.save_header(&self.header)?;
        }
        Ok(())
    }

    /// Marks the session as finished, unless runs have failed. `--resume` repeats failed runs.
    ///
    /// # Errors
    /// When the mark cannot be saved.
    pub fn close(&mut self) -> Result<()> {
        if self.header.finished.is_none() && !self.records.iter().any(RunRecord::has_failed) {
            self.header.finished = Some(time::now());
            self.session.save_header(&self.header)?;
        }
        Ok(())
    }

    /// The number of finished runs, and the number of runs that are left.
    pub fn n_runs(&self) -> (usize, usize) {
        (self.records.len(), self.left().len() + self.exact_left().len())
    }

    /// The remaining runs by the clock.
    fn left(&self) -> Vec<(Run, Side)> {
        let seed = self.header.seed;
        let runs = Plan::of(&self.scenarios, seed).runs;
        let mut visits = in_turn(runs, |run| self.sides(&self.scenarios[run.scenario]), seed);
        self.without_done(&mut visits);
        visits
    }

    /// The remaining runs of exact collectors.
    fn exact_left(&self) -> Vec<(Run, Side)> {
        let mut visits = Vec::new();
        for (place, scenario) in self.scenarios.iter().enumerate() {
            for side in self.sides(scenario) {
                for collector in exact_collectors(scenario, self.absent_of(*side)) {
                    let repetitions = self.inexact[place].get(&collector).copied().unwrap_or(1);
                    let runs = exact_runs(place, scenario, collector, repetitions);
                    visits.extend(runs.map(|run| (run, *side)));
                }
            }
        }
        self.without_done(&mut visits);
        visits
    }

    /// Removes the runs that are finished.
    fn without_done(&self, visits: &mut Vec<(Run, Side)>) {
        let done = self.records.iter();
        let done =
            done.map(|r| (r.scenario.as_str(), r.modules, r.repetition, r.collector, r.side));
        let done: HashSet<_> = done.collect();
        let full_names: Vec<String> = self.scenarios.iter().map(Scenario::full_name).collect();
        visits.retain(|(run, side)| {
            let full_name = full_names[run.scenario].as_str();
            !done.contains(&(full_name, run.modules, run.repetition, run.collector, *side))
        });
    }

    fn place(&self, full_name: &str) -> Option<usize> {
        self.scenarios.iter().position(|scenario| scenario.full_name() == full_name)
    }

    fn sides(&self, scenario: &Scenario) -> &'static [Side] {
        match self.header.against {
            Some(_) if is_compared(scenario) => &[Side::Now, Side::Before],
            _ => &[Side::Now],
        }
    }

    /// The results of all runs so far.
    pub fn measured(&self) -> Measured {
        let scenarios = self.scenarios.clone();
        Measured::of(&self.header, scenarios, &self.records, self.session.path())
    }

    /// The plan of the session as one sentence, printed before it is measured.
    pub fn plan_line(&self) -> String {
        let left = self.left();
        let (runs, scenarios, exact) = (left.len(), self.scenarios.len(), self.exact_left().len());
        let against = self.header.against.as_ref();
        let against = against.map(|build| format!(", in turn with {}", build.name));
        let asked = self.header.asked.as_ref().filter(|asked| !asked.quick);
        let further = asked.map(|asked| {
            format!(", up to {} s while series are undecided (--budget)", asked.budget)
        });
        format!(
            "plan: {} by the clock and {} of {}, with the self-check{}{}; order by --seed {}",
            counted(runs, "run"),
            counted(exact, "counting run"),
            counted(scenarios, "scenario"),
            against.unwrap_or_default(),
            further.unwrap_or_default(),
            self.header.seed
        )
    }
}

/// The least memory that a counting run takes, in bytes.
const LEAST_MEMORY: f64 = 256e6;

/// How many repetitions a count gets that should be exact and did not repeat.
const INEXACT_REPETITIONS: usize = 3;

fn weight_of_all(visits: &[(Run, Side)]) -> u64 {
    visits.iter().map(|(run, _)| run_weight(run)).sum()
}

/// The name of a run on a progress bar.
fn shown(scenarios: &[Scenario], run: &Run) -> String {
    format!("{} N = {}", scenarios[run.scenario].full_name(), run.modules)
}

/// The weight of a run for the remaining time: one process, and its modules.
fn run_weight(run: &Run) -> u64 {
    weight_of(run.modules)
}

/// The weight of a run over this many modules.
pub fn weight_of(modules: usize) -> u64 {
    modules as u64 + 200
}
