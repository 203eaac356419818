//! Starts a program of the user's, as a build is, and waits for it.

use std::io::{IsTerminal, Read};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::sleep;
use std::time::Duration;

use anyhow::Context;

use crate::interrupt::Interrupt;
use crate::out;

/// How often the program is asked whether it has ended.
const PATIENCE: Duration = Duration::from_millis(10);

/// How long the last words of a program are waited for once it has ended: something that it has left
/// running may hold its output open.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs `command` to its end. All of its output goes to standard error, since standard output is for
/// results. Ctrl-C ends the program with everything it has started.
///
/// # Errors
/// When the program cannot be started, or Ctrl-C has ended it.
pub fn run(command: &mut Command, interrupt: &Interrupt) -> anyhow::Result<ExitStatus> {
    interrupt.check()?;
    command.stdin(Stdio::null());
    let is_seen = std::io::stderr().is_terminal();
    if is_seen {
        command.stdout(std::io::stderr()).stderr(Stdio::inherit());
    } else {
        // By pipes of ours: a log that is closed or full is no reason for a build to fail.
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
    }
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(command, 0);
    let program = command.get_program().display().to_string();
    let mut child = command.spawn().with_context(|| format!("cannot start {program}"))?;
    let streams = [child.stdout.take().map(copied), child.stderr.take().map(copied)];
    let ward = interrupt.guard(child);
    while !interrupt.has_ended_by(ward, std::time::Instant::now()) {
        sleep(PATIENCE);
    }
    let child = interrupt.release(ward);
    for ended in streams.iter().flatten() {
        // What is still open then is not the program's own.
        let _ = ended.recv_timeout(LAST_WORDS);
    }
    interrupt.check()?;
    let mut child = child.context("the program was waited for elsewhere")?;
    child.wait().with_context(|| format!("cannot wait for {program}"))
}

/// Copies what `stream` brings to standard error; the channel closes at its end.
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
