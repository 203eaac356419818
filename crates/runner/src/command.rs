//! One run of somebody's command: starts it, reads the counters where it says a phase begins, and
//! sees to it that it ended as it should.
//!
//! Counters are read when a line arrives; what the command has done by then still counts for the
//! phase before, which on a busy machine can be milliseconds. With `acknowledge` it waits for an
//! answer, and the border is exact. Where there are no counters, the system's accounting takes the place
//! of some ([`crate::accounting`]); it knows phases only with `acknowledge`.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use loadline_probe::Totals;
use loadline_scenario::{
    Absence, Command, CommandProof, Invocation, Measure, Metric, Phase, Proof, Reading, Scope,
};

use crate::accounting::{self, Accounts};
use crate::counters::{self, Counters};
use crate::dumps::Splitter;
use crate::error::Error;
use crate::marker::Marker;
use crate::measure::{Measured, Samples};
use crate::process::{self, EndOf};

/// How much of the command's standard error is kept: its end, where the reason stands.
const STDERR_KEPT: usize = 4 * 1024;

/// The longest line that can be for us, in bytes.
const LONGEST_LINE: usize = 64 * 1024;

/// What a command may spend time in, itself.
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

/// Carries out one run of `command`.
pub fn measure(request: &Measure, command: &Command) -> Result<Measured, Error> {
    let invocation = command.at(request.modules);
    let mut watch = Watch::new(&request.metrics, command.acknowledge);
    watch.splitter = request.dumps.clone().filter(|_| command.acknowledge).map(Splitter::new);
    let mut child = start(command, &invocation)?;
    let stderr = End::of(child.stderr.take());
    let stdin = child.stdin.take().filter(|_| command.acknowledge);
    let said = watch.follow(&mut child, stdin);
    if said.is_err() {
        // It may have ended already; its group ends with the run in any case.
        let _ = child.kill();
    }
    let waited = accounting::wait_for(&mut child).map_err(|source| Error::Wait { source })?;
    let (status, used) = waited;
    let ended = watch.end(used);
    let proof = said.and(ended).and_then(|()| watch.proof(status, command, &invocation));
    let command = proof.map_err(|problem| Error::Command { problem, stderr: stderr.said() })?;
    let proof = Proof { command: Some(command), ..Proof::default() };
    Ok(Measured { proof, samples: watch.samples(request) })
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
    // The unwinder that was asked for is the command's as well.
    started.envs(std::env::vars_os().filter(|(name, _)| name == "LD_PRELOAD"));
    started.envs(&invocation.environment);
    let stdin = if command.acknowledge { Stdio::piped() } else { Stdio::null() };
    started.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
    process::end_command_with_us(&mut started);
    started.spawn().map_err(fail)
}

/// A name with a slash is a file, from the command's folder; another is searched for in its `PATH`.
fn program(name: &str, directory: &Path) -> PathBuf {
    if name.contains('/') { directory.join(name) } else { PathBuf::from(name) }
}

/// What has been heard and counted so far.
struct Watch {
    probe: Counters,
    accounts: Accounts,
    acknowledges: bool,
    /// Splits what callgrind counts, where it does.
    splitter: Option<Splitter>,
    /// Whom the stretch since the last phase line belongs to.
    current: Option<Phase>,
    /// Whether there was any phase line.
    is_marked: bool,
    counts: Vec<Count>,
    check: Option<String>,
}

