//! Whole sessions with real child processes, on a scenario that is measured in seconds.
//!
//! Verdicts on times follow the machine, so nothing here depends on them; whether a session sees is
//! its own to say.

// Signals, scripts and mounts.
#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use common::made::{Cost, baseline};
use common::{Project, Said, TINY};
use serde_json::Value;

/// Sessions take turns: two at once would disturb each other's times.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

const BLIND: Option<i32> = Some(6);

/// Runs `session` as often as it takes to be believed; a machine too busy for that gets no test.
fn until_it_sees(session: impl Fn() -> Said) -> Option<Said> {
    let said = (0..3).map(|_| session()).find(|said| said.code != BLIND);
    if said.is_none() {
        println!("skipped: three sessions in a row were blind; the machine is too busy");
    }
    said
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
    let said = project.run(&["regress", "--budget", "0"]);
    assert!([Some(0), BLIND].contains(&said.code), "{}{}", said.stdout, said.stderr);

    let path = runs(&project, &said);
    let header = fs::read_to_string(path.with_file_name("session.json")).unwrap();
    let header: Value = serde_json::from_str(&header).unwrap();
    let mut planned = BTreeMap::new();
    for scenario in header["scenarios"].as_array().unwrap() {
        let title = scenario["scenario"].as_str().unwrap().to_owned();
        let rungs = scenario["ladder"].as_array().unwrap().len() as u64;
        planned.insert(title, rungs * scenario["processes"].as_u64().unwrap());
    }
    assert_eq!(planned["tiny"], 15);
    assert_eq!(planned["planted-cpu-linear"], 21);
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

    let again = project.run(&["report", path.to_str().unwrap()]);
    assert_eq!((again.stdout, again.code), (said.stdout, said.code));
}

/// What is judged can be asked otherwise than the file has it: then it is so of what is measured
/// beside it, too, and when the session is read again.
#[test]
fn what_was_set_is_set_for_the_control_and_when_read_again() {
    let _turn = alone();
    let project = Project::new();
    let control = "control = { set = { tables = \"strip\" } }\n";
    project.write("xtask/scenarios/tiny.toml", format!("{TINY}{control}"));
    let judge = "judge=[\"load/page-faults\"]";
    let set = ["--set", judge, "--set", "observe=[\"load/wall-time\"]"];
    let asked = [&["regress", "--budget", "0", "--report", "json=report.json"], &set[..]].concat();
    let said = project.run(&asked);
    assert!([Some(0), Some(3), BLIND].contains(&said.code), "{}{}", said.stdout, said.stderr);
    let report: Value = serde_json::from_str(&project.read("report.json")).unwrap();
    let mut found = Vec::new();
    for scenario in report["scenarios"].as_array().unwrap() {
        for series in scenario["series"].as_array().unwrap() {
            found.push(
                [&scenario["title"], &series["name"]].map(|t| t.as_str().unwrap().to_owned()),
            );
        }
    }
    let both = ["load/page-faults", "load/wall-time"];
    let expected = ["tiny", "tiny:tables=strip"].map(|title| both.map(|series| [title, series]));
    assert_eq!(found, expected.concat());

    let path = runs(&project, &said);
    let again = project.run(&["report", path.to_str().unwrap()]);
    assert_eq!((again.stdout, again.code), (said.stdout, said.code));
    // What was edited since is found; what was set is no edit.
    let header = path.with_file_name("session.json");
    let mut unfinished: Value =
        serde_json::from_str(&fs::read_to_string(&header).unwrap()).unwrap();
    unfinished["finished"] = Value::Null;
    fs::write(&header, unfinished.to_string()).unwrap();
    let resumed = project.run(&["regress", "--resume"]);
    assert_eq!(resumed.code, said.code, "{}", resumed.stderr);
    assert!(resumed.stderr.contains(" 0 are left"), "{}", resumed.stderr);
}

