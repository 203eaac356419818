//! Two sessions at once on one machine.

#![cfg(unix)]
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::process::Command;

use crate::durable::{Project, alone, said};

#[test]
fn the_second_session_waits_or_refuses_and_the_lock_ends_with_its_holder() {
    let _turn = alone();
    let project = Project::new();
    let mut first = project.begin(&["regress", "--set", "repetitions=100"]);
    project.wait_for_runs(&mut first, 1);

    let refused = project.run(&["regress", "--no-wait"]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    let holder = format!("(process {}, since 2", first.id());
    let text = "error: another session measures on this machine ";
    assert!(refused.stderr.starts_with(&format!("{text}{holder}")), "{}", refused.stderr);
    let refused = project.run(&["baseline", "--reason", "?", "--no-wait"]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    let refused = project.run(&["regress", "--resume", "--no-wait"]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);

    let mut second = project.begin(&["regress", "--budget", "0"]);
    let mut line = String::new();
    let mut stderr = BufReader::new(second.stderr.take().unwrap());
    stderr.read_line(&mut line).unwrap();
    let waits = "waiting for another session on this machine to end ";
    assert!(line.starts_with(&format!("{waits}{holder}")), "{line}");
    // A session that waits can still be interrupted.
    let interrupted = Command::new("kill").arg("-INT").arg(second.id().to_string()).status();
    assert!(interrupted.unwrap().success());
    assert_eq!(said(second).code, Some(130));

    let second = project.begin(&["regress", "--budget", "0"]);
    first.kill().unwrap();
    first.wait().unwrap();
    let second = said(second);
    assert_eq!(second.code, Some(0), "{}{}", second.stdout, second.stderr);
    project.assert_nothing_is_left();
}

#[test]
fn a_machine_without_a_place_for_the_lock_measures_all_the_same() {
    let _turn = alone();
    let project = Project::new();
    fs::create_dir(project.lock()).unwrap();
    let ended = project.run(&["regress", "one", "--budget", "0"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.starts_with("notice: cannot lock "), "{}", ended.stderr);
}

#[test]
fn a_lock_of_another_user_holds_as_well() {
    let _turn = alone();
    let project = Project::new();
    fs::write(project.lock(), "").unwrap();
    let mut permissions = fs::metadata(project.lock()).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(project.lock(), permissions).unwrap();
    let file = File::open(project.lock()).unwrap();
    file.lock().unwrap();
    let refused = project.run(&["regress", "--no-wait"]);
    assert_eq!(refused.code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("(its process is unknown)"), "{}", refused.stderr);
}
