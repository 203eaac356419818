//! One run of a user's command: starts it, reads the counters at each phase line, and checks how it ended.
//!
//! The counters are read when a line arrives. Work that the command has done by then still counts for the
//! phase before, which can be milliseconds on a busy machine. With `acknowledge` the command waits for an
//! answer, and the border is exact. The accounting of the operating system replaces some counters that are
//! missing ([`accounting`]). It knows phases only with `acknowledge`.

mod accounting;
mod dumps;
mod marker;
mod output;

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ExitStatus, Stdio};

use loadline_probe::Totals;
use loadline_scenario::{
    Absence, Command, CommandProof, Invocation, Measure, Metric, Phase, Proof, Reading, Scope,
};

use crate::counting::counters::{self, Counters};
use crate::error::Error;
use crate::process;
use crate::run::samples::{Measured, Samples};
use accounting::{Accounts, Ended};
use dumps::Splitter;
use marker::Marker;
use output::{End, Lines};

pub use accounting::stands_in_for;

/// The phases that a command itself may report.
const MARKED: [Phase; 8] = [
    Phase::Read,
    Phase::Deserialize,
    Phase::Load,
    Phase::Call,
    Phase::Unwind,
    Phase::Unload,
    Phase::Work,
    Phase::Run,
];

/// Measures one run of `command`.
pub fn measure(request: &Measure, command: &Command) -> Result<Measured, Error> {
    let invocation = command.at(request.modules);
    let mut watch = Watch::new(&request.metrics, command.acknowledge);
    watch.splitter = request.dumps.clone().filter(|_| command.acknowledge).map(Splitter::new);
    let mut child = start(command, &invocation)?;
    let stderr = End::of(child.stderr.take());
    let stdin = child.stdin.take().filter(|_| command.acknowledge);
    let said = watch.follow(&mut child, stdin);
    if said.is_err() {
        // The command may have ended already. Its process group ends with the run in any case.
        let _ = child.kill();
    }
    let Ended { status, used, peak_bytes } =
        accounting::wait_for(&mut child).map_err(|source| Error::Wait { source })?;
    let ended = watch.end(used);
    let proof = said.and(ended).and_then(|()| watch.proof(status, command, &invocation));
    let command = proof.map_err(|problem| Error::Command { problem, stderr: stderr.said() })?;
    let proof = Proof { command: Some(command), ..Proof::default() };
    let mut samples = watch.samples(request);
    if request.metrics.contains(&Metric::PeakResidentBytes) {
        let peak = peak_bytes.map_or_else(Reading::Unavailable, Reading::Exact);
        samples.push(Phase::Run, Metric::PeakResidentBytes, peak);
    }
    Ok(Measured { proof, samples: samples.list })
}

fn start(command: &Command, invocation: &Invocation) -> Result<Child, Error> {
    let name = &invocation.arguments[0];
    let fail = |source| Error::Start { program: name.clone(), source };
    let directory = &command.directory;
    if !directory.is_dir() {
        let source = std::io::Error::new(ErrorKind::NotFound, "no such folder");
        return Err(Error::read(directory, source));
    }
    let mut started = std::process::Command::new(program(name, directory));
    started.args(&invocation.arguments[1..]).current_dir(directory);
    started.env_clear();
    // The requested unwinder also applies to the command.
    started.envs(std::env::vars_os().filter(|(name, _)| name == "LD_PRELOAD"));
    started.envs(&invocation.environment);
    let stdin = if command.acknowledge { Stdio::piped() } else { Stdio::null() };
    started.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    process::end_command_with_us(&mut started);
    started.spawn().map_err(fail)
}

/// A name with a slash is a file, relative to the command's folder. Another name is searched in its `PATH`.
fn program(name: &str, directory: &Path) -> PathBuf {
    if name.contains('/') { directory.join(name) } else { PathBuf::from(name) }
}

/// The reports and counts of a command so far.
struct Watch {
    probe: Counters,
    accounts: Accounts,
    acknowledges: bool,
    /// Splits the counts of callgrind, if the run is under callgrind.
    splitter: Option<Splitter>,
    /// The phase of the stretch since the last phase line.
    current: Option<Phase>,
    /// Whether there was any phase line.
    is_marked: bool,
    counts: Vec<Count>,
    check: Option<String>,
}

/// A count that the command reported in one phase.
struct Count {
    phase: Option<Phase>,
    metric: Metric,
    name: String,
    value: u64,
}

impl Watch {
    fn new(metrics: &[Metric], acknowledges: bool) -> Watch {
        let mut probe = Counters::of_programs(metrics);
        let missing = probe
            .availability()
            .filter(|(metric, counter)| counter.is_err() && accounting::stands_in_for(*metric));
        let accounts = Accounts::new(missing.map(|(metric, _)| metric).collect());
        probe.start();
        Watch {
            probe,
            accounts,
            acknowledges,
            splitter: None,
            current: None,
            is_marked: false,
            counts: Vec::new(),
            check: None,
        }
    }

    /// Reads the reports of the command until it has ended, or until nothing can write to its output any
    /// more.
    fn follow(&mut self, child: &mut Child, mut stdin: Option<ChildStdin>) -> Result<(), String> {
        let Some(stdout) = child.stdout.take() else { return Ok(()) };
        let mut stdout = Lines::new(child, stdout);
        let mut line = Vec::new();
        let mut is_continued = false;
        loop {
            line.clear();
            match stdout.read(&mut line) {
                Ok(()) if line.is_empty() => return Ok(()),
                Ok(()) => {}
                Err(error) => return Err(format!("has an output that cannot be read: {error}")),
            }
            let begins = !is_continued;
            is_continued = !line.ends_with(b"\n");
            let text = String::from_utf8_lossy(&line);
            if let Some(marker) = begins.then(|| Marker::read(&text)).flatten() {
                self.hear(marker?, child, &mut stdin)?;
            }
        }
    }