#[test]
fn a_baseline_is_written_once_and_then_judged_by() {
    let _turn = alone();
    let project = Project::new();
    // One module costs hardly more than nothing at all: the noise floor will be in the way.
    let wide = TINY.replace("[1, 2, 4, 8, 16]", "[1, 2, 4, 8, 16, 32, 64, 128]");
    project.write("xtask/scenarios/tiny.toml", wide);
    let before = project.run(&["regress", "--budget", "0", "--require-baseline"]);
    assert!([Some(5), BLIND].contains(&before.code), "{}{}", before.stdout, before.stderr);
    assert!(!project.path("baselines").exists(), "regress has written a baseline");

    let capture = || project.run(&["baseline", "tiny", "--reason", "first capture"]);
    let Some(said) = until_it_sees(capture) else { return };
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    let written = project.read("baselines/tiny.toml");
    let table: toml::Table = written.parse().unwrap();
    let baselines = table["baseline"].as_array().unwrap();
    assert_eq!(baselines.len(), 1, "{written}");
    assert_eq!(baselines[0]["reason"].as_str(), Some("first capture"));
    for series in baselines[0]["series"].as_array().unwrap() {
        let rungs = series["rounds"].as_array().unwrap();
        let readings = |rung: &toml::Value| rung.as_array().unwrap().len() - 1;
        let rounds = readings(&rungs[0]);
        let is_whole = |rung: &toml::Value| readings(rung) == rounds;
        assert!(rounds >= 30 && rungs.len() >= 5 && rungs.iter().all(is_whole), "{series}");
    }
    let ladder = baselines[0]["ladder"].as_array().unwrap();
    assert!(said.stderr.contains("noise floor: an empty phase reads"), "{}", said.stderr);
    assert!(ladder[0].as_integer() > Some(1), "{written}");
    assert!(said.stderr.contains("left out: unload/task-clock is less than"), "{}", said.stderr);
    assert_eq!(ladder.last().and_then(toml::Value::as_integer), Some(128));

    let after = project.run(&["regress", "--budget", "0", "--require-baseline"]);
    assert_ne!(after.code, Some(5), "{}{}", after.stdout, after.stderr);
    let header = runs(&project, &after).with_file_name("session.json");
    let header: Value = serde_json::from_str(&fs::read_to_string(header).unwrap()).unwrap();
    let planned = header["scenarios"].as_array().unwrap();
    let tiny = planned.iter().find(|planned| planned["scenario"] == "tiny").unwrap();
    let sizes = |list: Vec<Option<i64>>| list.into_iter().map(Option::unwrap).collect::<Vec<_>>();
    let measured = tiny["ladder"].as_array().unwrap().iter().map(Value::as_i64).collect();
    let accepted = ladder.iter().map(toml::Value::as_integer).collect();
    assert_eq!(sizes(measured), sizes(accepted), "not at the baseline's sizes");
    if after.code != BLIND {
        let calls = row(&after, "load/frames-registered");
        let is_compared = calls.ends_with("holds") && !calls.contains('–');
        assert!(is_compared || calls.contains("not judged"), "{calls}");
    }
    assert_eq!(project.read("baselines/tiny.toml"), written, "regress has changed the baseline");
    let listed = project.run(&["list"]);
    assert!(listed.stdout.contains("fits (first capture)"), "{}", listed.stdout);

    #[cfg(target_os = "linux")]
    a_full_disk_leaves_the_baseline_as_it_was(&project);
}

/// Where the new file has no room, the old one stays, and nothing half-written beside it.
#[cfg(target_os = "linux")]
fn a_full_disk_leaves_the_baseline_as_it_was(project: &Project) {
    project.write("accepted.toml", project.read("baselines/tiny.toml"));
    let script = "mount -t tmpfs -o size=16k none baselines || exit 99
        cp accepted.toml baselines/tiny.toml && cat /dev/zero > baselines/filler 2> /dev/null
        $xtask baseline --reason again --root .; code=$?
        cmp accepted.toml baselines/tiny.toml && ls -A baselines >&2; exit $code";
    let Some(flags) = mounting() else { return };
    let Some(said) = until_it_sees(|| with_mounts(project, flags, script)) else { return };
    assert_eq!(said.code, Some(1), "{}{}", said.stdout, said.stderr);
    let (_, error) = said.stderr.split_once("error: ").unwrap();
    let is_clear = error.starts_with("cannot write ") && error.contains("No space left on device");
    assert!(is_clear, "{error}");
    assert!(error.ends_with("\nfiller\ntiny.toml\n"), "{error}");
}

/// A program in the runner's place: the real one, but for runs of so many modules.
struct Imposter {
    project: Project,
    cargo: PathBuf,
}

impl Imposter {
    /// `deeds`: N, and what the shell does instead of measuring it. It finds the path of the real
    /// runner in `$real` and the request in `$request`.
    fn new(scenario: &str, deeds: &[(usize, &str)]) -> Imposter {
        let project = Project::empty();
        project.write("xtask/scenarios/tiny.toml", scenario);
        // Builds the real runner, beside this program.
        let listed = project.run(&["list"]);
        assert_eq!(listed.code, Some(0), "{}", listed.stderr);
        let real = Path::new(env!("CARGO_BIN_EXE_loadline")).with_file_name("loadline-runner");
        let real = real.display();
        let deeds = deeds.iter().map(|(n, deed)| format!("*'\"modules\":{n},'*) {deed} ;;\n"));
        let deeds: String = deeds.collect();
        let runner = format!(
            "#!/bin/sh\nreal={real}\nrequest=$(cat)\n\
             case \"$request\" in *'\"prepare\"'*) ;; *) case \"$request\" in\n{deeds}esac ;; esac\n\
             printf '%s' \"$request\" | exec $real\n"
        );
        project.script("runner", &runner);
        // What `cargo build --message-format json` says of a program.
        let path = project.path("runner");
        let built = serde_json::json!({
            "target": {"name": "loadline-runner"}, "executable": path,
        });
        project.script("cargo", &format!("#!/bin/sh\necho '{built}'\n"));
        Imposter { cargo: project.path("cargo"), project }
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let mut command = self.project.xtask(arguments);
        self.project.said(command.env("CARGO", &self.cargo).output().unwrap())
    }
}

