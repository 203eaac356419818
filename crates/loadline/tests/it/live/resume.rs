//! Sessions that are killed at random moments, and resumed.

#![cfg(unix)]
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::OnceLock;
use std::time::Duration;

use crate::durable::{Project, Said, alone, said, whole_lines};
use loadline_scenario::Random;
use serde_json::{Value, json};

/// Every planned run once. A failed run that was repeated counts as it ended.
fn assert_is_whole(session: &Path) {
    assert!(is_finished(session), "the session is not marked as finished");
    let header = header(session);
    let mut planned = BTreeSet::new();
    for scenario in header["scenarios"].as_array().unwrap() {
        for n in scenario["sizes"].as_array().unwrap() {
            for repetition in 0..scenario["repetitions"].as_u64().unwrap() {
                planned.insert(format!("{} {n} {repetition}", scenario["scenario"]));
            }
        }
    }
    let text = fs::read_to_string(session.join("runs.jsonl")).unwrap();
    assert!(text.ends_with('\n'), "the last line is torn");
    let runs = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let finished = runs.filter(|run| run["outcome"]["finished"].is_object());
    let places =
        finished.map(|run| format!("{} {} {}", run["scenario"], run["modules"], run["repetition"]));
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

/// The output of a session that is not disturbed.
fn undisturbed() -> Vec<String> {
    static VERDICTS: OnceLock<Vec<String>> = OnceLock::new();
    let measure = || Project::new().run(&["regress", "--budget", "0"]).verdicts();
    VERDICTS.get_or_init(measure).clone()
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
        assert!(matches!(ended.code, None | Some(0)), "{}{}", ended.stdout, ended.stderr);
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
    assert_eq!((last.code, last.verdicts()), (Some(0), expected), "{}", last.stdout);
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

/// A command of which some runs come to no end by themselves: those after the first repetition (a
/// session ends where all of that fails alike), up to the run `LAST`.
#[cfg(target_os = "linux")]
const WAITING: &str = r#"format = 2
question = "Is a run repeated whose runner was killed?"
expectation = "It is."
command = ["sh", "-c", "echo >> runs; run=$(wc -l < runs); [ $run -le 5 ] || [ $run -gt LAST ] || exec sleep 600; echo loadline:metric=steps:$0:count", "{n}"]
count_with = []
judge = ["run/reported"]
repetitions = 5
sizes = [1, 2, 4, 8, 16]
"#;

/// The process of the project that sleeps, once there is one.
#[cfg(target_os = "linux")]
fn sleeper(project: &Project, session: &mut Child) -> PathBuf {
    let is_sleeping = |process: &PathBuf| {
        fs::read_to_string(process.join("comm")).is_ok_and(|name| name == "sleep\n")
    };
    loop {
        if let Some(sleeper) = project.processes().into_iter().find(is_sleeping) {
            return sleeper;
        }
        assert!(session.try_wait().unwrap().is_none(), "the session has ended by itself");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Kills the runner whose command sleeps.
#[cfg(target_os = "linux")]
fn kill_a_runner(project: &Project, session: &mut Child) {
    let command = sleeper(project, session);
    let status = fs::read_to_string(command.join("status")).unwrap();
    let runner = status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim();
    assert!(Command::new("kill").args(["-KILL", runner]).status().unwrap().success());
    while project.processes().contains(&command) {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A session of which `kills` runners are killed, resumed.
#[cfg(target_os = "linux")]
fn kill_runners(kills: usize) {
    let waiting = |kills: usize| {
        let project = Project::new();
        let scenario = WAITING.replace("LAST", &(5 + kills).to_string());
        fs::write(project.path("xtask/scenarios/one.toml"), scenario).unwrap();
        project
    };
    let expected = waiting(0).run(&["regress", "--budget", "0"]);
    assert_eq!(expected.code, Some(0), "{}{}", expected.stdout, expected.stderr);

    let project = waiting(kills);
    let mut child = project.begin(&["regress", "--budget", "0"]);
    (0..kills).for_each(|_| kill_a_runner(&project, &mut child));
    let ended = said(child);
    assert_eq!(ended.code, Some(1), "{}{}", ended.stdout, ended.stderr);
    let session = project.session().unwrap();
    let failed = whole_lines(&session).iter().filter(|line| line.contains("signal 9")).count();
    assert_eq!(failed, kills);
    assert!(ended.stdout.contains("the runner ended early (signal 9)"), "{}", ended.stdout);
    let last = project.run(&["regress", "--resume"]);
    assert_is_whole(&session);
    assert_eq!((last.code, last.verdicts()), (Some(0), expected.verdicts()), "{}", last.stderr);
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
    assert_eq!(last.code, Some(0), "{}{}", last.stdout, last.stderr);
    let whole = whole_lines(&session);
    assert!(whole.starts_with(&kept));
    assert_is_whole(&session);
    let left = whole.len() - kept.len();
    let runs = if kept.len() == 1 { "run" } else { "runs" };
    let said = format!("{} {runs} kept, {left} left", kept.len());
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
    refused("the runner was built from other sources");
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
    refused(Value::Null, "it is not a session of regress");
    let build = json!({
        "name": "main (0123456789)", "argument": "--against main",
        "environment": environment, "absent": [],
    });
    refused(build, "it measured two builds, and the build of main (0123456789) no longer exists");
}

/// A command whose count is noise: 1, 3 or 8 times N. Each size is measured in the three planned repetitions,
/// and waits in the fourth until there is a file `go`.
#[cfg(target_os = "linux")]
const NOISY: &str = r#"
echo >> count-$1
repetition=$(wc -l < count-$1)
[ $repetition -le 3 ] || [ -e go ] || exec sleep 600
case $(((repetition * repetition + $1 / 3) % 3)) in 0) noise=1 ;; 1) noise=3 ;; 2) noise=8 ;; esac
echo loadline:metric=steps:$((noise * $1)):count
"#;

/// A session killed while it measures repetitions that were added goes on with as many.
#[cfg(target_os = "linux")]
#[test]
fn added_rounds_are_taken_up_too() {
    let _turn = alone();
    let project = Project::new();
    let scenario = WAITING.replace("repetitions = 5", "repetitions = 3");
    let command = scenario.lines().find(|line| line.starts_with("command")).unwrap();
    let scenario = scenario.replace(command, "command = [\"sh\", \"noisy.sh\", \"{n}\"]");
    fs::write(project.path("xtask/scenarios/one.toml"), scenario).unwrap();
    fs::write(project.path("noisy.sh"), NOISY).unwrap();
    let mut child = project.begin(&["regress", "one", "--budget", "3600"]);
    sleeper(&project, &mut child);
    child.kill().unwrap();
    let killed = said(child);
    assert!(killed.stderr.contains("not decided yet: "), "{}", killed.stderr);
    project.assert_nothing_is_left();
    let session = project.session().unwrap();
    let repetitions = || {
        let header = header(&session);
        let planned = header["scenarios"].as_array().unwrap();
        let one = planned.iter().find(|planned| planned["scenario"] == "one").unwrap();
        one["repetitions"].as_u64().unwrap()
    };
    assert_eq!(repetitions(), 6, "added repetitions are not saved before they are measured");

    fs::write(project.path("go"), "").unwrap();
    let last = project.run(&["regress", "--resume"]);
    assert_eq!(last.code, Some(0), "{}{}", last.stdout, last.stderr);
    assert!(last.verdicts()[0].contains("undecided"), "{}", last.stdout);
    assert_is_whole(&session);
    assert_eq!(repetitions(), 20, "{}", last.stderr);
}

/// What a command has started in the background ends with the session, too.
#[cfg(target_os = "linux")]
#[test]
fn a_killed_session_leaves_nothing_of_its_commands() {
    let _turn = alone();
    let project = Project::new();
    let scenario = "format = 2\nquestion = \"Does it end?\"\nexpectation = \"With us.\"\n\
        command = [\"sh\", \"-c\", \"sleep 600 & wait\", \"{n}\"]\n\
        count_with = []\njudge = [\"total/task-clock\"]\nrepetitions = 3\nsizes = [1, 2, 4, 8, 16]\n";
    fs::write(project.path("xtask/scenarios/one.toml"), scenario).unwrap();
    let mut child = project.begin(&["regress", "one", "--budget", "0"]);
    sleeper(&project, &mut child);
    child.kill().unwrap();
    child.wait().unwrap();
    project.assert_nothing_is_left();
}

/// A session of `baseline` is killed, then cannot be written, then is: measured once.
#[test]
#[ignore = "slow: thirty repetitions"]
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
        named.stderr.contains("a session of baseline (cargo xtask baseline --resume resumes it)"),
        "{}",
        named.stderr
    );

    // A folder that leads nowhere can be read, and takes a file as little as a full disk.
    let mut child = project.begin(&["baseline", "--resume"]);
    project.wait_for_runs(&mut child, kept.len() + 1);
    std::os::unix::fs::symlink("gone/nowhere", &baselines).unwrap();
    let full = said(child);
    assert_eq!(full.code, Some(1), "{}{}", full.stdout, full.stderr);
    let whole = whole_lines(&session);
    assert!(whole.starts_with(&kept), "a finished run is lost");
    fs::remove_file(&baselines).unwrap();

    let written = project.run(&["baseline", "--resume", "--reason", "a better reason"]);
    assert_eq!(written.code, Some(0), "{}{}", written.stdout, written.stderr);
    assert!(written.stderr.contains(" 0 left"), "{}", written.stderr);
    assert_eq!(whole_lines(&session), whole, "nothing was left to measure");
    assert_is_whole(&session);
    let text = fs::read_to_string(baselines.join("one.toml")).unwrap();
    assert!(text.contains("reason = \"a better reason\"") && text.contains("seed = 7"), "{text}");
    let again = project.run(&["baseline", "--resume"]);
    assert_eq!(again.code, Some(7), "{}", again.stderr);
}