/// What the command counted in one phase.
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

    /// Reads what the command says, until it has ended or nobody is left who could say more.
    fn follow(&mut self, child: &mut Child, mut stdin: Option<ChildStdin>) -> Result<(), String> {
        let Some(stdout) = child.stdout.take() else { return Ok(()) };
        let mut stdout = Lines { end: EndOf::process(child), stdout: BufReader::new(stdout) };
        let mut line = Vec::new();
        let mut is_continued = false;
        loop {
            line.clear();
            match stdout.read(&mut line) {
                Ok(()) if line.is_empty() => return Ok(()),
                Ok(()) => {}
                Err(error) => return Err(format!("could not be heard: {error}")),
            }
            let begins = !is_continued;
            is_continued = !line.ends_with(b"\n");
            let text = String::from_utf8_lossy(&line);
            if let Some(marker) = begins.then(|| Marker::read(&text)).flatten() {
                self.hear(marker?, child, &mut stdin)?;
            }
        }
    }

    /// What the command has used at this phase line, which it waits to be answered.
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
                    // A command that does not listen any more shows it by how it ends.
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

    /// Adds to what was said before of the same metric in the same phase.
    fn count(&mut self, metric: Metric, name: String, value: u64) -> Result<(), String> {
        let phase = self.current;
        let known = self.counts.iter_mut().find(|c| c.metric == metric && c.phase == phase);
        match known {
            Some(count) if count.name != name => Err(format!(
                "said {} and {name} in one phase, and only one name of its own is kept (as reported)",
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

    /// Refuses a count that nobody would see: one outside the phases, where there are phases.
    fn belongs(&self, phase: Option<Phase>, name: &str) -> Result<(), String> {
        if self.is_marked && phase.is_none() {
            return Err(format!("said {name} while no phase is on (a count belongs into one)"));
        }
        Ok(())
    }

    /// After the command's end: what came last belongs to the last phase; without phase lines all
    /// of it is `run`.
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
                "ended with exit code {exit_code} where {} is right",
                command.exit_code
            ));
        }
        match (&invocation.check, &self.check) {
            (Some(right), None) => Err(format!("printed no line loadline:check={right}")),
            (Some(right), Some(said)) if said != right => {
                Err(format!("printed loadline:check={said} where {right} is right"))
            }
            _ => Ok(CommandProof {
                exit_code,
                check: self.check.clone(),
                by_accounting: self.accounts.metrics.clone(),
            }),
        }
    }

    fn samples(&self, request: &Measure) -> Vec<loadline_scenario::Sample> {
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
        samples.list
    }
}

/// The lines on the command's standard output.
struct Lines {
    end: EndOf,
    stdout: BufReader<ChildStdout>,
}

