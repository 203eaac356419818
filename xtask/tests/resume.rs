//! Sessions that are killed at random moments, and taken up.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod durable;

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use durable::{BLIND, Project, Said, alone, said, whole_lines};
use loadline_scenario::Random;
use serde_json::{Value, json};

/// Every run that was planned, once; failed ones that were carried out anew, only as they ended.
fn assert_is_whole(session: &Path) {
    assert!(is_finished(session), "the session is not marked as finished");
    let header = header(session);
    let mut planned = BTreeSet::new();
    for scenario in header["scenarios"].as_array().unwrap() {
        for n in scenario["ladder"].as_array().unwrap() {
            for round in 0..scenario["processes"].as_u64().unwrap() {
                planned.insert(format!("{} {n} {round}", scenario["scenario"]));
            }
        }
    }
    let text = fs::read_to_string(session.join("runs.jsonl")).unwrap();
    assert!(text.ends_with('\n'), "the last line is torn");
    let runs = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let finished = runs.filter(|run| run["outcome"]["finished"].is_object());
    let places =
        finished.map(|run| format!("{} {} {}", run["scenario"], run["modules"], run["round"]));
    let mut places: Vec<String> = places.collect();
    places.sort();
    assert_eq!(places, planned.into_iter().collect::<Vec<_>>());
}

/// Whether every run is there and judged.
fn is_finished(session: &Path) -> bool {
    header(session)["finished"].is_number()
}

fn header(session: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(session.join("session.json")).unwrap()).unwrap()
}

/// Goes on with the session that was ended, or begins it where there is none yet.
fn next_step(project: &Project) -> &'static [&'static str] {
    match project.session() {
        Some(_) => &["regress", "--resume"],
        None => &["regress", "--budget", "0"],
    }
}

/// What a session says that nobody disturbs.
fn undisturbed() -> Vec<String> {
    static VERDICTS: OnceLock<Vec<String>> = OnceLock::new();
    let measure = || Project::new().run(&["regress", "--budget", "0"]).verdicts();
    // A blind session says nothing, and is followed by another.
    VERDICTS.get_or_init(|| std::iter::repeat_with(measure).flatten().next().unwrap()).clone()
}

/// Kills a session `kills` times, each after up to `longest`, and takes it up again until it ends.
fn kill_at_random_moments(kills: usize, longest: Duration) {
    let expected = undisturbed();
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut project = Project::new();
    let mut kept: Vec<String> = Vec::new();
    for _ in 0..kills {
        let mut child = project.begin(next_step(&project));
        let moment = Duration::from_millis(random.below(longest.as_millis() as u64));
        std::thread::sleep(moment);
        // It may have come to its end by itself.
        let _ = child.kill();
        let ended = said(child);
        assert!(matches!(ended.code, None | Some(0) | BLIND), "{}{}", ended.stdout, ended.stderr);
        project.assert_nothing_is_left();
        let Some(session) = project.session() else { continue };
        let found = whole_lines(&session);
        println!("killed after {moment:?} with {} runs", found.len());
        assert!(found.starts_with(&kept), "a finished run is lost");
        kept = found;
        // Killed between the last run and its exit, it has come to its end as well.
        if ended.code.is_some() || is_finished(&session) {
            assert_is_whole(&session);
            (project, kept) = (Project::new(), Vec::new());
        }
    }
    let last = project.run(next_step(&project));
    let session = project.session().unwrap();
    assert!(whole_lines(&session).starts_with(&kept), "a finished run is lost");
    assert_is_whole(&session);
    project.assert_nothing_is_left();
    assert!(last.code == BLIND || last.verdicts() == Some(expected), "{}", last.stdout);
}

#[test]
fn a_session_killed_a_few_times_ends_as_if_nothing_had_happened() {
    let _turn = alone();
    kill_at_random_moments(4, Duration::from_millis(2000));
}

