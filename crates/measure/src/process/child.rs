//! Starts a program of the user, such as a build, and waits for it.

use loadline_record::{Context, Result, ensure};
use std::io::{IsTerminal, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::sleep;
use std::time::Duration;

use crate::out;
use crate::process::interrupt::Interrupt;

/// The time between two checks whether the program has ended.
const PATIENCE: Duration = Duration::from_millis(10);

/// How long Loadline waits for the rest of the output after the program has ended. A process that the program
/// left running may hold the output open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs `command` to its end. All of its output goes to standard error, since standard output is for results.
/// Ctrl-C ends the program and everything it has started.
///
/// # Errors
/// When the program cannot be started, or Ctrl-C has ended it.
pub fn run(command: &mut Command, interrupt: &Interrupt) -> Result<ExitStatus> {
    interrupt.check()?;
    command.stdin(Stdio::null()).stderr(standard_error());
    let is_seen = std::io::stderr().is_terminal();
    command.stdout(if is_seen { std::io::stderr().into() } else { Stdio::piped() });
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let program = command.get_program().display().to_string();
    let mut child = command.spawn().with_context(|| format!("cannot start {program}"))?;
    let streams = [child.stdout.take().map(copied), child.stderr.take().map(copied)];
    let child_id = interrupt.guard(child);
    while !interrupt.has_ended_by(child_id, std::time::Instant::now()) {
        sleep(PATIENCE);
    }
    let child = interrupt.release(child_id);
    for ended in streams.iter().flatten() {
        // If the output is still open after that, another process holds it.
        let _ = ended.recv_timeout(LAST_WORDS);
    }
    interrupt.check()?;
    let mut child = child.context("the program was waited for elsewhere")?;
    child.wait().with_context(|| format!("cannot wait for {program}"))
}

/// Runs `command` to its end and returns what it printed. Its standard error goes to this program's standard
/// error.
///
/// # Errors
/// When the program cannot be started, or fails.
pub fn read(mut command: Command) -> Result<String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(standard_error());
    let program = command.get_program().display().to_string();
    let mut child = command.spawn().with_context(|| format!("cannot start {program}"))?;
    let ended = child.stderr.take().map(copied);
    let output = child.wait_with_output();
    let output = output.with_context(|| format!("cannot wait for {program}"))?;
    // If the output is still open after that, another process holds it.
    let _ = ended.map(|ended| ended.recv_timeout(LAST_WORDS));
    let status = output.status;
    ensure!(status.success(), "{program} failed ({status}); its messages are above");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Where a program's messages go: straight to a terminal, and otherwise through a pipe of ours. A build must
/// not fail because a log is closed or full.
fn standard_error() -> Stdio {
    if std::io::stderr().is_terminal() { Stdio::inherit() } else { Stdio::piped() }
}

/// Copies `stream` to standard error. The returned channel closes at the end of the stream.
fn copied(mut stream: impl Read + Send + 'static) -> Receiver<()> {
    let (sender, ended) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut buffer) {
            out::raw(&buffer[..read]);
        }
        drop(sender);
    });
    ended
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn shell(script: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]);
        shell
    }

    #[test]
    fn what_a_program_prints_is_read_and_its_failure_is_one() {
        // Writes more than a pipe holds.
        let noise = "i=0; while [ $i -lt 20000 ]; do echo; i=$((i + 1)); done >&2; echo done";
        assert_eq!(read(shell(noise)).unwrap(), "done\n");
        let error = read(shell("exit 3")).unwrap_err().to_string();
        assert_eq!(error, "sh failed (exit status: 3); its messages are above");
        assert!(read(Command::new("/nowhere/sh")).is_err());
        let interrupt = Interrupt::default();
        assert!(run(&mut shell("exit 0"), &interrupt).unwrap().success());
        assert!(!run(&mut shell("exit 3"), &interrupt).unwrap().success());
        interrupt.interrupt();
        assert!(run(&mut shell("exit 0"), &interrupt).is_err());
    }
}
