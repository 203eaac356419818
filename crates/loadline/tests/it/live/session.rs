//! Whole sessions with real child processes, on a scenario that is measured in seconds.
//!
//! Only exact counts and made-up times are judged here, so each session has one right outcome.

// Signals, scripts and mounts.
#![cfg(unix)]
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::common::imposter::Imposter;
use crate::common::made::{Cost, baseline};
use crate::common::{Project, Said, TINY};
use serde_json::Value;

/// Sessions take turns: two at once would disturb each other's times.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The file with the runs of the session that printed `said`.
fn runs(project: &Project, said: &Said) -> PathBuf {
    let line = said.stdout.lines().find_map(|line| line.split_once("samples: "));
    let (_, path) = line.unwrap_or_else(|| panic!("no samples in {}{}", said.stdout, said.stderr));
    project.root().join(path.strip_prefix("ROOT/").unwrap())
}

fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.ends_with('\n'), "the last line is torn");
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The row of a report's table that is about `series`.
fn row<'a>(said: &'a Said, series: &str) -> &'a str {
    let row = said.stdout.lines().find(|line| line.contains(series) && line.starts_with(" tiny"));
    row.unwrap_or_else(|| panic!("no row on {series} in {}{}", said.stdout, said.stderr))
}

#[test]
fn a_session_is_saved_run_by_run_and_can_be_judged_again() {
    let _turn = alone();
    let project = Project::new();
    let said = project.run(&["regress", "-v", "--budget", "0"]);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);

    let path = runs(&project, &said);
    let header = fs::read_to_string(path.with_file_name("session.json")).unwrap();
    let header: Value = serde_json::from_str(&header).unwrap();
    let mut planned = BTreeMap::new();
    for scenario in header["scenarios"].as_array().unwrap() {
        let title = scenario["scenario"].as_str().unwrap().to_owned();
        let sizes = scenario["sizes"].as_array().unwrap().len() as u64;
        planned.insert(title, sizes * scenario["repetitions"].as_u64().unwrap());
    }
    // No time is judged, so no time is checked either.
    let expected =
        [("self-check-pages-linear", 21), ("self-check-pages-quadratic", 21), ("tiny", 15)];
    assert_eq!(planned, expected.map(|(title, runs)| (title.to_owned(), runs)).into());
    let mut found = BTreeMap::new();
    for run in lines(&path) {
        let title = run["scenario"].as_str().unwrap().to_owned();
        let finished = &run["outcome"]["finished"];
        assert!(finished.is_object(), "{run}");
        if title == "tiny" {
            assert_eq!(finished["proof"]["loaded"], run["modules"], "{run}");
            assert_eq!(finished["proof"]["released"], run["modules"], "{run}");
        }
        *found.entry(title).or_insert(0) += 1;
    }
    assert_eq!(found, planned);

    let again = project.run(&["report", "-v", path.to_str().unwrap()]);
    assert_eq!((again.stdout, again.code), (said.stdout, said.code));
}

/// What is judged can be asked otherwise than the file has it: then it is so of what is measured
/// next to it, too, and when the session is read again.
#[test]
fn what_was_set_is_set_for_the_control_and_when_read_again() {
    let _turn = alone();
    let project = Project::new();
    let control = "control = { set = { tables = \"strip\" } }\n";
    project.write("xtask/scenarios/tiny.toml", format!("{TINY}{control}"));
    let judge = "judge=[\"total/unwind-tables-registered\"]";
    let set = ["--set", judge, "--set", "observe=[\"load/wall-time\"]"];
    let asked = [
        &["regress", "-v", "--budget", "0", "--format", "json", "--output", "report.json"],
        &set[..],
    ]
    .concat();
    let said = project.run(&asked);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    let report: Value = serde_json::from_str(&project.read("report.json")).unwrap();
    let mut found = Vec::new();
    for scenario in report["scenarios"].as_array().unwrap() {
        for series in scenario["series"].as_array().unwrap() {
            found.push(
                [&scenario["full_name"], &series["name"]].map(|t| t.as_str().unwrap().to_owned()),
            );
        }
    }
    let both = ["total/unwind-tables-registered", "load/wall-time"];
    let expected = ["tiny", "tiny:tables=strip"].map(|title| both.map(|series| [title, series]));
    assert_eq!(found, expected.concat());

    let path = runs(&project, &said);
    let again = project.run(&["report", "-v", path.to_str().unwrap()]);
    assert_eq!((again.stdout, again.code), (said.stdout, said.code));
    // What was edited since is found; what was set is no edit.
    let header = path.with_file_name("session.json");
    let mut unfinished: Value =
        serde_json::from_str(&fs::read_to_string(&header).unwrap()).unwrap();
    unfinished["finished"] = Value::Null;
    fs::write(&header, unfinished.to_string()).unwrap();
    let resumed = project.run(&["regress", "-v", "--resume"]);
    assert_eq!(resumed.code, Some(0), "{}", resumed.stderr);
    assert!(resumed.stderr.contains(" 0 left"), "{}", resumed.stderr);
}