#[test]
#[ignore = "slow: a session killed at twenty random moments"]
fn a_session_killed_twenty_times_ends_as_if_nothing_had_happened() {
    let _turn = alone();
    kill_at_random_moments(20, Duration::from_millis(2500));
}

/// Kills the runner that is measuring, if there is one; says whether.
fn kill_a_runner(project: &Project) -> bool {
    let is_runner = |process: &&std::path::PathBuf| {
        fs::read_link(process.join("exe")).is_ok_and(|exe| exe.ends_with("loadline-runner"))
    };
    let processes = project.processes();
    let Some(runner) = processes.iter().find(is_runner) else { return false };
    let pid = runner.file_name().unwrap();
    let kill = Command::new("kill").arg("-KILL").arg(pid).output();
    kill.unwrap().status.success()
}

/// A session of which `kills` runners are killed, taken up.
fn kill_runners(kills: usize) {
    let expected = undisturbed();
    let project = Project::new();
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut child = project.begin(&["regress", "--budget", "0"]);
    project.wait_for_runs(&mut child, 1);
    let mut killed = 0;
    while killed < kills && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(random.below(60)));
        killed += usize::from(kill_a_runner(&project));
    }
    let ended = said(child);
    let session = project.session().unwrap();
    let failed = whole_lines(&session).iter().filter(|line| line.contains("signal 9")).count();
    println!("{killed} runners were killed, {failed} runs have failed");
    if failed == 0 {
        println!("skipped: no runner was killed while it measured");
        return;
    }
    assert!([Some(1), BLIND].contains(&ended.code), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stdout.contains("the runner ended early (signal 9)"), "{}", ended.stdout);
    let last = project.run(&["regress", "--resume"]);
    assert_is_whole(&session);
    assert!(last.code == BLIND || last.verdicts() == Some(expected), "{}", last.stdout);
    let report = project.run(&["report", session.to_str().unwrap()]);
    assert_eq!(report.verdicts(), last.verdicts());
    let none = project.run(&["regress", "--resume"]);
    assert_eq!(none.code, Some(7), "{}{}", none.stdout, none.stderr);
    assert!(none.stderr.starts_with("error: there is no unfinished session of regress in "));
}

#[cfg(target_os = "linux")]
#[test]
fn runs_whose_runner_was_killed_are_carried_out_anew() {
    let _turn = alone();
    kill_runners(2);
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "slow: twenty runners killed"]
fn twenty_runs_whose_runner_was_killed_are_carried_out_anew() {
    let _turn = alone();
    kill_runners(20);
}

/// A session killed with a few runs saved.
fn killed() -> Project {
    let project = Project::new();
    let mut child = project.begin(&["regress", "--budget", "0"]);
    project.wait_for_runs(&mut child, 3);
    child.kill().unwrap();
    child.wait().unwrap();
    project.assert_nothing_is_left();
    project
}

#[test]
fn a_torn_last_line_is_measured_again() {
    let _turn = alone();
    let project = killed();
    let session = project.session().unwrap();
    let kept = whole_lines(&session);
    let runs = session.join("runs.jsonl");
    let mut file = fs::File::options().append(true).open(&runs).unwrap();
    file.write_all(b"{\"scenario\":\"one\",\"modu").unwrap();
    let last = project.run(&["regress", "--resume", session.to_str().unwrap()]);
    assert!([Some(0), BLIND].contains(&last.code), "{}{}", last.stdout, last.stderr);
    assert!(whole_lines(&session).starts_with(&kept));
    assert_is_whole(&session);
    let said = format!("{} runs are kept, {} are left", kept.len(), 135 - kept.len());
    assert!(last.stderr.contains(&said), "{said}: {}", last.stderr);
}

