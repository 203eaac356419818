//! The workflows and the action: each step does its work in a user's repository.
//!
//! A step that is itself this repository's test command is checked for being that, not run.

#![cfg(unix)]
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::{HOST, HOST_SCENARIO, Project};
use saphyr::{LoadableYamlNode, Yaml};

pub fn workspace() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
}

/// The files with steps: this repository's workflows, the action, and what `init` writes.
pub fn paths() -> Vec<PathBuf> {
    let folder = fs::read_dir(workspace().join(".github/workflows")).unwrap();
    let mut paths: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
    let more = ["action.yml", "comment/action.yml", "crates/loadline/src/verbs/init/workflow.yml"];
    paths.extend(more.map(|path| workspace().join(path)));
    paths.sort();
    paths
}

fn text(path: &str) -> String {
    fs::read_to_string(workspace().join(path)).unwrap()
}

/// The workflows, without the actions.
pub fn workflows() -> impl Iterator<Item = PathBuf> {
    paths().into_iter().filter(|path| !path.ends_with("action.yml"))
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

/// Actions of others are public and pinned to a commit, ours to this version.
#[test]
fn actions_are_pinned() {
    let used = all("uses");
    assert!(used.iter().any(|action| action.starts_with("actions/checkout@")), "{used:?}");
    for action in used {
        // The checkout of the version that is asked for, and this repository's own.
        if action.starts_with("./.loadline-action") || action == "$/comment" {
            continue;
        }
        let (name, version) = action.split_once('@').unwrap();
        let is_ours = ["loadline/loadline", "loadline/loadline/comment"].contains(&name)
            && version == concat!("v", env!("CARGO_PKG_VERSION"));
        let is_commit = version.len() == 40 && version.bytes().all(|byte| byte.is_ascii_hexdigit());
        let is_pinned = name.starts_with("actions/") && is_commit;
        assert!(is_ours || is_pinned, "{action} is not pinned to a commit of a public action");
    }
    // The tag stands behind each commit, the same everywhere.
    let mut tags = BTreeMap::new();
    for path in paths() {
        let text = fs::read_to_string(path).unwrap();
        for line in text.lines().filter(|line| line.contains("uses: actions/")) {
            let (_, pin) = line.split_once('@').unwrap();
            let (commit, tag) = pin.split_once(" # v").unwrap_or_else(|| panic!("no tag: {line}"));
            assert_eq!(tags.entry(commit.to_owned()).or_insert(tag.to_owned()), tag, "{line}");
        }
    }
}

/// Every place that names a version of Loadline names this one.
#[test]
fn the_version_that_is_used_is_the_version_of_this_workspace() {
    let version = env!("CARGO_PKG_VERSION");
    let pages = [
        "action.yml",
        "comment/action.yml",
        "docs/howto/ci-github.md",
        "crates/loadline/src/verbs/init/workflow.yml",
    ];
    for page in pages.into_iter().chain([".github/workflows/regress.yml"]) {
        let text = text(page);
        let uses = text.split("loadline/loadline").skip(1).filter_map(|rest| {
            let (_, version) = rest.split([' ', '`', '\n']).next()?.split_once('@')?;
            Some(version.to_owned())
        });
        let uses: BTreeSet<String> = uses.collect();
        assert_eq!(uses, BTreeSet::from([format!("v{version}")]), "{page}");
    }
    let workflow = document(&workspace().join(".github/workflows/regress.yml"));
    let default = ["on", "workflow_call", "inputs", "version", "default"];
    let default = get(&workflow, &default).and_then(Yaml::as_str);
    assert_eq!(default, Some(concat!("v", env!("CARGO_PKG_VERSION"))));
    let script = text("examples/ci/regress.sh");
    assert!(script.contains(&format!("${{LOADLINE_VERSION:-{version}}}")), "{script}");
}

fn document(path: &Path) -> Yaml<'static> {
    let text: &'static str = fs::read_to_string(path).unwrap().leak();
    Yaml::load_from_str(text).unwrap().remove(0)
}

