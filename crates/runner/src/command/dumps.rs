//! Splits the callgrind counts of a command at the command's phase lines.
//!
//! While the command waits for the answer to a phase line, every living process of the command dumps its
//! counts since the previous line. All files in callgrind's folder then belong to the phase that has ended,
//! including the dumps of processes that ended within it. They are moved into a folder with the name of the
//! phase.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use loadline_scenario::{Dumps, Phase};

/// How long a process may take to write its dump. Without a permission that valgrind's own program does not
/// check, the dump never ends.
const TIME_LIMIT: Duration = Duration::from_secs(30);

/// How long the command may take from its phase line until it waits for the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The folder for counts that belong to no phase.
const NO_PHASE: &str = "none";

/// Splits the counts of one run.
#[derive(Debug)]
pub struct Splitter {
    dumps: Dumps,
    /// Whether the command itself asks callgrind for dumps at the borders of its phases.
    splits_itself: bool,
}

impl Splitter {
    pub fn new(dumps: Dumps) -> Splitter {
        Splitter { dumps, splits_itself: false }
    }

    /// Ends a stretch of `phase`, or of no phase if `phase` is `None`. `command` is the process id of the
    /// command.
    ///
    /// # Errors
    /// If a process does not write its dump, or a file cannot be moved.
    pub fn border(&mut self, phase: Option<Phase>, command: u32) -> Result<(), String> {
        let wrong = |error: io::Error| format!("cannot split its counts into phases: {error}");
        self.splits_itself |= self.files().map_err(wrong)?.iter().any(|file| is_asked_for(file));
        if !self.splits_itself {
            // Otherwise the instructions with which the command begins to wait would belong to either phase
            // at random.
            let start = Instant::now();
            while !rests(command) && start.elapsed() < PATIENCE {}
            for process in self.living().map_err(wrong)? {
                self.dump(process)
                    .map_err(|problem| format!("cannot split its counts into phases: {problem}"))?;
            }
        }
        self.assign(phase).map_err(wrong)
    }

    /// Assigns the files that were written since the last border to `phase`.
    ///
    /// # Errors
    /// If a file cannot be moved.
    pub fn assign(&self, phase: Option<Phase>) -> io::Result<()> {
        let name = phase.map_or(NO_PHASE.to_owned(), |phase| phase.to_string());
        let folder = self.dumps.folder.join(name);
        fs::create_dir_all(&folder)?;
        for file in self.files()? {
            fs::rename(&file, folder.join(file.file_name().unwrap_or_default()))?;
        }
        Ok(())
    }

    /// Returns the files that are complete. A living process has an empty file for its last dump.
    fn files(&self) -> io::Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dumps.folder)? {
            let entry = entry?;
            let about = entry.metadata()?;
            if about.is_file() && about.len() > 0 {
                files.push(entry.path());
            }
        }
        Ok(files)
    }

    /// Returns the processes that run under valgrind, which each have pipes.
    fn living(&self) -> io::Result<Vec<u32>> {
        let folder = self.dumps.pipes.parent().unwrap_or(Path::new("."));
        let mut living = Vec::new();
        for entry in fs::read_dir(folder)? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let of_pipe = name.split_once("-from-vgdb-to-").map(|(_, rest)| rest);
            let process = of_pipe.and_then(|rest| rest.split('-').next()?.parse().ok());
            living.extend(process.filter(|process| is_living(*process)));
        }
        Ok(living)
    }

    fn dump(&self, process: u32) -> Result<(), String> {
        let mut prefix = std::ffi::OsString::from("--vgdb-prefix=");
        prefix.push(&self.dumps.pipes);
        let mut command = Command::new(&self.dumps.vgdb);
        command.arg(prefix).arg(format!("--pid={process}")).args(["--max-invoke-ms=1", "dump"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let is_done = ends_well(&mut child, TIME_LIMIT).map_err(|error| error.to_string())?;
        if is_done || !is_living(process) {
            return Ok(());
        }
        Err(format!("vgdb cannot have process {process} write its dump"))
    }
}

/// Returns whether `child` ends with success within `limit`. If it does not end, it is killed.
fn ends_well(child: &mut Child, limit: Duration) -> io::Result<bool> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if start.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Returns whether a process exists and has not ended. An ended process has a folder until its parent waits
/// for it, but no program.
fn is_living(process: u32) -> bool {
    fs::read_link(format!("/proc/{process}/exe")).is_ok()
}

/// Returns whether a process waits in the kernel and has used no CPU time for some milliseconds.
fn rests(process: u32) -> bool {
    let look = || {
        let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        // The name in brackets before the state may contain anything.
        let is_asleep = stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('S'));
        let used = fs::read_to_string(format!("/proc/{process}/schedstat")).ok()?;
        is_asleep.then_some(used)
    };
    let before = look();
    std::thread::sleep(Duration::from_millis(5));
    before.is_some() && before == look()
}