#[test]
fn a_baseline_is_written_once_and_then_judged_by() {
    let _turn = alone();
    let project = Project::new();
    let before = project.run(&["regress", "-v", "--budget", "0", "--require-baseline"]);
    assert_eq!(before.code, Some(5), "{}{}", before.stdout, before.stderr);
    assert!(!project.path("baselines").exists(), "regress has written a baseline");

    let said = project.run(&["baseline", "tiny", "--reason", "first capture"]);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    let written = project.read("baselines/tiny.toml");
    let (accepted, baseline) = the_baseline(&project);
    assert_eq!(accepted, [1, 2, 4, 8, 16]);
    assert_eq!(baseline["reason"].as_str(), Some("first capture"));
    for series in baseline["series"].as_array().unwrap() {
        let sizes = series["samples"].as_array().unwrap();
        let readings = |size: &toml::Value| size.as_array().unwrap().len() - 1;
        assert!(sizes.len() >= 5 && sizes.iter().all(|size| readings(size) == 30), "{series}");
    }

    let after = project.run(&["regress", "-v", "--budget", "0", "--require-baseline"]);
    assert_eq!(after.code, Some(0), "{}{}", after.stdout, after.stderr);
    let calls = row(&after, "load/unwind-tables-registered");
    assert!(calls.ends_with("pass") && !calls.contains('–'), "{calls}");
    assert_eq!(project.read("baselines/tiny.toml"), written, "regress has changed the baseline");
    let listed = project.run(&["list", "tiny"]);
    assert!(listed.stdout.contains("fits (first capture)"), "{}", listed.stdout);

    #[cfg(target_os = "linux")]
    a_full_disk_leaves_the_baseline_as_it_was(&project);
}

/// The sizes and the whole of the only baseline of `tiny`.
fn the_baseline(project: &Project) -> (Vec<i64>, toml::Table) {
    let table: toml::Table = project.read("baselines/tiny.toml").parse().unwrap();
    let [baseline] = &table["baseline"].as_array().unwrap()[..] else { panic!("{table}") };
    let baseline = baseline.as_table().unwrap().clone();
    let sizes = baseline["sizes"].as_array().unwrap().iter().map(|n| n.as_integer().unwrap());
    (sizes.collect(), baseline)
}

/// The smallest size of a baseline costs at least 20 times what an empty phase reads, and a session is
/// measured at the sizes of its baseline.
#[test]
fn sizes_that_drown_in_the_noise_floor_are_left_out_of_a_baseline() {
    let _turn = alone();
    let timed = TINY
        .replace("\"unload/unwind-tables-deregistered\"", "\"unload/task-clock\"")
        .replace("observe = [\"unload/task-clock\"]", "observe = []")
        .replace("[1, 2, 4, 8, 16]", "[1, 2, 4, 8, 16, 32, 64]");
    // An empty phase takes 500 ns; 20 times as much is more than 2 modules cost, and less than 4.
    let imposter = Imposter::with_clock(&timed, "4000 * n");
    let said = imposter.run(&["baseline", "tiny", "--reason", "first capture"]);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    let floor = "noise floor: an empty phase reads at most task-clock 500 ns";
    assert!(said.stderr.contains(floor), "{}", said.stderr);
    let left_out =
        "N below 4 left out: unload/task-clock is less than 20 times the noise floor of 500 ns";
    assert!(said.stderr.contains(left_out), "{}", said.stderr);
    let (accepted, _) = the_baseline(&imposter.project);
    assert_eq!(accepted, [4, 8, 16, 32, 64]);

    let after = imposter.run(&["regress", "-v", "--budget", "0", "--require-baseline"]);
    assert_eq!(after.code, Some(0), "{}{}", after.stdout, after.stderr);
    let header = runs(&imposter.project, &after).with_file_name("session.json");
    let header: Value = serde_json::from_str(&fs::read_to_string(header).unwrap()).unwrap();
    let planned = header["scenarios"].as_array().unwrap();
    let tiny = planned.iter().find(|planned| planned["scenario"] == "tiny").unwrap();
    assert_eq!(tiny["sizes"], serde_json::json!(accepted), "not at the baseline's sizes");
}

