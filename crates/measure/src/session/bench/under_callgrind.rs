//! Makes a run under callgrind, and reads what it counted.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loadline_callgrind::{FolderError, Profile};
use loadline_record::profile::SavedProfile;
use loadline_scenario::{
    Absence, Collector, Command, Dumps, Measure, Message, Metric, Phase, Reading, Request, Sample,
    Scenario, Scope, SeriesName, Workload,
};

use crate::process::runner::{RunFailure, Runner};

/// How long a run under callgrind may take. Callgrind makes a run fifty times slower.
const CALLGRIND_TIMEOUT: Duration = Duration::from_secs(600);

/// Makes a run under callgrind and reads its counts. Of a command, callgrind counts everything that it does
/// and starts.
pub fn profiled(
    runner: &Runner,
    request: &Request,
    wants_phases: bool,
    target: &Path,
    receive: impl FnMut(Message),
) -> (Result<(), RunFailure>, Option<SavedProfile>) {
    let refused = |error: String| (Err(RunFailure::Refused(error)), None);
    let folder = match scratch(&[&std::env::temp_dir(), target]) {
        Ok(folder) => folder,
        Err(error) => return refused(format!("cannot make a folder for callgrind: {error}")),
    };
    let (answer, read): (_, ReadProfiles) = match request {
        Request::Measure(measure @ Measure { workload: Workload::Command(command), .. }) => {
            let vgdb = runner.vgdb().filter(|_| wants_phases && command.acknowledge);
            let request = match under_callgrind(runner, measure, command, folder.path(), vgdb) {
                Ok(request) => request,
                Err(error) => return refused(error),
            };
            (runner.ask(&request, CALLGRIND_TIMEOUT, receive), |folder| {
                loadline_callgrind::programs(&folder.join(COUNTS))
            })
        }
        _ => {
            let path = folder.path();
            let answer = runner.ask_under_callgrind(path, request, CALLGRIND_TIMEOUT, receive);
            (answer, loadline_callgrind::profiles)
        }
    };
    if answer.is_err() {
        return (answer, None);
    }
    match read(folder.path()) {
        Ok(profiles) => (Ok(()), Some(SavedProfile::of(&profiles))),
        Err(error) => refused(error.to_string()),
    }
}

/// A function that reads the files that callgrind wrote into a folder.
type ReadProfiles = fn(&Path) -> std::result::Result<BTreeMap<String, Profile>, FolderError>;

/// The folder, within the run's folder, into which callgrind writes a command's counts.
const COUNTS: &str = "counts";

/// The request to run a command under callgrind, which writes into `folder`. The runner starts valgrind,
/// whose arguments are the command. With `vgdb` the runner splits the counts at the phase lines.
fn under_callgrind(
    runner: &Runner,
    measure: &Measure,
    command: &Command,
    folder: &Path,
    vgdb: Option<PathBuf>,
) -> std::result::Result<Request, String> {
    let valgrind = runner.valgrind().ok_or_else(|| Absence::NoValgrind.to_string())?;
    let (counts, pipes) = (folder.join(COUNTS), folder.join("pipes"));
    for made in [&counts, &pipes] {
        std::fs::create_dir(made).map_err(|error| format!("{}: {error}", made.display()))?;
    }
    let pipes = pipes.join("vgdb");
    let options =
        loadline_callgrind::command_options(&counts, vgdb.is_some().then_some(pipes.as_path()));
    let program = std::iter::once(valgrind.as_os_str().to_owned()).chain(options);
    let text = |argument: OsString| {
        argument
            .into_string()
            .map_err(|path| format!("{path:?} is not Unicode text, so it cannot be an argument"))
    };
    let mut arguments: Vec<String> = program.map(text).collect::<std::result::Result<_, _>>()?;
    arguments.extend(command.arguments.iter().cloned());
    let workload = Workload::Command(Command { arguments, ..command.clone() });
    let collector = Collector::Clock;
    let dumps = vgdb.map(|vgdb| Dumps { vgdb, folder: counts, pipes });
    let metrics = Vec::new();
    Ok(Request::Measure(Measure { workload, collector, metrics, dumps, ..measure.clone() }))
}

/// Whether the scenario asks for a command's instructions in single phases.
pub fn wants_phases(scenario: &Scenario) -> bool {
    scenario.series().any(|name| is_counted_by_phase(scenario, name))
}

fn is_counted_by_phase(scenario: &Scenario, name: SeriesName) -> bool {
    let is_command = matches!(scenario.workload, Workload::Command(_));
    is_command && name.metric == Metric::CallgrindInstructions && name.phase != Phase::Run
}

/// Samples for phases whose instructions the scenario asks for and that could not be counted. Empty if the
/// phases can be separated here; then a missing phase is the command's failure.
pub fn not_separated(
    runner: &Runner,
    scenario: &Scenario,
    modules: usize,
    counted: &[Sample],
) -> Vec<Sample> {
    let Workload::Command(command) = &scenario.workload else { return Vec::new() };
    if command.acknowledge && runner.vgdb().is_some() {
        return Vec::new();
    }
    let asked = scenario.series().filter(|name| is_counted_by_phase(scenario, *name));
    let missing = asked.filter(|name| !counted.iter().any(|sample| sample.phase == name.phase));
    let sample = |SeriesName { phase, metric }| {
        let reading = Reading::Unavailable(Absence::PhasesNotSeparated);
        Sample { phase, metric, scope: Scope::Process, modules, reading }
    };
    missing.map(sample).collect()
}

/// Makes a folder for callgrind's files in the first of `places` that takes one. The system's folder for
/// temporary files may be read-only.
fn scratch(places: &[&Path]) -> std::io::Result<tempfile::TempDir> {
    let make = |place: &&Path| tempfile::TempDir::with_prefix_in("loadline-callgrind-", place);
    let (last, others) = places.split_last().expect("there is a place at least");
    others.iter().find_map(|place| make(place).ok()).map_or_else(|| make(last), Ok)
}

/// The instructions of each profiled phase, and of loading and unloading together.
pub fn instructions(profile: &SavedProfile, modules: usize) -> Vec<Sample> {
    let phases = profile.phases.keys().copied().chain([Phase::Total]);
    let sample = |phase| {
        let reading = Reading::Exact(profile.total(phase)?);
        let metric = Metric::CallgrindInstructions;
        Some(Sample { phase, metric, scope: Scope::Process, modules, reading })
    };
    phases.filter_map(sample).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callgrind_writes_where_files_can_be_made() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let gone = folder.path().join("gone");
        let there = |places: &[&Path]| {
            scratch(places).map(|made| made.path().parent() == Some(folder.path()))
        };
        assert!(there(&[folder.path(), &gone]).expect("the first"));
        assert!(there(&[&gone, folder.path()]).expect("the second"));
        assert!(there(&[&gone, &gone]).is_err());
    }
}
