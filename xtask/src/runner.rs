//! Builds the runner, starts it for one request at a time, and reads its answer.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::Context;
use loadline_scenario::{Message, Request};
use xshell::{Shell, cmd};

use crate::exit::{Exit, ended};
use crate::interrupt::Interrupt;
use crate::project::Project;

/// How much of a runner's standard error is kept: its end, where the reason stands.
const STDERR_KEPT: usize = 8 * 1024;

/// The runner program, ready to be started.
#[derive(Debug, Clone)]
pub struct Runner {
    program: PathBuf,
    preload: Option<PathBuf>,
    interrupt: Interrupt,
}

/// Why a request brought no whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunFailure {
    /// The runner said itself what went wrong.
    Refused(String),
    /// It ended without a last word.
    Crashed {
        /// The exit code or signal.
        status: String,
        /// The end of its standard error.
        stderr: String,
    },
    /// It was ended after this time.
    TimedOut(Duration),
    /// It wrote something that is no message.
    Garbled(String),
    /// Its counts are not what was asked for.
    Unproven(String),
    /// The program was asked to end.
    Interrupted,
}

impl std::fmt::Display for RunFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            RunFailure::Refused(error) => f.write_str(error),
            RunFailure::Crashed { status, stderr } if stderr.is_empty() => {
                write!(f, "the runner ended early ({status}) and said nothing")
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
            RunFailure::Garbled(line) => write!(f, "the runner's answer is no message: {line:?}"),
            RunFailure::Unproven(what) => write!(f, "the run does not prove its work: {what}"),
            RunFailure::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl Runner {
    /// Builds the runner of this workspace; Cargo's progress goes to standard error.
    ///
    /// # Errors
    /// When the build fails, or `unwinder` is no file that can be preloaded.
    pub fn build(
        project: &Project,
        unwinder: &str,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Runner> {
        let preload = preload(unwinder)?;
        let shell = Shell::new().context("cannot start a shell")?;
        shell.change_dir(&project.workspace);
        let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
        let messages = cmd!(
            shell,
            "{cargo} build --package loadline-runner --message-format json-render-diagnostics"
        );
        let messages = messages.quiet().read().map_err(|error| {
            let error = error.to_string();
            ended(Exit::CouldNotMeasure, format!("cannot build the runner: {error}"))
        })?;
        let program = messages.lines().find_map(executable).with_context(|| {
            "cannot find the runner: cargo build named no executable loadline-runner".to_owned()
        })?;
        interrupt.check()?;
        Ok(Runner { program, preload, interrupt: interrupt.clone() })
    }

    /// Sends `request` to a fresh process and gives `receive` every message but the last.
    ///
    /// The process gets an empty environment, so that nothing of the caller's shell changes what is
    /// measured, and its own process group, so that Ctrl-C reaches this program alone.
    pub fn ask(
        &self,
        request: &Request,
        timeout: Duration,
        mut receive: impl FnMut(Message),
    ) -> Result<(), RunFailure> {
        if self.interrupt.was_asked() {
            return Err(RunFailure::Interrupted);
        }
        let mut child = self.start(request).map_err(RunFailure::Refused)?;
        let lines = lines_of(&mut child);
        let stderr = end_of_stderr(&mut child);
        self.interrupt.guard(child);
        let answer = read_answer(&lines, timeout, &mut receive);
        if !matches!(answer, Ok(Last::EndOfFile | Last::Done)) {
            self.interrupt.kill();
        }
        let status = self.interrupt.release().map(|mut child| child.wait());
        let stderr = stderr.join().unwrap_or_default();
        if self.interrupt.was_asked() {
            return Err(RunFailure::Interrupted);
        }
        match (answer?, status) {
            (Last::Done, Some(Ok(status))) if status.success() => Ok(()),
            (Last::Failed(error), _) => Err(RunFailure::Refused(error)),
            (_, Some(Ok(status))) => Err(RunFailure::Crashed { status: describe(status), stderr }),
            (_, status) => {
                Err(RunFailure::Crashed { status: format!("not known: {status:?}"), stderr })
            }
        }
    }

    fn start(&self, request: &Request) -> Result<Child, String> {
        let mut command = Command::new(&self.program);
        command.env_clear().stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(preload) = &self.preload {
            command.env("LD_PRELOAD", preload);
        }
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let shown = self.program.display();
        let mut child =
            command.spawn().map_err(|error| format!("cannot start {shown}: {error}"))?;
        let request = serde_json::to_vec(request).expect("a request is plain data");
        let mut stdin = child.stdin.take().expect("the pipe was asked for above");
        // A runner that ends before it has read says why elsewhere; a broken pipe adds nothing.
        let _ = stdin.write_all(&request);
        Ok(child)
    }
}

fn preload(unwinder: &str) -> anyhow::Result<Option<PathBuf>> {
    if unwinder == "host" {
        return Ok(None);
    }
    let path = Path::new(unwinder);
    let usage = |problem: String| {
        ended(Exit::Usage, format!("cannot use --unwinder {unwinder}: {problem}"))
    };
    if !cfg!(target_os = "linux") {
        return Err(usage("preloading works on Linux only".to_owned()));
    }
    let path = path.canonicalize().map_err(|error| usage(format!("{error} (host, or a file)")))?;
    if !path.is_file() {
        return Err(usage("is not a file".to_owned()));
    }
    Ok(Some(path))
}

/// The path of the runner, where `line` is Cargo's message about it.
fn executable(line: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    let is_runner = message["target"]["name"] == "loadline-runner";
    let path = message["executable"].as_str().filter(|_| is_runner)?;
    Some(PathBuf::from(path))
}

fn lines_of(child: &mut Child) -> Receiver<String> {
    let stdout = child.stdout.take().expect("the pipe was asked for at the start");
    let (sender, lines) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
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
}

fn read_answer(
    lines: &Receiver<String>,
    timeout: Duration,
    receive: &mut impl FnMut(Message),
) -> Result<Last, RunFailure> {
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let line = match lines.recv_timeout(left) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => return Err(RunFailure::TimedOut(timeout)),
            Err(RecvTimeoutError::Disconnected) => return Ok(Last::EndOfFile),
        };
        match serde_json::from_str(&line) {
            Ok(Message::Done) => return Ok(Last::Done),
            Ok(Message::Failed { error }) => return Ok(Last::Failed(error)),
            Ok(message) => receive(message),
            Err(_) => {
                let start: String = line.chars().take(200).collect();
                return Err(RunFailure::Garbled(start));
            }
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