#[test]
fn runs_of_something_else_are_not_added() {
    let _turn = alone();
    let project = killed();
    let session = project.session().unwrap();
    let refused = |expected: &str| {
        let kept = fs::read(session.join("runs.jsonl")).unwrap();
        let Said { code, stderr, .. } = project.run(&["regress", "--resume"]);
        assert_eq!(code, Some(1), "{stderr}");
        assert!(stderr.contains(expected), "{expected}: {stderr}");
        assert_eq!(fs::read(session.join("runs.jsonl")).unwrap(), kept);
    };
    let header = session.join("session.json");
    let text = fs::read_to_string(&header).unwrap();
    let written: Value = serde_json::from_str(&text).unwrap();
    let differs = [
        ("kernel", "the kernel: Minix | "),
        ("unwinder_version", "the unwinder's version: Minix | "),
        ("wasmtime", "wasmtime: Minix | "),
    ];
    for (field, expected) in differs {
        let mut other = written.clone();
        other["environment"][field] = "Minix".into();
        fs::write(&header, other.to_string()).unwrap();
        refused(expected);
    }
    let mut other = written.clone();
    other["runner"] = "another".into();
    fs::write(&header, other.to_string()).unwrap();
    refused("the runner was built anew");
    fs::write(&header, &text).unwrap();

    let scenario = project.path("xtask/scenarios/two.toml");
    let asked = fs::read_to_string(&scenario).unwrap();
    fs::write(&scenario, asked.replace("functions = 2", "functions = 3")).unwrap();
    refused("the scenario two was edited");

    // What only `baseline` plans has no verdict to end with; another build is gone.
    let mut other = written;
    let environment = other["environment"].clone();
    other["asked"] = Value::Null;
    let mut refused = |against: Value, expected: &str| {
        other["against"] = against;
        fs::write(&header, other.to_string()).unwrap();
        let said = project.run(&["regress", "--resume", session.to_str().unwrap()]);
        assert_eq!(said.code, Some(2), "{}", said.stderr);
        assert!(said.stderr.contains(expected), "{}", said.stderr);
        let none = project.run(&["regress", "--resume"]);
        assert_eq!(none.code, Some(7), "{}", none.stderr);
    };
    refused(Value::Null, "it is no session of regress");
    let build = json!({
        "name": "main (0123456789)", "argument": "--against main",
        "environment": environment, "absent": [],
    });
    refused(build, "it measured two builds, and that of main (0123456789) is gone");
}

/// A session killed while it measures rounds that were added goes on with as many.
#[test]
#[ignore = "slow: measures until something stays undecided"]
fn added_rounds_are_taken_up_too() {
    let _turn = alone();
    let project = Project::new();
    // Times of so few modules are all noise: undecided for lack of rounds.
    let path = project.path("xtask/scenarios/one.toml");
    let one = fs::read_to_string(&path).unwrap();
    let time = "judge = [\"unload/task-clock\"]\ncontrol = { set = { tables = \"strip\" } }\n";
    let counts = one.lines().find(|line| line.starts_with("judge")).unwrap();
    fs::write(&path, one.replace(counts, time)).unwrap();
    let mut child = project.begin(&["regress", "one", "--budget", "600"]);
    let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
    if !stderr.any(|line| line.unwrap().starts_with("more rounds for ")) {
        child.wait().unwrap();
        println!("skipped: nothing stayed undecided");
        return;
    }
    let kept = whole_lines(&project.session().unwrap()).len();
    project.wait_for_runs(&mut child, kept + 2);
    child.kill().unwrap();
    child.wait().unwrap();
    project.assert_nothing_is_left();
    let session = project.session().unwrap();
    let rounds = |title: &str| {
        let header = header(&session);
        let planned = header["scenarios"].as_array().unwrap();
        let planned = planned.iter().find(|planned| planned["scenario"] == title).unwrap();
        planned["processes"].as_u64().unwrap()
    };
    let most = |rounds: &dyn Fn(&str) -> u64| {
        ["one", "planted-cpu-linear", "planted-pages-linear"].map(rounds).into_iter().max().unwrap()
    };
    assert_eq!(most(&rounds), 6, "added rounds are not saved before they are measured");
    let last = project.run(&["regress", "--resume"]);
    assert!([Some(0), Some(3), BLIND].contains(&last.code), "{}{}", last.stdout, last.stderr);
    assert_is_whole(&session);
    println!("ended with {} rounds", most(&rounds));
    assert!([6, 12, 20].contains(&most(&rounds)));
}

