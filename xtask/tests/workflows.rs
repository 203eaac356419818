//! The workflows and the action: what they run does its work, step by step, in somebody's repository.
//!
//! A step that is itself this repository's test command is checked for being that, not run.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{HOST, HOST_SCENARIO, Project};
use saphyr::{LoadableYamlNode, Yaml};

fn workspace() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap()
}

/// The files with steps: this repository's workflows, the action, and what `init` writes.
fn paths() -> Vec<PathBuf> {
    let folder = fs::read_dir(workspace().join(".github/workflows")).unwrap();
    let mut paths: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    paths.extend(["action.yml", "xtask/src/init/workflow.yml"].map(|path| workspace().join(path)));
    paths.sort();
    paths
}

/// The values of `key` in all steps of all files.
fn all(key: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for path in paths() {
        let text = fs::read_to_string(&path).unwrap();
        let documents = Yaml::load_from_str(&text);
        let documents = documents.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        documents.iter().for_each(|document| collect(document, key, &mut found));
    }
    found
}

fn collect(node: &Yaml<'_>, key: &str, found: &mut BTreeSet<String>) {
    for (name, value) in node.as_mapping().into_iter().flatten() {
        match value.as_str() {
            Some(text) if name.as_str() == Some(key) => {
                found.insert(text.trim_end().to_owned());
            }
            _ => collect(value, key, found),
        }
    }
    node.as_sequence().into_iter().flatten().for_each(|one| collect(one, key, found));
}

/// What is used from elsewhere is public, and pinned.
#[test]
fn only_public_actions_are_used_and_by_version() {
    let used = all("uses");
    assert!(used.contains("actions/checkout@v5"), "{used:?}");
    for action in used {
        let (name, version) = action.split_once('@').unwrap();
        let is_ours = name == "loadline/loadline" && version == "main";
        let is_pinned = name.starts_with("actions/") && version.starts_with('v');
        assert!(is_ours || is_pinned, "{action} is not pinned to a version of a public action");
    }
}

