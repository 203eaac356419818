//! Builds the runner, starts it for one request at a time, and reads its answer.

use loadline_record::{Context, Error, Exit, Machine, Result};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use loadline_callgrind::{Invocation, OLDEST_VALGRIND, Threads, Version, find_valgrind};
use loadline_scenario::{Absence, Environment, Message, Request, Unwinder};

use crate::process::cargo::build_runner;
use crate::process::installed;
use crate::process::interrupt::Interrupt;
use crate::process::preload::preloadable;
use crate::process::unwinders;
use crate::project::folders::Project;

/// How many bytes of a runner's standard error are kept. The end is kept, since it states the reason.
const STDERR_KEPT: usize = 8 * 1024;

/// The longest line of a runner's answer in bytes. A longer line is not a message.
const LONGEST_LINE: u64 = 1 << 20;

/// The runner program, ready to be started.
#[derive(Debug, Clone)]
pub struct Runner {
    program: PathBuf,
    preload: Option<PathBuf>,
    processors: Vec<usize>,
    valgrind: Option<(PathBuf, Version)>,
    interrupt: Interrupt,
    /// Whether the runner was installed before, rather than built for this session.
    is_installed: bool,
}

/// The file name of the runner. It has the same length in every folder, because the arguments lie on top of
/// the process's stack.
#[cfg(unix)]
const NAME: &str = "loadline-runner";

/// The reason why a request brought no complete answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunFailure {
    /// The runner reported this error.
    Refused(String),
    /// The runner ended without its last message.
    Crashed {
        /// The exit code or signal.
        status: String,
        /// The end of its standard error.
        stderr: String,
    },
    /// Loadline ended the runner after this time.
    TimedOut(Duration),
    /// The runner wrote this text, which is not a message.
    Garbled(String),
    /// The runner's counts do not match the request.
    Unproven(String),
    /// The program was interrupted.
    Interrupted,
}