    /// Returns the usage of the command at this phase line, whose answer the command waits for.
    fn used(&self, child: &Child) -> Result<accounting::Usage, Absence> {
        if self.acknowledges { accounting::of_living(child) } else { Err(Absence::NotAcknowledged) }
    }

    fn hear(
        &mut self,
        marker: Marker,
        child: &Child,
        stdin: &mut Option<ChildStdin>,
    ) -> Result<(), String> {
        match marker {
            Marker::Phase(next) => {
                self.probe.lap(self.current);
                if !self.accounts.metrics.is_empty() {
                    self.accounts.border(self.current, self.used(child));
                }
                if let Some(splitter) = &mut self.splitter {
                    splitter.border(self.current, child.id())?;
                }
                if let Some(stdin) = stdin {
                    // If the command does not listen any more, its exit status shows that.
                    let _ = stdin.write_all(b"\n");
                }
                self.current = next;
                self.is_marked = true;
                self.counts.iter().try_for_each(|count| self.belongs(count.phase, &count.name))
            }
            Marker::Count { metric, name, value } => self.count(metric, name, value),
            Marker::Check(value) => {
                self.check = Some(value);
                Ok(())
            }
        }
    }

    /// Adds to earlier reports of the same metric in the same phase.
    fn count(&mut self, metric: Metric, name: String, value: u64) -> Result<(), String> {
        let phase = self.current;
        let known = self.counts.iter_mut().find(|c| c.metric == metric && c.phase == phase);
        match known {
            Some(count) if count.name != name => Err(format!(
                "printed {} and {name} in one phase, but a phase can have only one metric of the command's own",
                count.name
            )),
            Some(count) => {
                count.value = count.value.saturating_add(value);
                Ok(())
            }
            None => {
                let belongs = self.belongs(phase, &name);
                self.counts.push(Count { phase, metric, name, value });
                belongs
            }
        }
    }

    /// Rejects a count that no result would contain: a count outside the phases of a command with phases.
    fn belongs(&self, phase: Option<Phase>, name: &str) -> Result<(), String> {
        if self.is_marked && phase.is_none() {
            return Err(format!("printed {name} outside a phase (print it within a phase)"));
        }
        Ok(())
    }

    /// Ends the last stretch after the command has ended. It belongs to the last phase. Without phase lines,
    /// everything belongs to `run`.
    fn end(&mut self, used: Result<accounting::Usage, Absence>) -> Result<(), String> {
        let last = if self.is_marked { self.current } else { Some(Phase::Run) };
        self.probe.lap(last);
        self.accounts.border(last, used);
        match &self.splitter {
            Some(splitter) if self.is_marked => splitter
                .assign(last)
                .map_err(|error| format!("cannot split its counts into phases: {error}")),
            _ => Ok(()),
        }
    }

    fn proof(
        &self,
        status: ExitStatus,
        command: &Command,
        invocation: &Invocation,
    ) -> Result<CommandProof, String> {
        let Some(exit_code) = status.code() else { return Err(format!("was ended by {status}")) };
        if exit_code != command.exit_code {
            return Err(format!(
                "ended with exit code {exit_code} instead of {}",
                command.exit_code
            ));
        }
        match (&invocation.check, &self.check) {
            (Some(right), None) => Err(format!("printed no line loadline:check={right}")),
            (Some(right), Some(said)) if said != right => {
                Err(format!("printed loadline:check={said} instead of {right}"))
            }
            _ => Ok(CommandProof {
                exit_code,
                check: self.check.clone(),
                by_accounting: self.accounts.metrics.clone(),
            }),
        }
    }

    fn samples(&self, request: &Measure) -> Samples {
        let mut samples = Samples::new(request.modules);
        let load = [Phase::Load, Phase::Read, Phase::Deserialize];
        let total = [Phase::Load, Phase::Read, Phase::Deserialize, Phase::Unload];
        for phase in MARKED.into_iter().chain([Phase::Total]) {
            let parts: &[Phase] = match phase {
                Phase::Load => &load,
                Phase::Total => &total,
                _ => &[phase],
            };
            let totals: Vec<Totals> = parts.iter().map(|&part| self.probe.totals(part)).collect();
            let counted = Totals::sum(&totals);
            let readings = counters::readings(&counted).map(|(metric, reading)| {
                let is_counted = !self.accounts.metrics.contains(&metric);
                let read = || self.accounts.reading(parts, metric);
                (metric, if is_counted { reading } else { read() })
            });
            samples.readings(phase, Scope::Process, readings);
            for &metric in &request.metrics {
                let is_part = |count: &&Count| {
                    let phase = if self.is_marked { count.phase } else { Some(Phase::Run) };
                    count.metric == metric && phase.is_some_and(|phase| parts.contains(&phase))
                };
                let counts = self.counts.iter().filter(is_part).map(|count| count.value);
                if let Some(sum) = counts.reduce(u64::saturating_add) {
                    samples.push(phase, metric, Reading::Exact(sum));
                }
            }
        }
        samples
    }
}

#[cfg(all(test, unix))]
mod tests;
