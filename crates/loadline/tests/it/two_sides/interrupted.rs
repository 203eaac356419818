//! Interruptions while the program builds or judges.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::intact::project;
use crate::common::Project;

fn signal(child: &std::process::Child) {
    let kill = Command::new("kill").arg("-INT").arg(child.id().to_string()).status();
    assert!(kill.unwrap().success());
}

#[test]
fn an_interrupt_ends_a_build_with_all_it_has_started() {
    let project = Project::empty();
    project.write("xtask/scenarios/host.toml", crate::common::HOST_SCENARIO);
    project.write("host.sh", crate::common::HOST.replace("STEPS", "$1"));
    let build = "sleep 600 & echo $! > sleeper; echo begun; wait";
    project.write("loadline.toml", format!("format = 1\nbuild = [\"sh\", \"-c\", \"{build}\"]\n"));
    let mut regress = project.xtask(&["regress"]);
    let mut child = regress.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    while lines.next().expect("the build begins").unwrap() != "begun" {}
    signal(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let sleeper = project.read("sleeper");
    let is_alive = || {
        let status = fs::read_to_string(format!("/proc/{}/status", sleeper.trim()));
        // An ended process has a folder until its parent has waited for it.
        status.is_ok_and(|status| !status.contains("State:\tZ"))
    };
    while is_alive() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// How often the thread that hears signals has waited for one, once it is waiting.
#[cfg(target_os = "linux")]
fn n_waits(child: &std::process::Child) -> Option<u64> {
    let tasks = fs::read_dir(format!("/proc/{}/task", child.id())).ok()?;
    let mut status = tasks.map(|task| fs::read_to_string(task.unwrap().path().join("status")));
    let status = status.find_map(|text| text.ok().filter(|text| text.contains("Name:\tctrl-c")))?;
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map(|value| value.trim().to_owned())
    };
    field("State:")?.starts_with('S').then(|| field("voluntary_ctxt_switches:")?.parse().ok())?
}

/// The verdict is there already, and has been printed; the report for a reader who takes his time is
/// still to be written.
#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_after_the_last_run_is_an_interrupt() {
    let project = Project::empty();
    project.write("xtask/scenarios/host.toml", crate::common::HOST_SCENARIO);
    project.write("host.sh", crate::common::HOST.replace("STEPS", "$1"));
    let pipe = project.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let arguments = [
        "regress",
        "--set",
        "repetitions=1",
        "--budget",
        "0",
        "--format",
        "json",
        "--output",
        "pipe",
    ];
    let mut regress = project.xtask(&arguments);
    let mut child = regress.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    while !lines.next().expect("a report is printed").unwrap().starts_with("next: ") {}
    let before = loop {
        if let Some(before) = n_waits(&child) {
            break before;
        }
    };
    signal(&child);
    // Until it was heard.
    while n_waits(&child).is_none_or(|now| now == before) {
        assert!(child.try_wait().unwrap().is_none(), "it has not waited for its reader");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let report: serde_json::Value = serde_json::from_slice(&fs::read(pipe).unwrap()).unwrap();
    assert_ne!(report["result"]["exit_code"], 130);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

/// Whatever the first one could not end.
#[test]
fn a_second_interrupt_exits_at_once() {
    let project = project();
    project.script("cargo", "#!/bin/sh\ntrap '' INT\necho $$ > \"$0.pid\"\nexec sleep 600\n");
    let mut regress = project.xtask(&["regress"]);
    regress.env("CARGO", project.path("cargo")).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = regress.spawn().unwrap();
    let pid = || fs::read_to_string(project.path("cargo.pid")).unwrap_or_default();
    while !pid().ends_with('\n') {
        assert!(child.try_wait().unwrap().is_none(), "cargo was not started");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    // Two that come at the same time are one to the system.
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        signal(&child);
        std::thread::sleep(std::time::Duration::from_millis(50));
    };
    assert_eq!(status.code(), Some(130));
    let kill = Command::new("kill").args(["-9", pid().trim()]).status();
    assert!(kill.unwrap().success());
}