/// What stands below these keys.
fn get<'a>(node: &'a Yaml<'static>, keys: &[&str]) -> Option<&'a Yaml<'static>> {
    keys.iter().try_fold(node, |node, key| {
        entries(node).find(|(name, _)| name == key).map(|(_, value)| value)
    })
}

fn entries<'a>(node: &'a Yaml<'static>) -> impl Iterator<Item = (&'a str, &'a Yaml<'static>)> {
    let entries = node.as_mapping().into_iter().flatten();
    entries.filter_map(|(name, value)| Some((name.as_str()?, value)))
}

/// A job may write only if it runs nothing of the pull request, and does one thing.
#[test]
fn only_the_jobs_that_comment_or_publish_may_write() {
    let mut writers = BTreeSet::new();
    for path in workflows() {
        let workflow = document(&path);
        let file = path.file_name().unwrap().to_str().unwrap();
        let top = get(&workflow, &["permissions"]).unwrap_or_else(|| panic!("{file}"));
        assert!(entries(top).next().is_none(), "{file} permits something to every job");
        for (name, job) in entries(get(&workflow, &["jobs"]).unwrap()) {
            let granted = get(job, &["permissions"]).unwrap_or_else(|| panic!("{file}: {name}"));
            for (permission, level) in entries(granted) {
                match level.as_str() {
                    Some("read") => assert_eq!(permission, "contents", "{file}: {name}"),
                    _ => drop(writers.insert(format!("{file}: {name}: {permission}"))),
                }
            }
            for step in get(job, &["steps"]).and_then(Yaml::as_sequence).unwrap() {
                let uses = get(step, &["uses"]).and_then(Yaml::as_str).unwrap_or_default();
                let keeps = get(step, &["with", "persist-credentials"]).and_then(Yaml::as_bool);
                let is_checkout = uses.starts_with("actions/checkout@");
                assert!(!is_checkout || keeps == Some(false), "{file}: {name} keeps the token");
            }
        }
    }
    let jobs = [
        "ci.yml: comment: pull-requests",
        "docs.yml: publish: id-token",
        "docs.yml: publish: pages",
        "drift.yml: issue: issues",
        "regress.yml: comment: pull-requests",
        "workflow.yml: comment: pull-requests",
    ];
    assert_eq!(writers, BTreeSet::from(jobs.map(str::to_owned)));
}

/// A red job saves what it has installed: nothing is saved by a step at the end that needs success.
#[test]
fn caches_are_saved_when_the_gate_is_red() {
    assert!(!all("uses").iter().any(|action| action.starts_with("actions/cache@")));
    let action = document(&workspace().join("action.yml"));
    let steps = get(&action, &["runs", "steps"]).and_then(Yaml::as_sequence).unwrap();
    let place = |part: &str| {
        let is_it = |step: &Yaml<'static>| {
            let of = |key| get(step, &[key]).and_then(Yaml::as_str).unwrap_or_default();
            of("uses").contains(part) || of("run").contains(part)
        };
        steps.iter().position(is_it).unwrap_or_else(|| panic!("{part}"))
    };
    let order = [
        "key.sh",
        "cache/restore@",
        "install.sh",
        "cache/save@",
        "perf.sh",
        "$PREPARE",
        "regress.sh",
    ];
    assert!(order.map(place).is_sorted(), "{:?}", order.map(place));
}

/// What `init` writes works whatever the default branch is called, and stops what is outdated.
#[test]
fn what_init_writes_names_no_branch() {
    let workflow = document(&workspace().join("crates/loadline/src/verbs/init/workflow.yml"));
    let push = get(&workflow, &["on", "push"]).unwrap();
    assert!(push.is_null(), "{push:?}");
    let condition = get(&workflow, &["jobs", "regress", "if"]).and_then(Yaml::as_str).unwrap();
    assert!(condition.contains("github.event.repository.default_branch"), "{condition}");
    assert!(get(&workflow, &["concurrency", "group"]).is_some());
}