impl std::fmt::Display for RunFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RunFailure::Refused(error) => f.write_str(error),
            RunFailure::Crashed { status, stderr } if stderr.is_empty() => {
                write!(f, "the runner ended early ({status}) without a message")
            }
            RunFailure::Crashed { status, stderr } => {
                write!(f, "the runner ended early ({status}): {}", stderr.trim_end())
            }
            RunFailure::TimedOut(after) => {
                let seconds = after.as_secs();
                write!(
                    f,
                    "ended after {seconds} s (timeout_seconds in the scenario sets the limit)"
                )
            }
            RunFailure::Garbled(line) => {
                write!(f, "the runner's answer is not a message: {line:?}")
            }
            RunFailure::Unproven(what) => {
                write!(f, "the run did not do the requested work: {what}")
            }
            RunFailure::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl Runner {
    /// Builds the runner of this workspace; Cargo's progress goes to standard error. An installed program
    /// uses the installed runner instead. The environment variable `LOADLINE_RUNNER` replaces both.
    ///
    /// # Errors
    /// When the build fails, this machine does not have the unwinder, or `LOADLINE_RUNNER` names no file.
    pub fn build(project: &Project, machine: &Machine, interrupt: &Interrupt) -> Result<Runner> {
        let built = Runner::at(PathBuf::new(), machine, interrupt)?;
        if let Some(program) = installed::given()? {
            return Ok(Runner { program, is_installed: true, ..built });
        }
        if project.is_installed {
            return Ok(Runner { program: installed::runner()?, is_installed: true, ..built });
        }
        let program = build_runner(&project.workspace, None, false);
        // Ctrl-C in a terminal ends Cargo as well; that is not a failed build.
        interrupt.check()?;
        let program = program.map_err(|error| {
            Error::new(Exit::CouldNotMeasure, format!("cannot build the runner: {error:#}"))
        })?;
        Ok(Runner { program, ..built })
    }

    /// Uses the runner that has been built as `program`.
    ///
    /// # Errors
    /// When this machine does not have the unwinder.
    pub fn at(program: PathBuf, machine: &Machine, interrupt: &Interrupt) -> Result<Runner> {
        Ok(Runner {
            program,
            preload: preloaded(&machine.unwinder)?,
            processors: machine.processors.clone(),
            valgrind: usable_valgrind(),
            interrupt: interrupt.clone(),
            is_installed: false,
        })
    }

    /// Returns the same program under another unwinder.
    ///
    /// # Errors
    /// When this machine does not have that unwinder.
    pub fn under(&self, unwinder: &Unwinder) -> Result<Runner> {
        Ok(Runner { preload: preloaded(unwinder)?, ..self.clone() })
    }

    /// Whether a usable valgrind exists, so that runs can be counted under callgrind.
    pub fn has_valgrind(&self) -> bool {
        self.valgrind.is_some()
    }

    /// The path of the valgrind under which callgrind runs are started.
    pub fn valgrind(&self) -> Option<&Path> {
        self.valgrind.as_ref().map(|(program, _)| program.as_path())
    }

    /// The path of `vgdb`, which makes waiting processes under valgrind write their counts. `None` if it does
    /// not work here.
    pub fn vgdb(&self) -> Option<PathBuf> {
        crate::process::vgdb::usable(self.valgrind()?)
    }

    /// The version of the valgrind under which callgrind runs are started, or `none`.
    pub fn valgrind_version(&self) -> String {
        let version = self.valgrind.as_ref().map(|(_, version)| version.to_string());
        version.unwrap_or_else(|| "none".to_owned())
    }

    /// The CPUs on which the runner's processes stay. Empty means all CPUs.
    pub fn processors(&self) -> &[usize] {
        &self.processors
    }

    /// The digest of the runner program. All runs of one session use the same program.
    ///
    /// # Errors
    /// When the program cannot be read.
    pub fn digest(&self) -> Result<String> {
        let program = self.program.display();
        let bytes =
            std::fs::read(&self.program).with_context(|| format!("cannot read {program}"))?;
        Ok(blake3::hash(&bytes).to_hex().to_string())
    }

    /// Checks that an installed runner has this program's version.
    ///
    /// # Errors
    /// When the version is another one.
    pub fn check_version(&self, environment: &Environment) -> Result<()> {
        if !self.is_installed {
            return Ok(());
        }
        installed::check_version(&self.program, environment)
    }

    /// Checks that the active unwinder is the one that was asked for. The dynamic linker only warns of a
    /// library that it cannot preload.
    ///
    /// # Errors
    /// When another unwinder is active.
    pub fn check_preload(&self, environment: &Environment) -> Result<()> {
        let active = &environment.unwinder_path;
        match &self.preload {
            Some(asked) if Path::new(active).canonicalize().ok().as_ref() != Some(asked) => {
                let asked = asked.display();
                let text = format!(
                    "cannot use unwinder {asked}: the runner still unwinds with {active} (is it an unwinder for this machine?)"
                );
                Err(Error::new(Exit::Usage, text))
            }
            _ => Ok(()),
        }
    }

    /// Sends `request` to a fresh process and passes every message but the last to `receive`.
    ///
    /// The process gets only the allocator's settings as its environment, so that the caller's shell does not
    /// change the result. It leads its own process group, so that Ctrl-C reaches this program alone.
    pub fn ask(
        &self,
        request: &Request,
        timeout: Duration,
        receive: impl FnMut(Message),
    ) -> Result<(), RunFailure> {
        let command = self.bare(&self.program);
        self.ask_by(command, request, timeout, receive)
    }

    /// Sends `request` to a fresh process under callgrind, which writes its counts into `folder`.
    pub fn ask_under_callgrind(
        &self,
        folder: &Path,
        request: &Request,
        timeout: Duration,
        receive: impl FnMut(Message),
    ) -> Result<(), RunFailure> {
        let Some((valgrind, _)) = &self.valgrind else {
            return Err(RunFailure::Refused(Absence::NoValgrind.to_string()));
        };
        let (runner, folder) = (self.program.clone(), folder.to_owned());
        let invocation = Invocation { runner, folder, threads: Threads::Apart };
        let mut command = self.bare(valgrind);
        command.args(invocation.arguments());
        // valgrind keeps files of its own in /tmp. The variable is set only where /tmp takes no files, so
        // that the process's stack is the same everywhere else.
        if !takes_files(Path::new("/tmp")) {
            command.env("TMPDIR", &invocation.folder);
        }
        self.ask_by(command, request, timeout, receive)
    }

    fn ask_by(
        &self,
        command: Command,
        request: &Request,
        timeout: Duration,
        mut receive: impl FnMut(Message),
    ) -> Result<(), RunFailure> {
        if self.interrupt.was_asked() {
            return Err(RunFailure::Interrupted);
        }
        let mut child = self.start(command, request).map_err(RunFailure::Refused)?;
        let lines = lines_of(&mut child);
        let stderr = end_of_stderr(&mut child);
        let child_id = self.interrupt.guard(child);
        let deadline = Instant::now() + timeout;
        let mut last = read_answer(&lines, deadline, &mut receive);
        if last.lets_it_end() && !self.interrupt.has_ended_by(child_id, deadline) {
            last = Last::TimedOut;
        }
        if !last.lets_it_end() {
            self.interrupt.kill(child_id);
        }
        let status = self.interrupt.release(child_id).map(|mut child| child.wait());
        let stderr = stderr.join().unwrap_or_default();
        if self.interrupt.was_asked() {
            return Err(RunFailure::Interrupted);
        }
        match (last, status) {
            (Last::Done, Some(Ok(status))) if status.success() => Ok(()),
            (Last::Failed(error), _) => Err(RunFailure::Refused(error)),
            (Last::TimedOut, _) => Err(RunFailure::TimedOut(timeout)),
            (Last::Garbled(line), _) => Err(RunFailure::Garbled(line)),
            (_, Some(Ok(status))) => Err(RunFailure::Crashed { status: describe(status), stderr }),
            (_, status) => {
                Err(RunFailure::Crashed { status: format!("not known: {status:?}"), stderr })
            }
        }
    }

    /// A command that starts `program` without the caller's environment. Every collector uses the same
    /// environment, so the cost of a drop is comparable under callgrind and by the clock.
    fn bare(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(Invocation::environment().iter().copied());
        if let Some(preload) = &self.preload {
            command.env("LD_PRELOAD", preload);
        }
        command
    }

    fn start(&self, mut command: Command, request: &Request) -> Result<Child, String> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        #[cfg(unix)]
        {
            use std::os::unix::process::CommandExt;
            command.process_group(0);
            if command.get_program() == self.program {
                command.arg0(NAME);
            }
        }
        let mut child = command.spawn().map_err(|error| {
            let program = Path::new(command.get_program()).display();
            format!("cannot start {program}: {error}")
        })?;
        let request = serde_json::to_vec(request).expect("a request is plain data");
        let mut stdin = child.stdin.take().expect("the pipe was asked for above");
        // A thread writes the request: a runner that never reads would block this thread, where no timeout
        // applies. If the runner ends before it has read, its exit explains why, so a broken pipe is ignored.
        std::thread::spawn(move || stdin.write_all(&request));
        Ok(child)
    }
}