/// How each step that runs something is checked. A step that is not here fails the test.
const STEPS: [(&str, Check); 11] = [
    (".ci/run", Check::IsTheTestCommand),
    ("rustup component add rustfmt", Check::Needs("rustup")),
    ("cargo fmt --all -- --check", Check::InClone),
    ("command -v valgrind || sudo apt-get install -y -qq valgrind", Check::Needs("valgrind")),
    ("bash -euc \"$PREPARE\"", Check::InRepository),
    ("$GITHUB_ACTION_PATH/.github/scripts/key.sh", Check::InRepository),
    ("$GITHUB_ACTION_PATH/.github/scripts/install.sh", Check::InRepository),
    ("$GITHUB_ACTION_PATH/.github/scripts/regress.sh", Check::InRepository),
    ("$GITHUB_ACTION_PATH/.github/scripts/comment.sh", Check::InRepository),
    ("exit \"$EXIT_CODE\"", Check::InRepository),
    // The same scripts, and one more, as this repository's own workflows start them.
    (".github/scripts/", Check::InRepository),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    /// What CI runs and what is typed are one.
    IsTheTestCommand,
    /// In a clean copy of this repository.
    InClone,
    /// In somebody's repository, below.
    InRepository,
    /// Where this program is installed; needs rights or a network where it is not.
    Needs(&'static str),
}

fn check_of(run: &str) -> Check {
    let known = STEPS
        .iter()
        .find(|(step, _)| run == *step || (step.ends_with('/') && run.starts_with(step)));
    known.unwrap_or_else(|| panic!("no test runs the step {run:?}")).1
}

#[test]
#[ignore = "slow: carries out the steps of every workflow (a minute)"]
fn every_step_passes_in_a_clean_clone() {
    let repository = Repository::new();
    for run in all("run") {
        match check_of(&run) {
            Check::IsTheTestCommand => assert!(workspace().join(&run).is_file()),
            Check::InClone => repository.passes(&run, &repository.project.path("clone"), &[]),
            Check::Needs(program) if !repository.has(program) => {
                println!("skipped: {run}: {program} is not installed here");
            }
            Check::Needs(_) => repository.passes(&run, &repository.project.path("clone"), &[]),
            Check::InRepository => {}
        }
    }
    let place = repository.project.path("repository");
    let step = |run: &str, environment: &[(&str, &str)]| {
        assert_eq!(check_of(run), Check::InRepository);
        repository.passes(run, &place, environment);
    };
    step("bash -euc \"$PREPARE\"", &[("PREPARE", "touch prepared")]);
    assert!(place.join("prepared").exists());
    step("$GITHUB_ACTION_PATH/.github/scripts/key.sh", &[]);
    assert!(repository.output("key").is_some_and(|key| key.len() == 16));
    step("$GITHUB_ACTION_PATH/.github/scripts/install.sh", &[]);

    // Linear, and accepted; then not linear any more.
    let accept = ["baseline", "--reason", "first capture"];
    let accepted =
        repository.shell(&format!("loadline {} 'test'", accept[..2].join(" ")), &place, &[]);
    assert!(accepted.status.success(), "{accepted:?}");
    repository.project.write("repository/host.sh", HOST.replace("STEPS", "12 * $1 + $1 * $1"));
    let asked = [("SCENARIOS", "host"), ("ARGUMENTS", "--budget 0"), ("SHARD", "1/1")];
    step("$GITHUB_ACTION_PATH/.github/scripts/regress.sh", &asked);
    assert_eq!(repository.output("part").as_deref(), Some("1-of-1"));
    let code = repository.output("exit-code").unwrap();
    // The last folder that is kept: the session's.
    let kept = repository.project.read("github/output");
    let sessions = kept.trim_end().lines().rev().nth(1).unwrap().to_owned();
    step("$GITHUB_ACTION_PATH/.github/scripts/regress.sh", &[("SESSIONS", &sessions)]);
    assert_eq!(repository.output("part").as_deref(), Some("all"));
    if repository.output("exit-code").as_deref() == Some("6") {
        return println!("skipped: a session that was blind judges nothing");
    }
    assert_eq!((code.as_str(), repository.output("exit-code").as_deref()), ("3", Some("3")));
    let judged = repository.shell("exit \"$EXIT_CODE\"", &place, &[("EXIT_CODE", &code)]);
    assert_eq!(judged.status.code(), Some(3));
    let reports = [
        "report.json",
        "junit.xml",
        "report.sarif",
        "report.html",
        "annotations.txt",
        "summary.md",
        "comment.md",
        "report.txt",
    ];
    for report in reports {
        let text = fs::read_to_string(place.join("loadline-report").join(report));
        assert!(
            text.is_ok_and(|text| text.contains("host")),
            "{report} does not name the scenario"
        );
    }
    assert!(repository.project.read("github/summary").contains("host"));

    // A first comment is made, a second one goes into it.
    let of = [("PULL_REQUEST", "7"), ("MACHINE", "Linux X64")];
    step("$GITHUB_ACTION_PATH/.github/scripts/comment.sh", &of);
    step("$GITHUB_ACTION_PATH/.github/scripts/comment.sh", &of);
    let asked = repository.project.read("github/gh");
    let methods: Vec<&str> = asked
        .lines()
        .filter_map(|line| line.split_once("--method "))
        .map(|(_, rest)| rest)
        .collect();
    assert!(methods[0].starts_with("POST repos/me/host/issues/7/comments "), "{asked}");
    assert!(methods[1].starts_with("PATCH repos/me/host/issues/comments/41 "), "{asked}");

    let of = [
        ("BASELINES", "accepted"),
        ("SCENARIOS", "host"),
        ("ARGUMENTS", "--budget 0"),
        ("GH_TOKEN", "t"),
    ];
    step(".github/scripts/drift.sh", &of);
    let drift = repository.project.read("repository/loadline-report/drift.md");
    assert!(drift.contains("GROWS FASTER"), "{drift}");
    assert!(repository.project.read("github/gh").contains("issue create --title"));

    // The same without GitHub.
    fs::remove_dir_all(place.join("loadline-report")).unwrap();
    let anywhere = repository.shell("$GITHUB_ACTION_PATH/examples/ci/regress.sh", &place, &[]);
    // Blind is no verdict, and no mistake of the script's.
    assert!(matches!(anywhere.status.code(), Some(3 | 6)), "{anywhere:?}");
    for report in ["report.json", "junit.xml", "report.html", "summary.md"] {
        let text = fs::read_to_string(place.join("loadline-report").join(report));
        assert!(text.is_ok_and(|text| text.contains("host")), "{report}");
    }
}

/// GitHub's own program: writes down what it is asked, and finds a comment once one was made.
const GH: &str = r#"#!/bin/sh
case "$*" in *--paginate*) if [ -f "$GH_LOG" ] && grep -q POST "$GH_LOG"; then echo 41; fi ;; esac
echo "$*" >> "$GH_LOG"
"#;

