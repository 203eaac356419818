//! The user's things stay as they are, and the user is told what is wrong: streams, files, sessions,
//! repositories. Nothing is measured here but where a test says so.

#![cfg(unix)]
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::common::made::{Cost, Made, baseline};
use crate::common::{Project, Said};

const SCENARIO: &str = r#"format = 2
question = "Is what cargo xtask bench does linear?"
expectation = "It is."
load_order = "unload-oldest-first"
count_with = []
judge = ["unload/unwind-tables-deregistered", "unload/task-clock"]
sizes = { from = 64, to = 4096, factor = 2 }
"#;

const CALLS: (&str, Cost) = ("unload/unwind-tables-deregistered", Cost::linear(1.0, 0.0));
const GROWN: (&str, Cost) = ("unload/unwind-tables-deregistered", Cost::quadratic(1.0, 0.8, 0.0));
const CLOCK: (&str, Cost) = ("unload/task-clock", Cost::linear(9_000.0, 0.01));

/// A project with the scenario `mine` and the session `session` of it, in which counts have grown.
pub fn project() -> Project {
    let project = Project::empty();
    project.write("xtask/scenarios/mine.toml", SCENARIO);
    let mut made = Made::new();
    made.scenario("mine", &[GROWN, CLOCK]);
    made.save(&project.path("session"));
    project
}

fn git(project: &Project, arguments: &[&str]) {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=n", "-c", "user.email=e", "-c", "init.defaultBranch=main"]);
    let output = git.args(arguments).current_dir(project.root()).output().unwrap();
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
}

/// A repository in which two commits have changed the baseline of `mine`.
fn repository() -> Project {
    let project = project();
    git(&project, &["init", "--quiet"]);
    for (factor, message) in [(1.0, "as it was"), (2.0, "caf\u{e9}")] {
        let calls = ("unload/unwind-tables-deregistered", Cost::linear(factor, 0.0));
        project
            .write("baselines/mine.toml", baseline(&crate::common::made::environment(), &[calls]));
        git(&project, &["add", "baselines"]);
        git(&project, &["commit", "--quiet", "--message", message]);
    }
    project
}

#[test]
fn streams_that_take_nothing_change_no_exit_code() {
    let project = project();
    let arguments: [&[&str]; 4] =
        [&["report", "session"], &["judge", "gone.csv"], &["history", "gone"], &["nonsense"]];
    for arguments in arguments {
        let code = project.run(arguments).code;
        assert!(matches!(code, Some(2 | 3)), "{arguments:?}: {code:?}");
        let full = || fs::File::options().write(true).open("/dev/full").unwrap();
        let closed = || std::io::pipe().unwrap().1;
        let streams: [[Stdio; 2]; 4] = [
            [full().into(), Stdio::piped()],
            [Stdio::piped(), full().into()],
            [closed().into(), closed().into()],
            [full().into(), full().into()],
        ];
        for [stdout, stderr] in streams {
            let mut command = project.xtask(arguments);
            let said = project.said(command.stdout(stdout).stderr(stderr).output().unwrap());
            assert_eq!(said.code, code, "{arguments:?}: {}", said.stderr);
        }
    }
}

/// Nothing but `out.rs` writes to the streams: `println!` and its like panic where one is closed.
#[test]
fn no_other_file_writes_to_a_stream() {
    let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let names = ["loadline", "measure", "record", "report", "verdict"];
    let mut folders: Vec<_> = names.iter().map(|name| crates.join(name).join("src")).collect();
    let mut n_files = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let Ok(text) = fs::read_to_string(&path) else { continue };
            n_files += 1;
            // Of these only what tests print is left.
            let shipped = text.split("#[cfg(test)]").next().unwrap();
            for line in shipped.lines().filter(|line| !line.trim_start().starts_with("//")) {
                let prints = ["println!(", "print!(", "eprintln!(", "eprint!(", "dbg!("];
                let is_print = prints.iter().any(|print| line.contains(print));
                assert!(!is_print, "{}: {line}", path.display());
            }
        }
    }
    assert!(n_files > 50);
}

