//! Estimates how long a session will take, from the runs of earlier sessions.

use loadline_scenario::units::counted;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;

use loadline_record::header::Side;
use loadline_record::measured::{exact_collectors, is_compared};
use loadline_record::session;
use loadline_scenario::{Absent, Collector, Plan, Run, Scenario, exact_runs};

use crate::process::parallel::n_processors;
use crate::session::bench::Bench;

/// How many of the newest sessions are looked at.
const SESSIONS: usize = 5;

/// How long a session will take.
#[derive(Debug)]
pub struct Estimate {
    n_scenarios: usize,
    n_by_clock: usize,
    n_counting: usize,
    seconds: f64,
    /// Whether most of the time is known from earlier sessions.
    is_known: bool,
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Estimate { n_scenarios, n_by_clock, n_counting, seconds, is_known } = self;
        let source = if *is_known { "by earlier sessions" } else { "a guess" };
        write!(
            f,
            "{} with the self-check, {} by the clock and {}, about {seconds:.0} s ({source})",
            counted(*n_scenarios, "scenario"),
            counted(*n_by_clock, "run"),
            counted(*n_counting, "counting run")
        )
    }
}

/// The average seconds of a run: by full name, size and collector.
type Known = BTreeMap<(String, usize, Collector), (f64, usize)>;

impl Estimate {
    /// Estimates the time of a session over `scenarios` on `bench`.
    pub fn of(bench: &Bench<'_>, scenarios: &[Scenario], absent: &[Absent]) -> Estimate {
        let known = known(bench);
        let by_clock = Plan::of(scenarios, 0).runs;
        let counting = scenarios.iter().enumerate().flat_map(|(place, scenario)| {
            let collector = exact_collectors(scenario, absent).into_iter();
            collector.flat_map(move |collector| exact_runs(place, scenario, collector, 1))
        });
        let counting: Vec<Run> = counting.collect();
        let n_sides = |run: &Run| match bench.before {
            Some(_) if is_compared(&scenarios[run.scenario]) => 2,
            _ => 1,
        };
        let (mut measured, mut guessed) = (0.0, 0.0);
        // Counting runs go on side by side.
        let n_workers = n_processors(bench.runner.processors()).max(1);
        for (runs, n_at_a_time) in [(&by_clock, 1), (&counting, n_workers)] {
            for run in runs {
                let full_name = scenarios[run.scenario].full_name();
                let share = n_sides(run) as f64 / n_at_a_time as f64;
                match known.get(&(full_name, run.modules, run.collector)) {
                    Some((seconds, n)) => measured += share * seconds / *n as f64,
                    None => guessed += share * guess(run),
                }
            }
        }
        let count = |runs: &[Run]| runs.iter().map(n_sides).sum();
        Estimate {
            n_scenarios: scenarios.len(),
            n_by_clock: count(&by_clock),
            n_counting: count(&counting),
            seconds: measured + guessed,
            is_known: measured > guessed,
        }
    }
}

/// The seconds of a run that no session has made: starting a process, and the work on each item.
fn guess(run: &Run) -> f64 {
    let (start, each) = match run.collector {
        Collector::Clock => (0.02, 2e-5),
        Collector::Count => (0.05, 3e-5),
        Collector::Callgrind => (0.6, 2e-3),
    };
    start + each * run.modules as f64
}

/// The runs of the newest sessions. A session that cannot be read is skipped.
fn known(bench: &Bench<'_>) -> Known {
    let entries = fs::read_dir(bench.project.sessions()).into_iter().flatten().flatten();
    let mut folders: Vec<_> = entries.map(|entry| entry.path()).collect();
    // A session's name begins with its start.
    folders.sort();
    let newest = folders.iter().rev().take(SESSIONS);
    let mut known = Known::new();
    for (_, records) in newest.filter_map(|folder| session::read(folder).ok()) {
        for record in records.iter().filter(|r| r.side == Side::Now && !r.has_failed()) {
            let key = (record.scenario.clone(), record.modules, record.collector);
            let (seconds, n) = known.entry(key).or_default();
            *seconds += record.seconds;
            *n += 1;
        }
    }
    known
}