const KEY: &str = "\"$GITHUB_ACTION_PATH/.github/scripts/key.sh\"";
const INSTALL: &str = "\"$GITHUB_ACTION_PATH/.github/scripts/install.sh\"";
const PERF: &str = "\"$GITHUB_ACTION_PATH/.github/scripts/perf.sh\"";
const REGRESS: &str = "\"$GITHUB_ACTION_PATH/.github/scripts/regress.sh\"";
/// As the action `comment` says it, which lies in a folder of its own.
const COMMENT: &str = "\"$GITHUB_ACTION_PATH/../.github/scripts/comment.sh\"";

const MDBOOK: &str = "command -v mdbook || cargo install mdbook --locked --version 0.5.4 \
    --no-default-features --features search";

/// How each step that runs something is checked. A step that is not here fails the test.
const STEPS: [(&str, Check); 16] = [
    (".ci/run", Check::IsTheTestCommand),
    (".ci/subjects", Check::InClone),
    ("rustup component add rustfmt", Check::Needs("rustup")),
    ("cargo fmt --all -- --check", Check::InClone),
    ("command -v valgrind || sudo apt-get install -y -qq valgrind", Check::Needs("valgrind")),
    (MDBOOK, Check::Needs("mdbook")),
    (".github/scripts/book.sh", Check::Needs("mdbook")),
    ("echo /.loadline-action >>.git/info/exclude", Check::InRepository),
    ("bash -euo pipefail -c \"$PREPARE\"", Check::InRepository),
    (KEY, Check::InRepository),
    (INSTALL, Check::InRepository),
    (PERF, Check::InRepository),
    (REGRESS, Check::InRepository),
    (COMMENT, Check::InRepository),
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
    /// In a user's repository, below.
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
#[ignore = "slow: runs the steps of every workflow (a minute)"]
fn every_step_passes_in_a_clean_clone() {
    let repository = Repository::new();
    assert_steps_in_clone(&repository);
    let place = repository.project.path("repository");
    let step = |run: &str, environment: &[(&str, &str)]| {
        assert_eq!(check_of(run), Check::InRepository);
        repository.passes(run, &place, environment);
    };
    prepare(&repository, &place, &step);
    assert_regression_is_reported(&repository, &place, &step);

    // A first comment is made, a second one goes into it: action.rs has the rest.
    let comment = repository.project.path("clone/comment").display().to_string();
    let of = [("PULL_REQUEST", "7"), ("REPORTS", "."), ("GITHUB_ACTION_PATH", comment.as_str())];
    step(COMMENT, &of);
    let asked = repository.project.read("github/gh");
    assert!(asked.contains("--method POST repos/me/host/issues/7/comments "), "{asked}");

    let of = [("SCENARIOS", "host"), ("ARGUMENTS", "--budget 0")];
    step(".github/scripts/drift.sh", &of);
    let drift = repository.project.read("repository/loadline-report/drift.md");
    assert!(drift.contains("GROWS FASTER"), "{drift}");
    step(".github/scripts/issue.sh", &[("DRIFT", "loadline-report/drift.md")]);
    assert!(repository.project.read("github/gh").contains("--method POST repos/me/host/issues "));

    // The same without GitHub.
    fs::remove_dir_all(place.join("loadline-report")).unwrap();
    let anywhere = repository.shell("$GITHUB_ACTION_PATH/examples/ci/regress.sh", &place, &[]);
    assert_eq!(anywhere.status.code(), Some(3), "{anywhere:?}");
    assert_reports(&place, &[]);
}

/// Steps that anybody may type, in a clone of this repository.
fn assert_steps_in_clone(repository: &Repository) {
    for run in all("run") {
        match check_of(&run) {
            Check::IsTheTestCommand => assert!(workspace().join(&run).is_file()),
            Check::InClone => repository.passes(&run, &repository.project.path("clone"), &[]),
            Check::Needs(program) if !repository.has(program) => {
                loadline_testing::skip!("{run}: {program} is not installed here");
            }
            Check::Needs(_) => repository.passes(&run, &repository.project.path("clone"), &[]),
            Check::InRepository => {}
        }
    }
}

/// Runs one step of the action with these variables.
type Step<'a> = &'a dyn Fn(&str, &[(&str, &str)]);

/// The steps before the program is installed, and the installation itself.
fn prepare(repository: &Repository, place: &Path, step: Step<'_>) {
    step("echo /.loadline-action >>.git/info/exclude", &[]);
    fs::create_dir(place.join(".loadline-action")).unwrap();
    repository.project.write("repository/.loadline-action/action.yml", "");
    let status = repository.shell("git status --porcelain --untracked-files", place, &[]);
    assert_eq!(String::from_utf8_lossy(&status.stdout), "");
    step("bash -euo pipefail -c \"$PREPARE\"", &[("PREPARE", "touch prepared")]);
    assert!(place.join("prepared").exists());
    step(KEY, &[]);
    // What install.sh would have compiled.
    let folder = repository.output("folder").unwrap();
    fs::create_dir_all(&folder).unwrap();
    let link = ["-s", repository.project.path("bin").to_str().unwrap(), &folder].map(str::to_owned);
    assert!(Command::new("ln").args(link).status().unwrap().success());
    step(INSTALL, &[("FOLDER", &folder)]);
    // The level of another file: this test changes no setting of the machine.
    repository.project.write("repository/paranoid", "1\n");
    step(PERF, &[("PERF_EVENT_PARANOID", "paranoid")]);
}

/// A program that was linear, and accepted as such, is quadratic now: each form of the report says so.
fn assert_regression_is_reported(repository: &Repository, place: &Path, step: Step<'_>) {
    let accept = ["baseline", "--reason", "first capture"];
    let accepted =
        repository.shell(&format!("loadline {} 'test'", accept[..2].join(" ")), place, &[]);
    assert!(accepted.status.success(), "{accepted:?}");
    repository.project.write("repository/host.sh", HOST.replace("STEPS", "12 * $1 + $1 * $1"));
    let asked = [("SCENARIOS", "host"), ("ARGUMENTS", "--budget 0"), ("SHARD", "1/1")];
    step(REGRESS, &asked);
    assert_eq!(repository.output("name").as_deref(), Some("loadline@@1-of-1"));
    let code = repository.output("exit-code").unwrap();
    // The last folder that is kept: the session's.
    let kept = repository.project.read("github/output");
    let sessions = kept.trim_end().lines().rev().nth(1).unwrap().to_owned();
    step(REGRESS, &[("SESSIONS", &sessions)]);
    assert_eq!(repository.output("name").as_deref(), Some("loadline@@all"));
    // Shard and whole judge the same session, of exact counts alone.
    assert_eq!(code, "3");
    assert_eq!(repository.output("exit-code").as_deref(), Some(code.as_str()));
    let judged = repository.shell("exit \"$EXIT_CODE\"", place, &[("EXIT_CODE", &code)]);
    assert_eq!(judged.status.code().map(|ended| ended.to_string()), Some(code));
    assert_reports(place, &["annotations.txt", "comment.md", "report.txt"]);
    assert!(repository.project.read("github/summary").contains("host"));
}

/// The reports that a run in `place` leaves name the scenario, and so do the `further` ones.
fn assert_reports(place: &Path, further: &[&str]) {
    let always = ["report.json", "junit.xml", "report.html", "summary.md"];
    for report in always.iter().chain(further) {
        let text = fs::read_to_string(place.join("loadline-report").join(report));
        assert!(
            text.is_ok_and(|text| text.contains("host")),
            "{report} does not name the scenario"
        );
    }
}

/// GitHub's own program: writes down what it is asked, and finds nothing.
const GH: &str = "#!/bin/sh\necho \"$*\" >> \"$GH_LOG\"\n";

/// A user's repository with a copy of this one as its action, on a machine that has installed it.
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
        shell.env("RUNNER_TOOL_CACHE", self.project.path("tools")).env("GITHUB_PATH", file("path"));
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