/// Somebody's repository with a copy of this one as its action, on a machine that has installed it.
struct Repository {
    project: Project,
}

impl Repository {
    fn new() -> Repository {
        let project = Project::bare();
        for folder in ["bin", "clone", "repository", "github", "tmp"] {
            fs::create_dir(project.path(folder)).unwrap();
        }
        project.script("bin/gh", GH);
        let program = Path::new(env!("CARGO_BIN_EXE_loadline"));
        let fill = r#"
            set -eu
            git ls-files -z | xargs -0 cp --parents -t "$1/clone"
            cargo build --quiet --package loadline-runner
            cp "$2" "$(dirname "$2")/loadline-runner" "$1/bin"
            cp -r "$1/clone/.github" "$1/repository"
            cd "$1/repository" && git init --quiet && git add --all
            git -c user.name=n -c user.email=e commit --quiet --message first
        "#;
        project.write(
            "repository/loadline.toml",
            "format = 1\nscenarios = \"asked\"\nbaselines = \"accepted\"\noutput = \"out\"\n",
        );
        project.write("repository/asked/host.toml", HOST_SCENARIO);
        project.write("repository/host.sh", HOST.replace("STEPS", "12 * $1"));
        let mut shell = Command::new("bash");
        shell.args(["-c", fill, "bash"]).arg(project.root()).arg(program).current_dir(workspace());
        shell.env("CARGO_TARGET_DIR", program.parent().unwrap().parent().unwrap());
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        Repository { project }
    }

    /// Whether `program` is on this machine.
    fn has(&self, program: &str) -> bool {
        let output = self.shell(&format!("command -v {program}"), &self.project.root(), &[]);
        output.status.success()
    }

    /// What GitHub runs for a step: the shell it has, the files it gives.
    fn shell(&self, run: &str, place: &Path, environment: &[(&str, &str)]) -> Output {
        let file = |name: &str| self.project.path("github").join(name);
        let path = std::env::var("PATH").unwrap();
        let mut shell = Command::new("bash");
        shell.args(["--noprofile", "--norc", "-e", "-o", "pipefail", "-c", run]).current_dir(place);
        shell.env("PATH", format!("{}:{path}", self.project.path("bin").display()));
        shell.env("TMPDIR", self.project.path("tmp")).env_remove("CARGO_MANIFEST_DIR");
        shell.env("GITHUB_ACTION_PATH", self.project.path("clone"));
        shell.env("GITHUB_OUTPUT", file("output")).env("GITHUB_STEP_SUMMARY", file("summary"));
        shell.env("GITHUB_REPOSITORY", "me/host").env("GH_LOG", file("gh"));
        shell.envs(environment.iter().copied()).output().unwrap()
    }

    fn passes(&self, run: &str, place: &Path, environment: &[(&str, &str)]) {
        let output = self.shell(run, place, environment);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{run}: {}\n{stdout}{stderr}", output.status);
    }

    /// The output `name` that a step has left last.
    fn output(&self, name: &str) -> Option<String> {
        let text = self.project.read("github/output");
        let mut values = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        values.next_back().map(str::to_owned)
    }
}

/// A linter that knows GitHub's own rules, where it is installed: `.ci/run` puts it there.
#[test]
#[ignore = "slow: starts another program"]
fn actionlint_finds_nothing() {
    let own = workspace().join("target/tools/bin/actionlint");
    let program = if own.is_file() { own } else { "actionlint".into() };
    // It knows workflows only.
    let workflows = paths().into_iter().filter(|path| !path.ends_with("action.yml"));
    match Command::new(&program).args(workflows).output() {
        Err(error) => println!("skipped: cannot start {}: {error}", program.display()),
        Ok(output) => {
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout))
        }
    }
}