/// Returns whether the counted program itself asked for this dump.
fn is_asked_for(dump: &Path) -> bool {
    let mut head = String::new();
    let read = File::open(dump).and_then(|file| file.take(4096).read_to_string(&mut head));
    read.is_ok() && head.contains("Trigger: Client Request: ")
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Creates a folder like callgrind's, in which this process has pipes, and a vgdb that is a script.
    fn splitter(folder: &Path, script: &str) -> Splitter {
        let pipes = folder.join("pipes");
        fs::create_dir(&pipes).unwrap();
        fs::write(pipes.join(format!("p-from-vgdb-to-{}-by-x", std::process::id())), "").unwrap();
        fs::write(pipes.join("p-from-vgdb-to-4294967294-by-x"), "").unwrap();
        let vgdb = folder.join("vgdb");
        let mut shell = Command::new("sh");
        shell.args(["-c", "printf '#!/bin/sh\n%s\n' \"$1\" > \"$0\" && chmod +x \"$0\""]);
        assert!(shell.arg(&vgdb).arg(script).status().unwrap().success());
        let counts = folder.join("counts");
        fs::create_dir(&counts).unwrap();
        Splitter::new(Dumps { vgdb, folder: counts, pipes: pipes.join("p") })
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn dumps_of_the_living_and_of_the_ended_belong_to_the_phase() {
        let folder = tempfile::tempdir().unwrap();
        let counts = folder.path().join("counts");
        let script = format!(
            "echo \"$@\" >> {0}/said; echo dump > {0}/counts/out.1.1",
            folder.path().display()
        );
        let mut splitter = splitter(folder.path(), &script);
        fs::write(counts.join("out.1"), "").unwrap();
        fs::write(counts.join("out.2"), "ended").unwrap();
        let mut command = Command::new("sleep").arg("600").spawn().unwrap();
        splitter.border(Some(Phase::Load), command.id()).unwrap();
        command.kill().unwrap();
        command.wait().unwrap();
        assert_eq!(names(&counts.join("load")), ["out.1.1", "out.2"]);
        fs::write(counts.join("out.1"), "the last").unwrap();
        splitter.assign(None).unwrap();
        assert_eq!(names(&counts.join("none")), ["out.1"]);
        // Only the living process was asked.
        let said = fs::read_to_string(folder.path().join("said")).unwrap();
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(said.contains(&format!("--pid={} --max-invoke-ms=1 dump", std::process::id())));
    }

    #[test]
    fn a_command_that_asks_for_its_dumps_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let mut splitter = splitter(folder.path(), "exit 1");
        let mut command = Command::new("sleep").arg("600").spawn().unwrap();
        let refused = splitter.border(Some(Phase::Load), command.id()).unwrap_err();
        assert!(refused.contains("vgdb cannot have process"), "{refused}");
        let own = "desc: Trigger: Client Request: load\n";
        fs::write(folder.path().join("counts/out.1.1"), own).unwrap();
        splitter.border(Some(Phase::Load), command.id()).unwrap();
        splitter.border(Some(Phase::Unload), command.id()).unwrap();
        command.kill().unwrap();
        command.wait().unwrap();
    }

    #[test]
    fn a_process_rests_when_it_waits() {
        let mut waiting = Command::new("sleep").arg("600").spawn().unwrap();
        let mut working = Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
        while !rests(waiting.id()) {}
        assert!(!rests(working.id()));
        for child in [&mut waiting, &mut working] {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        assert!(!rests(waiting.id()));
    }

    #[test]
    fn what_does_not_end_is_ended() {
        let mut child = Command::new("sleep").arg("600").spawn().unwrap();
        assert!(!ends_well(&mut child, Duration::ZERO).unwrap());
        let mut child = Command::new("true").spawn().unwrap();
        assert!(ends_well(&mut child, Duration::from_secs(600)).unwrap());
    }
}