/// What a command has started in the background ends with the session, too.
#[cfg(target_os = "linux")]
#[test]
fn a_killed_session_leaves_nothing_of_its_commands() {
    let _turn = alone();
    let project = Project::new();
    let scenario = "format = 1\nquestion = \"Does it end?\"\nexpectation = \"With us.\"\n\
        command = [\"sh\", \"-c\", \"sleep 600 & wait\", \"{n}\"]\n\
        judge = [\"total/task-clock\"]\nprocesses = 3\nladder = [1, 2, 4, 8, 16]\n";
    fs::write(project.path("xtask/scenarios/one.toml"), scenario).unwrap();
    let mut child = project.begin(&["regress", "one", "--budget", "0"]);
    let is_sleeping = |process: &std::path::PathBuf| {
        fs::read_to_string(process.join("comm")).is_ok_and(|name| name == "sleep\n")
    };
    while !project.processes().iter().any(is_sleeping) {
        assert!(child.try_wait().unwrap().is_none(), "the session has ended by itself");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    project.assert_nothing_is_left();
}

/// A session of `baseline` is killed, then cannot be written, then is: measured once.
#[test]
#[ignore = "slow: thirty rounds"]
fn a_killed_baseline_is_measured_to_its_end_and_written() {
    let _turn = alone();
    let project = Project::new();
    let baselines = project.path("baselines");
    let mut child = project.begin(&["baseline", "one", "--reason", "first capture", "--seed", "7"]);
    project.wait_for_runs(&mut child, 100);
    child.kill().unwrap();
    said(child);
    project.assert_nothing_is_left();
    assert!(!baselines.exists(), "written before it was measured");
    let session = project.session().unwrap();
    let kept = whole_lines(&session);

    let other = project.run(&["regress", "--resume"]);
    assert_eq!(other.code, Some(7), "{}", other.stderr);
    assert!(other.stderr.contains("no unfinished session of regress"), "{}", other.stderr);
    let named = project.run(&["regress", "--resume", session.to_str().unwrap()]);
    assert_eq!(named.code, Some(2), "{}", named.stderr);
    assert!(
        named.stderr.contains("a session of baseline (cargo xtask baseline --resume takes it up)"),
        "{}",
        named.stderr
    );

    // A folder that leads nowhere can be read, and takes a file as little as a full disk.
    let mut child = project.begin(&["baseline", "--resume"]);
    project.wait_for_runs(&mut child, kept.len() + 1);
    std::os::unix::fs::symlink("gone/nowhere", &baselines).unwrap();
    let full = said(child);
    if full.code == BLIND {
        return println!("skipped: the session was blind");
    }
    assert_eq!(full.code, Some(1), "{}{}", full.stdout, full.stderr);
    let whole = whole_lines(&session);
    assert!(whole.starts_with(&kept), "a finished run is lost");
    fs::remove_file(&baselines).unwrap();

    let written = project.run(&["baseline", "--resume", "--reason", "a better reason"]);
    assert_eq!(written.code, Some(0), "{}{}", written.stdout, written.stderr);
    assert!(written.stderr.contains(" 0 are left"), "{}", written.stderr);
    assert_eq!(whole_lines(&session), whole, "nothing was left to measure");
    assert_is_whole(&session);
    let text = fs::read_to_string(baselines.join("one.toml")).unwrap();
    assert!(text.contains("reason = \"a better reason\"") && text.contains("seed = 7"), "{text}");
    let again = project.run(&["baseline", "--resume"]);
    assert_eq!(again.code, Some(7), "{}", again.stderr);
}