#[test]
fn what_the_user_wrote_is_printed_as_it_is() {
    let project = project();
    project.write("loadline.toml", "format = 1\nscenarios = \"xtask/scenarios\"\n");
    // Away from the workspace the program is called otherwise.
    let mut copy = Command::new("cp");
    copy.arg(env!("CARGO_BIN_EXE_loadline")).arg(project.path("it"));
    assert!(copy.status().unwrap().success());
    let loadline = |arguments: &[&str]| {
        let mut command = Command::new(project.path("it"));
        command.args(arguments).current_dir(project.root()).env_remove("CARGO_MANIFEST_DIR");
        project.said(command.output().unwrap())
    };
    let report = loadline(&["report", "session", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&report.stdout).unwrap();
    assert_eq!(json["scenarios"][0]["question"], "Is what cargo xtask bench does linear?");
    let text = loadline(&["report", "session"]).stdout;
    assert!(text.contains("next: loadline regress mine"), "{text}");
    let refused = loadline(&["cargo xtask"]).stderr;
    assert!(refused.contains("'cargo xtask'"), "{refused}");
    let unknown = loadline(&["history", "cargo xtask"]).stderr;
    assert!(unknown.contains("there is no scenario \"cargo xtask\" (loadline list"), "{unknown}");
}

#[test]
fn a_session_is_read_up_to_its_last_whole_line() {
    let project = project();
    let whole = project.run(&["report", "session"]);
    let mut runs = fs::read(project.path("session/runs.jsonl")).unwrap();
    // Cut within the two bytes of an é.
    runs.extend_from_slice("{\"scenario\":\"caf\u{e9}".as_bytes());
    runs.pop();
    fs::write(project.path("session/runs.jsonl"), runs).unwrap();
    let torn = project.run(&["report", "session"]);
    assert_eq!(torn.refusal(), whole.refusal());
    assert_eq!(torn.code, Some(3));
}

#[test]
fn a_session_of_a_scenario_that_was_edited_since_is_rejected() {
    let project = project();
    let sessions = project.path("target/regress");
    for name in ["one", "two"] {
        let mut made = Made::new();
        made.scenario("mine", &[CALLS, CLOCK]).scenario("other", &[CALLS, CLOCK]);
        made.save(&sessions.join(name));
        let path = sessions.join(name).join("session.json");
        let mut header: serde_json::Value =
            serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        for planned in header["scenarios"].as_array_mut().unwrap() {
            if planned["scenario"] == "mine" {
                planned["metrics"] = serde_json::json!(["page-faults"]);
            }
        }
        fs::write(&path, header.to_string()).unwrap();
    }
    project.write("xtask/scenarios/other.toml", SCENARIO);
    let edited = "the scenario mine was edited since it was measured";
    let commands: [&[&str]; 4] = [
        &["report", "one"],
        &["explain", "mine", "--session", "one"],
        &["diff", "one", "two"],
        &["diff", "mine", "one"],
    ];
    project.write("baselines/mine.toml", baseline(&crate::common::made::environment(), &[CALLS]));
    for arguments in commands {
        let said = project.run(arguments);
        assert_eq!(said.code, Some(2), "{arguments:?}: {}", said.refusal());
        assert!(said.stderr.contains(edited), "{arguments:?}: {}", said.stderr);
    }
    let history = project.run(&["history", "mine"]);
    assert!(history.refusal().contains("not read: session one: "), "{}", history.refusal());
    assert!(history.refusal().contains(edited), "{}", history.refusal());
    // The other scenario of the same sessions is as it was.
    let other = project.run(&["history", "other"]);
    assert_eq!(other.code, Some(0), "{}", other.refusal());
    assert!(other.stdout.contains("session one") || other.stdout.contains("since 1970-01-01"));
    assert!(!other.stdout.contains("not read: session"), "{}", other.stdout);
}

/// The same session under git as a hook, a container or another language of the user has it.
#[test]
fn history_reads_git_however_it_is_set_up() {
    let project = repository();
    let usual = project.run(&["history", "mine"]);
    assert_eq!(usual.code, Some(0), "{}", usual.refusal());
    assert!(usual.stdout.contains("caf\u{e9}"), "{}", usual.stdout);
    let in_a_hook = project.xtask(&["history", "mine"]).env("GIT_DIR", "/nowhere").output();
    assert_eq!(project.said(in_a_hook.unwrap()).refusal(), usual.refusal());
    git(&project, &["config", "i18n.logOutputEncoding", "ISO-8859-1"]);
    assert_eq!(project.run(&["history", "mine"]).refusal(), usual.refusal());
    let older = format!("{}", project.path("older").display());
    let url = format!("file://{}", project.root().display());
    git(&project, &["clone", "--quiet", "--depth", "1", &url, &older]);
    fs::create_dir_all(project.path("older/xtask/scenarios")).unwrap();
    project.write("older/xtask/scenarios/mine.toml", SCENARIO);
    let cut = project.run(&["history", "mine", "--root", &older]);
    let expected = "not read: older commits: this is a shallow clone, so its history is cut (git fetch --unshallow brings the rest)\n";
    assert!(cut.stdout.ends_with(expected), "{}", cut.stdout);
}

#[test]
fn where_git_gives_nothing_the_reason_is_said() {
    let project = repository();
    let said = |arguments: &[&str], variable: &str, value: &OsStr| -> Said {
        project.said(project.xtask(arguments).env(variable, value).output().unwrap())
    };
    let foreign = said(&["history", "mine"], "GIT_TEST_ASSUME_DIFFERENT_OWNER", OsStr::new("1"));
    let expected = "git refuses to read ROOT, which another user owns (git config --global --add safe.directory ROOT)";
    assert!(foreign.refusal().contains(expected), "{}", foreign.refusal());
    // Revisions are those of the workspace that this program was built from.
    let foreign = said(&["diff", "HEAD~1"], "GIT_TEST_ASSUME_DIFFERENT_OWNER", OsStr::new("1"));
    assert!(foreign.stderr.contains("; git refuses to read "), "{}", foreign.stderr);
    let nowhere = project.path("baselines");
    for arguments in [["history", "mine"], ["diff", "HEAD~1"]] {
        let missing = said(&arguments, "PATH", nowhere.as_os_str());
        let expected = "git cannot be started: it is not in PATH (install git)";
        assert!(missing.refusal().contains(expected), "{}", missing.refusal());
    }
    fs::remove_dir_all(project.path(".git")).unwrap();
    let ceiling = project.root().parent().unwrap().to_owned();
    let outside = said(&["history", "mine"], "GIT_CEILING_DIRECTORIES", ceiling.as_os_str());
    assert!(outside.refusal().contains("is in no git repository"), "{}", outside.refusal());
}

/// One repetition says nothing of how much a time jitters.
#[test]
fn jitter_between_sessions_of_one_repetition_is_no_step() {
    let project = project();
    for (name, per_module) in [("one", 9_000.0), ("two", 9_090.0), ("three", 8_950.0)] {
        let mut made = Made::new();
        made.scenario("mine", &[CALLS, ("unload/task-clock", Cost::linear(per_module, 0.0))]);
        let folder = project.path("target/regress").join(name);
        made.save(&folder);
        let header = made.header().replace("\"repetitions\":5", "\"repetitions\":1");
        fs::write(folder.join("session.json"), header).unwrap();
        let runs = made.runs();
        let first = runs.lines().filter(|line| line.contains("\"repetition\":0"));
        fs::write(folder.join("runs.jsonl"), first.map(|l| format!("{l}\n")).collect::<String>())
            .unwrap();
    }
    let said = project.run(&["history", "mine"]);
    assert_eq!(said.code, Some(0), "{}", said.refusal());
    assert_eq!(said.stdout.matches("session ").count(), 3, "{}", said.stdout);
    assert!(said.stdout.contains(": no step since "), "{}", said.stdout);
}

#[test]
fn a_report_is_written_through_to_what_is_no_regular_file() {
    let project = project();
    let expected = project.run(&["report", "session", "--format", "json"]).stdout;
    let pipe = project.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || fs::read_to_string(pipe).unwrap()
    });
    let to = |place: &str| {
        ["report", "session", "--format", "json", "--output", place].map(str::to_owned)
    };
    let write = |place: &str| project.run(&to(place).each_ref().map(String::as_str));
    assert_eq!(write("pipe").code, Some(3));
    let root = project.root().display().to_string();
    assert_eq!(reader.join().unwrap().replace(&root, "ROOT"), expected);
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    assert_eq!(write("/dev/stdout").stdout, expected);
    std::os::unix::fs::symlink("kept/report.json", project.path("link")).unwrap();
    project.write("kept/report.json", "old");
    assert_eq!(write("link").code, Some(3));
    assert!(fs::symlink_metadata(project.path("link")).unwrap().is_symlink());
    assert_eq!(project.read("kept/report.json").replace(&root, "ROOT"), expected);
}