/// Where the new file has no room, the old one stays, and nothing half-written next to it.
#[cfg(target_os = "linux")]
fn a_full_disk_leaves_the_baseline_as_it_was(project: &Project) {
    project.write("accepted.toml", project.read("baselines/tiny.toml"));
    let script = "mount -t tmpfs -o size=16k none baselines || exit 99
        cp accepted.toml baselines/tiny.toml && cat /dev/zero > baselines/filler 2> /dev/null
        $xtask baseline --reason again --root .; code=$?
        cmp accepted.toml baselines/tiny.toml && ls -A baselines >&2; exit $code";
    let Some(flags) = mounting() else { return };
    let said = with_mounts(project, flags, script);
    assert_eq!(said.code, Some(1), "{}{}", said.stdout, said.stderr);
    let (_, error) = said.stderr.split_once("error: ").unwrap();
    let is_clear = error.starts_with("cannot write ") && error.contains("No space left on device");
    assert!(is_clear, "{error}");
    assert!(error.ends_with("\nfiller\ntiny.toml\n"), "{error}");
}

#[test]
fn a_runner_that_cannot_be_trusted_fails_its_scenario_and_no_other() {
    let _turn = alone();
    let scenario = TINY.replace("repetitions = 3", "repetitions = 1\ntimeout_seconds = 20");
    let imposter = Imposter::new(
        &scenario,
        &[
            (1, "echo out of memory >&2; exit 3"),
            (2, "echo Hello; exit"),
            (4, "printf '%s' \"$request\" | $real | sed 's/\"loaded\":4/\"loaded\":3/'; exit"),
            (8, "exec sleep 600"),
            (16, "printf '%s' \"$request\" | $real | grep -v done; exit"),
        ],
    );
    let said = imposter.run(&["regress", "-v", "--budget", "0"]);
    assert_eq!(said.code, Some(1), "{}{}", said.stdout, said.stderr);
    let failures = said.stdout.lines().filter(|line| line.starts_with("failed: tiny: "));
    let mut failures: Vec<&str> = failures.collect();
    failures.sort_unstable();
    expect_test::expect![[r#"
        failed: tiny: N = 1, repetition 1: the runner ended early (exit status: 3): out of memory
        failed: tiny: N = 16, repetition 1: the runner ended early (exit status: 0) without a message
        failed: tiny: N = 2, repetition 1: the runner's answer is not a message: "Hello"
        failed: tiny: N = 4, repetition 1: the run did not do the requested work: loaded 3 times instead of 4
        failed: tiny: N = 8, repetition 1: ended after 20 s (timeout_seconds in the scenario sets the limit)"#]].assert_eq(&failures.join("\n"));
    assert!(row(&said, "unload/unwind-tables-deregistered").ends_with("FAILED"), "{}", said.stdout);
    let records = lines(&runs(&imposter.project, &said));
    let failed = |run: &&Value| run["outcome"]["failed"].is_object();
    let failed: Vec<&Value> = records.iter().filter(failed).collect();
    assert!(failed.len() == 5 && failed.iter().all(|run| run["scenario"] == "tiny"), "{failed:?}");
    assert_no_process_in(&imposter.project.root());
}

/// The processes that began in `folder`: `regress` and everything it started.
fn processes_in(folder: &Path) -> Vec<String> {
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let lives_there = |process: &PathBuf| {
        fs::read_link(process.join("cwd")).is_ok_and(|place| place == folder)
            // An ended process has a folder until its parent has waited for it.
            && fs::read_link(process.join("exe")).is_ok()
    };
    let processes = processes.filter_map(|entry| Some(entry.ok()?.path())).filter(lives_there);
    processes.map(|process| process.display().to_string()).collect()
}

fn assert_no_process_in(folder: &Path) {
    if !Path::new("/proc/self/cwd").exists() {
        loadline_testing::skip!("without /proc, the remaining processes are unknown");
    }
    assert_eq!(processes_in(folder), Vec::<String>::new());
}

/// A long `regress`, and the file that its runs are saved in, when there are some.
fn begin(project: &Project) -> (Child, PathBuf) {
    let mut command = project.xtask(&["regress", "-v", "--set", "repetitions=100"]);
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    loop {
        let sessions = fs::read_dir(project.path("target/regress")).into_iter().flatten();
        let runs = sessions.filter_map(|entry| Some(entry.ok()?.path().join("runs.jsonl")));
        let has_some = |path: &PathBuf| fs::read(path).is_ok_and(|text| text.len() > 2000);
        if let Some(path) = runs.into_iter().find(has_some) {
            return (child, path);
        }
        assert!(child.try_wait().unwrap().is_none(), "regress has ended by itself");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn signal(child: &Child, signal: &str) {
    let sent = Command::new("kill").arg(signal).arg(child.id().to_string()).status();
    assert!(sent.unwrap().success());
}

#[test]
fn an_interrupted_session_leaves_whole_runs_and_nothing_else() {
    let _turn = alone();
    let project = Project::new();
    let calls = ("load/unwind-tables-registered", Cost::linear(1.0, 0.0));
    let accepted = baseline(&crate::common::made::environment(), &[calls]);
    for name in ["-INT", "-TERM"] {
        project.write("baselines/tiny.toml", &accepted);
        let (child, path) = begin(&project);
        assert!(!processes_in(&project.root()).is_empty() || !Path::new("/proc/self/cwd").exists());
        signal(&child, name);
        let said = project.said(child.wait_with_output().unwrap());
        assert_eq!((said.code, said.stdout.as_str()), (Some(130), ""), "{}", said.stderr);
        assert!(said.stderr.ends_with("error: interrupted\n"), "{}", said.stderr);
        assert_no_process_in(&project.root());
        assert_eq!(project.read("baselines/tiny.toml"), accepted);
        assert!(lines(&path).iter().all(|run| run["outcome"]["finished"].is_object()));

        // What was measured is not lost, nor taken for the whole.
        let again = project.run(&["report", "-v", path.to_str().unwrap()]);
        assert_eq!(again.code, Some(1), "{}{}", again.stdout, again.stderr);
        assert!(again.stdout.contains(" runs were measured"), "{}", again.stdout);
        fs::remove_dir_all(project.path("target/regress")).unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_killed_session_takes_its_runner_along() {
    let _turn = alone();
    let project = Project::new();
    let (mut child, _) = begin(&project);
    signal(&child, "-KILL");
    child.wait().unwrap();
    // The kernel ends the runner after that; when is its own business.
    let is_over = || processes_in(&project.root()).is_empty();
    let waited = (0..6000).find(|_| {
        std::thread::sleep(Duration::from_millis(5));
        is_over()
    });
    assert!(waited.is_some(), "left alone: {:?}", processes_in(&project.root()));
}

#[cfg(target_os = "linux")]
#[test]
fn the_unwinder_asked_for_is_the_one_measured() {
    let _turn = alone();
    let project = Project::new();
    let library = "xtask/scenarios/tiny.toml";
    let said = project.run(&["regress", "-v", "--unwinder", library]);
    assert_eq!(said.code, Some(2), "{}{}", said.stdout, said.stderr);
    assert!(said.stderr.contains("cannot use unwinder "), "{}", said.stderr);

    let versions = (10..30).map(|n| format!("/usr/lib/llvm-{n}/lib/libunwind.so.1"));
    let Some(library) = versions.into_iter().find(|path| Path::new(path).exists()) else {
        loadline_testing::skip!("LLVM's libunwind is not installed");
        return;
    };
    let said = project.run(&["regress", "-v", "--budget", "0", "--unwinder", &library]);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains(", llvm "), "{}", said.stdout);
}

/// The flags of `unshare` with which this user can mount a folder for itself alone.
#[cfg(target_os = "linux")]
fn mounting() -> Option<&'static [&'static str]> {
    let may = |flags: &&&[&str]| {
        let mut probe = Command::new("unshare");
        let probe = probe.args(**flags).args(["mount", "-t", "tmpfs", "none", "/mnt"]);
        probe.output().is_ok_and(|output| output.status.success())
    };
    const FLAGS: [&[&str]; 2] = [&["--mount"], &["--map-root-user", "--mount"]];
    let flags = FLAGS.iter().find(may).copied();
    if flags.is_none() {
        loadline_testing::skip!("this user may not mount a small file system");
    }
    flags
}

/// Runs `script` in the project's folder with mounts of its own; `$xtask` is the program.
#[cfg(target_os = "linux")]
fn with_mounts(project: &Project, flags: &[&str], script: &str) -> Said {
    // For the environment that the program is to have, whatever it is asked.
    let template = project.xtask(&["judge"]);
    let mut command = Command::new("unshare");
    command.args(flags).args(["sh", "-c", script]).current_dir(project.root());
    command.env("xtask", env!("CARGO_BIN_EXE_loadline"));
    for (name, value) in template.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    project.said(command.output().unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_ends_a_session_and_keeps_what_is_saved() {
    let _turn = alone();
    let project = Project::new();
    project.write("target/regress/.keep", "");
    // Room for the plan and some of the hundreds of runs.
    let script = "mount -t tmpfs -o size=64k none target/regress || exit 99
        $xtask regress --budget 0 --set repetitions=50 --root .; code=$?
        cat target/regress/*/runs.jsonl >&2; exit $code";
    let Some(flags) = mounting() else { return };
    let said = with_mounts(&project, flags, script);
    assert_eq!(said.code, Some(1), "{}{}", said.stdout, said.stderr);
    let (messages, saved) = said.stderr.split_once("error: ").unwrap();
    let (error, saved) = saved.split_once('\n').unwrap();
    assert!(error.starts_with("cannot save a run in "), "{messages}{error}");
    assert!(error.ends_with("No space left on device (os error 28)"), "{messages}{error}");
    // The last one is torn; what is before it is whole.
    let whole = saved.lines().rev().skip(1).map(serde_json::from_str::<Value>);
    assert!(whole.clone().count() > 3 && whole.into_iter().all(|line| line.is_ok()), "{saved}");
}

/// What surrounds a measured process is fixed and recorded.
#[test]
fn the_measured_process_is_isolated_and_the_session_says_how() {
    let _alone = alone();
    let project = Project::new();
    let mut command = project.xtask(&["regress", "-v", "tiny", "--processors", "0"]);
    let said = project.said(command.env("LOADLINE_OF_THE_CALLER", "1").output().unwrap());
    if said.stderr.contains("offered on Linux only") {
        loadline_testing::skip!("processors can be chosen on Linux only");
        return;
    }
    let header = runs(&project, &said).with_file_name("session.json");
    let header: Value = serde_json::from_str(&fs::read_to_string(header).unwrap()).unwrap();
    let environment = &header["environment"];
    assert_eq!(environment["affinity"], "0");
    assert_eq!(environment["allocator"], "glibc.malloc.mxfast=0");
    let started_with = environment["started_with"].as_str().unwrap();
    assert_eq!(started_with, "arguments: loadline-runner; environment: GLIBC_TUNABLES");

    let refused = project.run(&["regress", "-v", "tiny", "--processors", "1000000"]);
    assert_eq!(refused.code, Some(2), "{}", refused.refusal());
    assert!(refused.stderr.contains("cannot use --processors"), "{}", refused.stderr);
}

/// A runner named in the environment that cannot be used is an error before anything is measured.
#[test]
fn a_runner_that_is_named_has_to_be_there_and_of_this_version() {
    let project = Project::new();
    let list = |runner: &str| {
        let mut command = project.xtask(&["regress", "-v", "tiny"]);
        project.said(command.env("LOADLINE_RUNNER", project.path(runner)).output().unwrap())
    };
    let missing = list("nowhere");
    assert_eq!(missing.code, Some(2), "{}", missing.stderr);
    assert!(missing.stderr.contains("LOADLINE_RUNNER names "), "{}", missing.stderr);
    // It says what the real one says, under another version.
    let real = Path::new(env!("CARGO_BIN_EXE_loadline")).with_file_name("loadline-runner");
    let version = env!("CARGO_PKG_VERSION");
    let script = format!(
        "#!/bin/sh\n{} | sed 's/\"loadline\":\"{version}\"/\"loadline\":\"0.0.1\"/'\n",
        real.display()
    );
    project.script("old", &script);
    let old = list("old");
    assert_eq!(old.code, Some(1), "{}", old.stderr);
    assert!(old.stderr.contains("has version 0.0.1, and this program "), "{}", old.stderr);
}
