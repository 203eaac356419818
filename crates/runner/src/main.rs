//! Handles one request in one fresh process. It reads the request from standard input, executes it, and
//! answers on standard output, with one message per line.
//!
//! `cargo xtask` starts this program; it is of little use by hand. All other output goes to standard error.

mod command;
mod counting;
mod environment;
mod error;
mod process;
mod registration;
mod run;

use std::io::{Read, Write};
use std::process::ExitCode;

use loadline_scenario::{Absence, Absent, Message, Metric, Prepare, Request, Uncounted};
use loadline_workload::corpus;

use counting::counters::Counters;
use counting::mappings;
use error::chain;
use registration::template::Template;
use run::limit;

// Makes Cargo rebuild this crate for another clone with the same target folder (.cargo/config.toml).
const _: Option<&str> = option_env!("LOADLINE_CLONE");

fn main() -> ExitCode {
    process::end_with_parent();
    process::fix_addresses();
    process::raise_descriptor_limit();
    match answer() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&Message::Failed { error });
            ExitCode::FAILURE
        }
    }
}

fn answer() -> Result<(), String> {
    let mut text = String::new();
    std::io::stdin()
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot read the request: {error}"))?;
    let request: Request = serde_json::from_str(&text)
        .map_err(|error| format!("cannot read the request: {error} (cargo xtask starts this)"))?;
    match request {
        Request::Describe { metrics, processors } => {
            process::stay_on(&processors)?;
            say(&Message::Environment(Box::new(environment::describe())));
            absences(&metrics).into_iter().for_each(|absent| say(&Message::Absent(absent)));
        }
        Request::Prepare(request) => prepare(&request)?,
        Request::PrepareTables { functions, cache } => {
            Template::prepare(functions.get(), &cache).map_err(|error| chain(&error))?;
        }
        Request::Measure(request) => {
            process::stay_on(&request.processors)?;
            let measured = run::measure(&request).map_err(|error| chain(&error))?;
            say(&Message::Proof(measured.proof));
            measured.samples.into_iter().for_each(|sample| say(&Message::Sample(sample)));
        }
        Request::Exhaust(request) => {
            let met = limit::exhaust(&request).map_err(|error| chain(&error))?;
            say(&Message::Exhausted(met));
        }
    }
    say(&Message::Done);
    Ok(())
}

/// Returns which of `metrics` have no counter here, why, and for which workloads.
fn absences(metrics: &[Metric]) -> Vec<Absent> {
    let own = Counters::open(metrics);
    let programs = Counters::of_programs(metrics);
    let both = own.availability().zip(programs.availability());
    let by_probe = both.filter_map(|((metric, own), (_, programs))| {
        let command = programs.is_err() && !command::stands_in_for(metric);
        let uncounted = match (own.is_err(), command) {
            (true, true) => Uncounted::All,
            (true, false) => Uncounted::AllButCommands,
            (false, true) => Uncounted::Commands,
            (false, false) => Uncounted::None,
        };
        let absence = own.err().or(programs.err())?;
        Some(Absent { metric, absence, uncounted })
    });
    let by_probe: Vec<Absent> = by_probe.collect();
    // From here on, calls of this process may be followed.
    let counted = uncounted_mappings(metrics).map(|(metric, why)| Absent::everywhere(metric, why));
    by_probe.into_iter().chain(counted).collect()
}

/// Returns which of `metrics` cannot be counted on this machine, and why. From here on, the calls of this
/// process may be followed, so do not call this in a process that measures.
fn uncounted_mappings(metrics: &[Metric]) -> impl Iterator<Item = (Metric, Absence)> {
    let is_asked = |metric: &Metric| metrics.contains(metric);
    let mappings: Vec<Metric> = MAPPING_CALLS.into_iter().filter(is_asked).collect();
    let absence = if mappings.is_empty() { None } else { mappings::follow().err() };
    mappings.into_iter().filter_map(move |metric| absence.map(|absence| (metric, absence)))
}

/// The metrics that are counted by following system calls.
const MAPPING_CALLS: [Metric; 3] =
    [Metric::MappingsMade, Metric::MappingsChanged, Metric::MappingsRemoved];

fn prepare(request: &Prepare) -> Result<(), String> {
    let total = request.modules;
    let step = (total / 50).max(1);
    let progress = |done: usize| {
        if done.is_multiple_of(step) || done == total {
            say(&Message::Progress { done, total });
        }
    };
    corpus::cache::prepare(request, &progress).map_err(|error| chain(&error))
}

fn say(message: &Message) {
    let mut line = serde_json::to_vec(message).expect("a message is plain data");
    line.push(b'\n');
    // The program that asked may have ended. Then no program reads a notice.
    let _ = std::io::stdout().lock().write_all(&line);
}