#[test]
fn a_report_that_cannot_be_written_is_found_before_anything_is_measured() {
    let project = project();
    fs::create_dir(project.path("folder")).unwrap();
    for place in ["folder", "/proc/report.html", "session/session.json/report.html"] {
        let said = project.run(&["regress", "--format", "html", "--output", place]);
        assert_eq!(said.code, Some(2), "{}", said.refusal());
        assert!(said.stderr.starts_with("error: --output: cannot "), "{}", said.stderr);
        assert!(!project.path("target").exists());
    }
}

#[test]
fn baselines_that_cannot_be_written_are_found_before_anything_is_measured() {
    let project = project();
    let layout =
        "format = 1\nscenarios = \"xtask/scenarios\"\nbaselines = \"/proc/gone/baselines\"\n";
    project.write("loadline.toml", layout);
    for arguments in [&["baseline", "--reason", "?"][..], &["calibrate"]] {
        let said = project.run(arguments);
        assert_eq!(said.code, Some(1), "{}", said.refusal());
        assert!(said.stderr.starts_with("error: cannot write in /proc: "), "{}", said.stderr);
        assert!(!project.path("target").exists());
    }
}

#[test]
fn with_no_umask_nobody_else_may_write_what_is_written() {
    let project = project();
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask 0; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_loadline")]);
    shell.args(["report", "session", "--format", "json", "--output", "report.json"]);
    shell.arg("--root").arg(project.root()).current_dir(project.root());
    let said = project.said(shell.output().unwrap());
    assert_eq!(said.code, Some(3), "{}", said.refusal());
    let mode = fs::metadata(project.path("report.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
}

/// Sessions, profiles, caches, baselines, reports, starting points and locks: others may not write to
/// any of them, whatever the umask.
#[test]
fn with_no_umask_other_users_may_not_write_what_is_kept() {
    let project = Project::new();
    fs::create_dir(project.path("tmp")).unwrap();
    let root = project.root().display().to_string();
    let run = |arguments: &[&str]| {
        let mut shell = Command::new("sh");
        shell.args(["-c", "umask 0; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_loadline")]);
        shell.args(arguments).args(["--root", &root]).current_dir(&root);
        let said = project.said(shell.env("TMPDIR", project.path("tmp")).output().unwrap());
        assert_eq!(said.code, Some(0), "{}", said.refusal());
    };
    // Builds the runner, whose files are Cargo's.
    assert_eq!(project.run(&["list"]).code, Some(0));
    let report = ["--budget", "0", "--format", "json", "--output", "reports/deep/report.json"];
    run(&[&["regress"][..], &report].concat());
    run(&["baseline", "--reason", "first capture"]);
    project.write("host.py", "import wasmtime\n");
    run(&["init", "--no-run"]);
    let mut found = Vec::new();
    list_all(&project.root(), &mut found);
    for part in [
        "runs.jsonl",
        "corpora",
        "baselines/tiny.toml",
        "deep/report.json",
        "tmp/",
        "loadline.toml",
    ] {
        let holds = |path: &PathBuf| path.display().to_string().contains(part);
        assert!(found.iter().any(holds), "{part}: {found:?}");
    }
    for path in found {
        let mode = fs::symlink_metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o002, 0, "{} has the mode {mode:o}", path.display());
    }
}

