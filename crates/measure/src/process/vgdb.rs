//! Checks whether valgrind's `vgdb` can make a waiting process write its counts. vgdb stops such a process by
//! ptrace(2), and never returns where the system refuses that.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The time limit of each part of the trial.
const TIME_LIMIT: Duration = Duration::from_secs(10);

/// The path of the `vgdb` that belongs to `valgrind`, if it works. It is tried once, on a waiting program.
pub fn usable(valgrind: &Path) -> Option<PathBuf> {
    static USABLE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let try_it = || {
        let vgdb = valgrind.with_file_name("vgdb");
        works(valgrind, &vgdb, TIME_LIMIT).ok().filter(|works| *works).map(|_| vgdb)
    };
    USABLE.get_or_init(try_it).clone()
}

fn works(valgrind: &Path, vgdb: &Path, limit: Duration) -> io::Result<bool> {
    let folder = tempfile::tempdir()?;
    let mut prefix = OsString::from("--vgdb-prefix=");
    prefix.push(folder.path().join("pipe"));
    let mut wait = Command::new(valgrind);
    wait.args(["--tool=none", "--quiet", "--vgdb=yes"]).arg(&prefix);
    // The program makes a file just before it waits. Before that, it would answer vgdb by itself.
    let ready = folder.path().join("ready");
    wait.args(["/bin/sh", "-c", ": > \"$0\"; read -r answer"]).arg(&ready);
    wait.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut waiting = wait.spawn()?;
    let process = waiting.id();
    let waits = || Ok((ready.exists() && sleeps(process)).then_some(true));
    if within(limit, waits)?.is_none() {
        end(&mut waiting)?;
        return Ok(false);
    }
    let mut ask = Command::new(vgdb);
    ask.arg(&prefix).arg(format!("--pid={process}")).args(["--max-invoke-ms=1", "help"]);
    let mut asked = ask.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let status = within(limit, || asked.try_wait())?;
    end(&mut asked)?;
    end(&mut waiting)?;
    Ok(status.is_some_and(|status| status.success()))
}

/// Whether a process waits in the kernel, according to the third field of its `stat`. The second field, its
/// name in brackets, may contain anything.
fn sleeps(process: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'))
}

/// The first answer of `look`, or `None` if there is none within `limit`.
fn within<T>(
    limit: Duration,
    mut look: impl FnMut() -> io::Result<Option<T>>,
) -> io::Result<Option<T>> {
    let start = Instant::now();
    loop {
        let answer = look()?;
        if answer.is_some() || start.elapsed() > limit {
            return Ok(answer);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Ends a process, unless it has ended already.
fn end(child: &mut Child) -> io::Result<()> {
    if child.try_wait()?.is_none() {
        child.kill()?;
        child.wait()?;
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Runs the trial with scripts in place of valgrind and vgdb.
    fn trial(valgrind: &str, vgdb: &str, limit: Duration) -> bool {
        let folder = tempfile::tempdir().unwrap();
        let script = |name: &str, text: &str| {
            let path = folder.path().join(name);
            // Another process writes the file, because a file that this process has open for writing cannot
            // be started.
            let mut shell = Command::new("sh");
            shell.args(["-c", "printf '#!/bin/sh\n%s\n' \"$1\" > \"$0\" && chmod +x \"$0\""]);
            assert!(shell.arg(&path).arg(text).status().unwrap().success());
            path
        };
        let (valgrind, vgdb) = (script("valgrind", valgrind), script("vgdb", vgdb));
        works(&valgrind, &vgdb, limit).unwrap()
    }

    #[test]
    fn only_an_answer_in_time_counts() {
        // The last argument is the path of the file that the program makes.
        let waits = "for file; do :; done; : > \"$file\"; exec sleep 600";
        let long = Duration::from_secs(600);
        assert!(trial(waits, "exit 0", long));
        assert!(!trial(waits, "exit 1", long));
        let short = Duration::from_millis(200);
        assert!(!trial(waits, "exec sleep 600", short));
        assert!(!trial("exec sleep 600", "exit 0", short));
        assert!(!trial("exit 1", "exit 0", short));
    }
}