/// Whether `folder` takes a new file.
fn takes_files(folder: &Path) -> bool {
    tempfile::tempfile_in(folder).is_ok()
}

/// The library to preload for `unwinder`, or its copy. `None` where the runner uses that unwinder anyway.
fn preloaded(unwinder: &Unwinder) -> Result<Option<PathBuf>> {
    unwinders::library(unwinder)?.map(|library| preloadable(&library)).transpose()
}

/// The valgrind in the search path, if it is recent enough.
fn usable_valgrind() -> Option<(PathBuf, Version)> {
    let program = find_valgrind(&std::env::var_os("PATH")?)?;
    let said = Command::new(&program).arg("--version").stdin(Stdio::null()).output().ok()?;
    let version = Version::parse(&String::from_utf8_lossy(&said.stdout))?;
    (version >= OLDEST_VALGRIND).then_some((program, version))
}

fn lines_of(child: &mut Child) -> Receiver<String> {
    let stdout = child.stdout.take().expect("the pipe was asked for at the start");
    // The channel is bounded, as lines are, so that endless output does not fill the memory.
    let (sender, lines) = mpsc::sync_channel(64);
    std::thread::spawn(move || {
        let mut stdout = BufReader::new(stdout);
        loop {
            let mut line = Vec::new();
            let read = stdout.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut line);
            let line = String::from_utf8_lossy(line.trim_ascii_end()).into_owned();
            if !matches!(read, Ok(1..)) || sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

fn end_of_stderr(child: &mut Child) -> JoinHandle<String> {
    let mut stderr = child.stderr.take().expect("the pipe was asked for at the start");
    std::thread::spawn(move || {
        let mut kept: Vec<u8> = Vec::new();
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = stderr.read(&mut buffer) {
            kept.extend_from_slice(&buffer[..read]);
            kept.drain(..kept.len().saturating_sub(STDERR_KEPT));
        }
        String::from_utf8_lossy(&kept).into_owned()
    })
}

/// How an answer ended.
enum Last {
    Done,
    Failed(String),
    EndOfFile,
    TimedOut,
    Garbled(String),
}

impl Last {
    /// Whether the process is expected to end by itself.
    fn lets_it_end(&self) -> bool {
        matches!(self, Last::Done | Last::EndOfFile)
    }
}

fn read_answer(
    lines: &Receiver<String>,
    deadline: Instant,
    receive: &mut impl FnMut(Message),
) -> Last {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            // Without this check, lines that wait in the queue would be delivered after the deadline.
            return Last::TimedOut;
        }
        let line = match lines.recv_timeout(left) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => return Last::TimedOut,
            Err(RecvTimeoutError::Disconnected) => return Last::EndOfFile,
        };
        match serde_json::from_str(&line) {
            Ok(Message::Done) => return Last::Done,
            Ok(Message::Failed { error }) => return Last::Failed(error),
            Ok(message) => receive(message),
            Err(_) => return Last::Garbled(line.chars().take(200).collect()),
        }
    }
}

fn describe(status: ExitStatus) -> String {
    #[cfg(unix)]
    if let Some(signal) = std::os::unix::process::ExitStatusExt::signal(&status) {
        return format!("signal {signal}");
    }
    status.to_string()
}

#[cfg(all(test, unix))]
mod tests;