/// Every file and folder in `folder`.
fn list_all(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            list_all(&path, found);
        }
        found.push(path);
    }
}

#[test]
fn a_repository_may_lie_in_a_folder_of_any_name() {
    for name in [&b"sp ace"[..], b"co:lon", b"q'uo\"te", b"r\xffoot"] {
        let outer = Project::bare();
        let root = outer.root().join(OsStr::from_bytes(name));
        let inner = project();
        let copied = Command::new("cp").arg("-r").arg(inner.root()).arg(&root).status();
        assert!(copied.unwrap().success());
        let run = |arguments: &[&str]| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_loadline"));
            command.args(arguments).arg("--root").arg(&root).current_dir(&root);
            let output = command.output().unwrap();
            (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
        };
        assert_eq!(run(&["report", "session"]), (Some(3), String::new()), "{name:?}");
        let all = ["report", "session", "--format", "html", "--output", "report.html"];
        assert_eq!(run(&all), (Some(3), String::new()), "{name:?}");
        assert!(root.join("report.html").is_file());
        assert_eq!(run(&["diff", "session", "session"]), (Some(0), String::new()), "{name:?}");
        // Measured: what the runner is told has the folder in it.
        fs::remove_file(root.join("xtask/scenarios/mine.toml")).unwrap();
        fs::write(root.join("xtask/scenarios/host.toml"), crate::common::HOST_SCENARIO).unwrap();
        let host = crate::common::HOST.replace("STEPS", "$1 * $1");
        fs::write(root.join("host.sh"), host).unwrap();
        let (code, stderr) =
            run(&["diff", "host", "--set", "environment.A=1", "--set", "repetitions=1"]);
        assert_eq!(code, Some(0), "{name:?}: {stderr}");
    }
}