#[test]
fn a_runner_that_cannot_be_trusted_fails_its_scenario_and_no_other() {
    let _turn = alone();
    let scenario = TINY.replace("processes = 3", "processes = 1\ntimeout_seconds = 2");
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
    let said = imposter.run(&["regress", "--budget", "0"]);
    assert_eq!(said.code, Some(1), "{}{}", said.stdout, said.stderr);
    let failures = said.stdout.lines().filter(|line| line.starts_with("failed: tiny: "));
    let mut failures: Vec<&str> = failures.collect();
    failures.sort_unstable();
    expect_test::expect![[r#"
        failed: tiny: N = 1, round 1: the runner ended early (exit status: 3): out of memory
        failed: tiny: N = 16, round 1: the runner ended early (exit status: 0) and said nothing
        failed: tiny: N = 2, round 1: the runner's answer is no message: "Hello"
        failed: tiny: N = 4, round 1: the run does not prove its work: loaded 3 times where 4 was asked
        failed: tiny: N = 8, round 1: ended after 2 s (timeout_seconds in the scenario sets the limit)"#]].assert_eq(&failures.join("\n"));
    assert!(row(&said, "unload/task-clock").ends_with("FAILED"), "{}", said.stdout);
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
            // The dead have a folder until somebody has asked for them.
            && fs::read_link(process.join("exe")).is_ok()
    };
    let processes = processes.filter_map(|entry| Some(entry.ok()?.path())).filter(lives_there);
    processes.map(|process| process.display().to_string()).collect()
}

fn assert_no_process_in(folder: &Path) {
    if !Path::new("/proc/self/cwd").exists() {
        println!("skipped: without /proc nobody can say which processes are left");
    }
    assert_eq!(processes_in(folder), Vec::<String>::new());
}

/// A long `regress`, and the file that its runs are saved in, when there are some.
fn begin(project: &Project) -> (Child, PathBuf) {
    let mut command = project.xtask(&["regress", "--set", "processes=100"]);
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
    let calls = ("load/frames-registered", Cost::linear(1.0, 0.0));
    let accepted = baseline(&common::made::environment(), &[calls]);
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
        let again = project.run(&["report", path.to_str().unwrap()]);
        assert_eq!(again.code, Some(1), "{}{}", again.stdout, again.stderr);
        assert!(again.stdout.contains(" runs were carried out"), "{}", again.stdout);
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
    let said = project.run(&["regress", "--unwinder", library]);
    assert_eq!(said.code, Some(2), "{}{}", said.stdout, said.stderr);
    assert!(said.stderr.contains("cannot use unwinder "), "{}", said.stderr);

    let versions = (10..30).map(|n| format!("/usr/lib/llvm-{n}/lib/libunwind.so.1"));
    let Some(library) = versions.into_iter().find(|path| Path::new(path).exists()) else {
        println!("skipped: LLVM's libunwind is not installed");
        return;
    };
    let said = project.run(&["regress", "--budget", "0", "--unwinder", &library]);
    assert!([Some(0), BLIND].contains(&said.code), "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.lines().next().unwrap().contains(", llvm "), "{}", said.stdout);
}

/// What `unshare` needs so that this user can mount what nobody else sees.
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
        println!("skipped: this user may not mount a small file system");
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
    // Room for what was planned and some runs, whichever come first; for all of them not by far.
    let script = "mount -t tmpfs -o size=32k none target/regress || exit 99
        $xtask regress --budget 0 --root .; code=$?
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
    let mut command = project.xtask(&["regress", "tiny", "--processors", "0"]);
    let said = project.said(command.env("LOADLINE_OF_THE_CALLER", "1").output().unwrap());
    if said.stderr.contains("offered on Linux only") {
        println!("skipped: processors can be chosen on Linux only");
        return;
    }
    let header = runs(&project, &said).with_file_name("session.json");
    let header: Value = serde_json::from_str(&fs::read_to_string(header).unwrap()).unwrap();
    let environment = &header["environment"];
    assert_eq!(environment["affinity"], "0");
    assert_eq!(environment["allocator"], "glibc.malloc.mxfast=0");
    let started_with = environment["started_with"].as_str().unwrap();
    assert_eq!(started_with, "arguments: loadline-runner; environment: GLIBC_TUNABLES");

    let refused = project.run(&["regress", "tiny", "--processors", "1000000"]);
    assert_eq!(refused.code, Some(2), "{}", refused.refusal());
    assert!(refused.stderr.contains("cannot use --processors"), "{}", refused.stderr);
}