impl Lines {
    /// Appends the next line to `line`, or as much of it as can be for us. Appends nothing at the end:
    /// when the output is closed, or the command has ended. Whatever it leaves running may hold its
    /// standard output open for ever.
    fn read(&mut self, line: &mut Vec<u8>) -> std::io::Result<()> {
        loop {
            if self.stdout.buffer().is_empty() && !self.end.or_output(self.stdout.get_ref()) {
                return Ok(());
            }
            let room = LONGEST_LINE - line.len();
            let read = match self.stdout.fill_buf() {
                Ok(read) => &read[..read.len().min(room)],
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let end = read.iter().position(|&byte| byte == b'\n');
            let taken = end.map_or(read.len(), |end| end + 1);
            line.extend_from_slice(&read[..taken]);
            self.stdout.consume(taken);
            if end.is_some() || taken == 0 || line.len() == LONGEST_LINE {
                return Ok(());
            }
        }
    }
}

/// The end of what is written to standard error, kept by a thread.
struct End {
    kept: Arc<Mutex<VecDeque<u8>>>,
    reader: JoinHandle<()>,
}

impl End {
    fn of(stderr: Option<impl Read + Send + 'static>) -> End {
        let kept = Arc::new(Mutex::new(VecDeque::new()));
        let shared = Arc::clone(&kept);
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            let Some(mut stderr) = stderr else { return };
            while let Ok(read @ 1..) = stderr.read(&mut buffer) {
                let mut kept = shared.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend(&buffer[..read]);
                let surplus = kept.len().saturating_sub(STDERR_KEPT);
                kept.drain(..surplus);
            }
        });
        End { kept, reader }
    }

    /// What was written, as the end of a sentence. Somebody the command has left behind may hold
    /// it open for ever, so it is not waited for long.
    fn said(self) -> String {
        let patience = Instant::now() + Duration::from_millis(200);
        while !self.reader.is_finished() && Instant::now() < patience {
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match String::from_utf8_lossy(kept.make_contiguous()).trim() {
            "" => String::new(),
            text => format!("; the end of its standard error: {text}"),
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use loadline_scenario::{Means, Subject};
    use tempfile::TempDir;

    use super::*;

    const METRICS: [Metric; 4] =
        [Metric::PageFaults, Metric::TaskClock, Metric::WallTime, Metric::Reported];

    /// A shell script as a command, in a folder of its own.
    struct Script {
        folder: TempDir,
        command: Command,
    }

    impl Script {
        fn new(script: &str) -> Script {
            let folder = TempDir::new().unwrap();
            let command = Command {
                arguments: ["sh", "-c", script, "sh", "{n}"].map(str::to_owned).to_vec(),
                directory: folder.path().to_owned(),
                environment: BTreeMap::from([("SIZE".to_owned(), "N={n}".to_owned())]),
                inherit: Vec::new(),
                exit_code: 0,
                check: None,
                acknowledge: false,
            };
            Script { folder, command }
        }

        fn with(mut self, change: impl FnOnce(&mut Command)) -> Script {
            change(&mut self.command);
            self
        }

        fn run(&self) -> Result<Measured, String> {
            let request = Measure {
                subject: Subject::Command(self.command.clone()),
                modules: 64,
                seed: 0,
                metrics: METRICS.to_vec(),
                cache: PathBuf::new(),
                means: Means::Clock,
                processors: Vec::new(),
                dumps: None,
            };
            measure(&request, &self.command).map_err(|error| error.to_string())
        }

        fn error(&self) -> String {
            self.run().expect_err("a failed run")
        }
    }

    fn reading(measured: &Measured, phase: Phase, metric: Metric) -> Option<Reading> {
        let is_it = |s: &&loadline_scenario::Sample| s.phase == phase && s.metric == metric;
        measured.samples.iter().find(is_it).map(|sample| sample.reading)
    }

    fn value(measured: &Measured, phase: Phase, metric: Metric) -> Option<f64> {
        reading(measured, phase, metric).and_then(Reading::value)
    }

    #[test]
    fn without_phase_lines_all_is_run() {
        let script = "echo noise; echo loadline:metric=frames:3:count; \
                      echo loadline:metric=frames:4:count; echo loadline:check=$1 $SIZE $(pwd)";
        let script = Script::new(script);
        let measured = script.run().unwrap();
        let folder = script.folder.path().canonicalize().unwrap();
        let said = measured.proof.command.as_ref().unwrap().check.as_deref();
        assert_eq!(said, Some(format!("64 N=64 {}", folder.display()).as_str()));
        assert_eq!(value(&measured, Phase::Run, Metric::Reported), Some(7.0));
        assert!(value(&measured, Phase::Run, Metric::WallTime).is_some());
        assert_eq!(value(&measured, Phase::Load, Metric::WallTime), None);
    }

    /// The shell works where it says it does, by itself and by children, each of which takes dozens of
    /// page faults; with an answer to every line the borders are exact.
    #[test]
    fn work_belongs_to_the_phase_it_is_done_in() {
        let work = "i=0; while [ $i -lt 5 ]; do sh -c :; i=$((i+1)); done";
        let script = format!(
            "mark() {{ echo loadline:phase=$1; [ \"$LOADLINE_ACK\" ] && read answer; }}; {work}; \
             mark load; {work}; {work}; mark unload; mark none; {work}"
        );
        let measured = Script::new(&script).with(|c| c.acknowledge = true).run().unwrap();
        let of = |phase, metric| {
            let value = value(&measured, phase, metric);
            value.unwrap_or_else(|| panic!("no {metric}: {:?}", measured.samples))
        };
        let [load, unload] = [Phase::Load, Phase::Unload].map(|p| of(p, Metric::PageFaults));
        assert!(load > 5.0 * unload, "{load} page faults in load, {unload} in unload");
        for metric in [Metric::PageFaults, Metric::TaskClock] {
            let parts = of(Phase::Load, metric) + of(Phase::Unload, metric);
            assert_eq!(of(Phase::Total, metric), parts, "{metric}");
            assert_eq!(value(&measured, Phase::Run, metric), None, "{metric}");
        }
    }

    #[test]
    fn counts_belong_to_the_phase_they_are_said_in() {
        let script = "echo loadline:phase=load; echo loadline:metric=frames:$1:count; \
                      echo loadline:phase=unload; echo loadline:metric=gone:2:count; \
                      echo loadline:phase=load; echo loadline:metric=frames:1:count";
        let measured = Script::new(script).run().unwrap();
        assert_eq!(value(&measured, Phase::Load, Metric::Reported), Some(65.0));
        assert_eq!(value(&measured, Phase::Unload, Metric::Reported), Some(2.0));
        assert_eq!(value(&measured, Phase::Total, Metric::Reported), Some(67.0));
        assert_eq!(value(&measured, Phase::Call, Metric::Reported), None);
    }

    #[test]
    fn another_exit_code_can_be_the_right_one() {
        let measured = Script::new("exit 3").with(|c| c.exit_code = 3).run().unwrap();
        assert_eq!(measured.proof.command.unwrap().exit_code, 3);
        let checked =
            Script::new("echo loadline:check=64.").with(|c| c.check = Some("{n}.".into()));
        assert!(checked.run().is_ok());
    }

    #[test]
    fn what_a_command_does_wrong_is_said() {
        let cases = [
            (
                "echo it broke >&2; exit 3",
                "exit code 3 where 0 is right; the end of its standard error: it broke",
            ),
            ("kill -9 $$", "was ended by signal: 9"),
            ("echo loadline:phase=lod; sleep 1", "unknown phase \"lod\""),
            (
                "echo loadline:metric=a:1:count; echo loadline:metric=b:1:count",
                "said a and b in one phase",
            ),
            (
                "echo loadline:metric=a:1:count; echo loadline:phase=load",
                "said a while no phase is on",
            ),
            (
                "echo loadline:phase=none; echo loadline:metric=a:1:count",
                "said a while no phase is on",
            ),
            (
                "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done >&2; exit 1",
                "line 2999",
            ),
        ];
        for (script, expected) in cases {
            let error = Script::new(script).error();
            assert!(error.starts_with("the command "), "{error}");
            assert!(error.contains(expected), "{error:?} does not say {expected:?}");
            assert!(error.len() < STDERR_KEPT + 500, "{} bytes", error.len());
        }
        let check = |script| Script::new(script).with(|c| c.check = Some("{n}".into())).error();
        assert!(check("true").contains("printed no line loadline:check=64"));
        assert!(check("echo loadline:check=6").contains("loadline:check=6 where 64 is right"));
    }

    #[test]
    fn a_command_that_cannot_be_started_is_named() {
        let gone = Script::new("").with(|c| c.arguments = vec!["no-such-program".into()]).error();
        assert!(gone.contains("cannot start \"no-such-program\": No such file"), "{gone}");
        let file = Script::new("").with(|c| c.arguments = vec!["./plain".into()]);
        std::fs::write(file.folder.path().join("plain"), "text").unwrap();
        assert!(file.error().contains("cannot start \"./plain\": Permission denied"));
        let nowhere = Script::new("").with(|c| c.directory = c.directory.join("nowhere")).error();
        assert!(nowhere.contains("nowhere: no such folder"), "{nowhere}");
    }

    /// A run that waited for the child would not end before the test's own limit.
    #[test]
    fn a_child_that_keeps_the_output_open_is_not_waited_for() {
        let script = "(exec 2>&-; exec sleep 600) & echo $! > child; echo loadline:check=$1";
        let script = Script::new(script);
        let measured = script.run().unwrap();
        let child = std::fs::read_to_string(script.folder.path().join("child")).unwrap();
        assert!(std::process::Command::new("kill").arg(child.trim()).status().unwrap().success());
        assert_eq!(measured.proof.command.unwrap().check.as_deref(), Some("64"));
    }

    #[test]
    fn a_line_without_an_end_is_not_for_us() {
        let long = "printf %0100000d 0; echo loadline:phase=nonsense; echo loadline:check=ok";
        let measured = Script::new(long).run().unwrap();
        assert_eq!(measured.proof.command.unwrap().check.as_deref(), Some("ok"));
    }
}