/// Cargo, a build of the user's and this program itself have more to say than anybody takes.
#[test]
fn a_session_is_measured_to_its_end_when_nobody_takes_its_messages() {
    let project = Project::empty();
    project.write("xtask/scenarios/host.toml", crate::common::HOST_SCENARIO);
    project.write("host.sh", crate::common::HOST.replace("STEPS", "$1"));
    let build = "set -e; echo said; echo said >&2";
    let layout = format!("format = 1\nbuild = [\"sh\", \"-c\", \"{build}\"]\n");
    project.write("loadline.toml", layout);
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let closed = std::io::pipe().unwrap().1;
    for stderr in [Stdio::from(full), Stdio::from(closed)] {
        let arguments = ["diff", "host", "--set", "environment.A=1", "--set", "repetitions=1"];
        let mut command = project.xtask(&arguments);
        let said = project.said(command.stderr(stderr).output().unwrap());
        assert_eq!(said.code, Some(0), "{}", said.stdout);
    }
}

/// Names that `history` prints are taken by every command that reads a session.
#[test]
fn a_session_may_be_named_by_its_folder_alone() {
    let project = project();
    fs::create_dir_all(project.path("target/regress")).unwrap();
    fs::rename(project.path("session"), project.path("target/regress/kept")).unwrap();
    assert_eq!(project.run(&["report", "kept"]).code, Some(3));
    assert_eq!(project.run(&["diff", "kept", "kept"]).code, Some(0));
    assert_eq!(project.run(&["explain", "mine", "--session", "kept"]).code, Some(0));
}
