//! Every command in the documentation works: it is typed here into a small project, or shown with the
//! output of a real run, or listed below with the reason why it is not typed.

#![cfg(unix)]
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::Project;
use crate::common::pages::{Reader, Step, steps};

/// What is not typed, by how it begins or what it holds, and why.
const NOT_TYPED: [(&str, &str); 18] = [
    ("cargo test --workspace", "is what runs this"),
    ("cd your-repository", "names the reader's own folder"),
    ("cargo build", "is tested where the programs are started (two_sides/installed.rs)"),
    ("python3 -m venv", "fetches a package; the guide does so (tests/guide.rs)"),
    ("python-oldest-first", "needs that package"),
    ("rust-oldest-first", "needs what Cargo has built before it"),
    (" --against", "builds another runner (tests/against.rs, tests/installed.rs)"),
    ("HEAD~1", "builds another runner (tests/against.rs)"),
    ("git bisect", "needs a repository with a regression in it (tests/against.rs)"),
    ("cargo xtask fetch", "asks npm's registry"),
    ("modules=", "needs a module of the reader's own (crates/loader/tests/artifact.rs)"),
    ("sudo ", "needs rights on the machine"),
    ("apt-get ", "needs Debian's servers"),
    ("dpkg-deb ", "needs the package that was fetched before it"),
    ("--unwinder ", "needs another unwinder (tests/unwinders.rs)"),
    ("target/criterion", "needs benchmarks that have run (tests/judge_files.rs)"),
    ("jq ", "needs the files of another tool (tests/judge_files.rs)"),
    ("examples/ci/", "is run by repository/workflows.rs"),
];

fn workspace() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
}

/// Lists the pages in a folder and in the folders below it.
fn markdown(folder: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<PathBuf>, Vec<PathBuf>) = paths.partition(|path| path.is_dir());
    let pages = files.into_iter().filter(|path| path.extension().is_some_and(|end| end == "md"));
    pages.chain(folders.iter().flat_map(|folder| markdown(folder))).collect()
}

/// The commands that readers of the documentation are to type, without output next to them, each
/// with its page; but for the pages that are typed as a whole (guide.rs).
fn commands() -> Vec<(String, String)> {
    let mut pages = markdown(&workspace().join("docs"));
    pages.retain(|path| !path.ends_with("guide.md") && !path.ends_with("python-host.md"));
    pages.extend(["README.md", "examples/README.md"].map(|page| workspace().join(page)));
    pages.sort();
    let mut commands = Vec::new();
    for page in pages {
        let name = page.strip_prefix(workspace()).unwrap().display().to_string();
        for step in steps(&fs::read_to_string(&page).unwrap()) {
            match step {
                Step::Type { command, shown } if shown.is_empty() => {
                    commands.push((name.clone(), command));
                }
                _ => {}
            }
        }
    }
    commands
}

fn why_not(command: &str) -> Option<&'static str> {
    let known = NOT_TYPED.iter().find(|(part, _)| command.contains(part));
    known.map(|(_, reason)| *reason)
}

/// Whether the guide has the command, perhaps with more behind it; its own test types it (guide.rs).
fn is_in_guide(command: &str) -> bool {
    let plain = |command: &str| {
        let command = command.split('#').next().unwrap_or_default().replace("--quiet ", "");
        command.trim().to_owned()
    };
    let guide = fs::read_to_string(workspace().join("docs/guide.md")).unwrap();
    let has = |step| matches!(step, Step::Type { command: typed, .. } if plain(&typed).starts_with(&plain(command)));
    steps(&guide).into_iter().any(has)
}

/// Every command is typed or has a reason, and every reason is needed.
#[test]
fn every_command_is_typed_or_has_a_reason() {
    let commands = commands();
    assert!(commands.len() > 20, "{commands:?}");
    for (page, command) in &commands {
        let is_typed = command.starts_with("cargo xtask ") || is_in_guide(command);
        assert!(is_typed || why_not(command).is_some(), "{page}: no test types {command:?}");
    }
    for (part, _) in NOT_TYPED {
        let is_needed = commands.iter().any(|(_, command)| command.contains(part));
        assert!(is_needed, "nothing in the documentation has {part:?} any more");
    }
}

/// Commands that differ in names and values alone are one; but parts are all of a suite.
fn shape(command: &str) -> String {
    let command = command.split('#').next().unwrap_or_default();
    let words: Vec<&str> = command.split_whitespace().collect();
    let is_kept = |place: usize| {
        let word = words[place];
        place < 3 || word.starts_with("--") || word == "|" || words[place - 1] == "--shard"
    };
    let kept = (0..words.len()).filter(|place| is_kept(*place)).map(|place| words[place]);
    kept.collect::<Vec<_>>().join(" ")
}

/// A scenario like one of this repository's, but measured in a moment.
const SMALL: &str = r#"format = 2
question = "Does a tiny corpus load and unload in linear time?"
expectation = "Linear."
load_order = "unload-oldest-first"
count_with = []
artifact = { functions = 2, types = 0, body_size = 1 }
judge = ["load/unwind-tables-registered", "unload/page-faults"]
repetitions = 3
sizes = { from = 1, to = 16, factor = 2 }
control = { set = { tables = "strip" } }
"#;

/// In the place of Cargo: `cargo xtask …` is this program, in the small project.
const CARGO: &str = r#"#!/bin/sh
shift
verb=$1
shift
case $verb in judge) exec "$LOADLINE" judge "$@" ;; esac
exec "$LOADLINE" "$verb" "$@" --root "$ROOT"
"#;

#[test]
#[ignore = "slow: types every command of the documentation (minutes)"]
fn every_command_of_the_documentation_can_be_typed() {
    let project = Project::bare();
    project.write("xtask/scenarios/unload-oldest-first.toml", SMALL);
    let counted = SMALL.replace("count_with = []", "count_with = [\"count\"]");
    project.write("xtask/scenarios/load-bytes.toml", counted);
    let rows: Vec<String> =
        (4..12).map(|power| 1 << power).map(|n: u64| format!("{n},{}\n", n * 3)).collect();
    project.write("measurements.csv", rows.concat().repeat(3));
    fs::create_dir(project.path("bin")).unwrap();
    project.script("bin/cargo", CARGO);
    let set = |value: &str| Some(value.to_owned());
    let path = std::env::var("PATH").unwrap();
    let mut reader = Reader {
        folder: project.root(),
        environment: vec![
            ("PATH", Some(format!("{}:{path}", project.path("bin").display()))),
            ("LOADLINE", set(env!("CARGO_BIN_EXE_loadline"))),
            ("ROOT", Some(project.root().display().to_string())),
            ("TMPDIR", set(env!("CARGO_TARGET_TMPDIR"))),
            ("GITHUB_STEP_SUMMARY", Some(project.path("summary").display().to_string())),
        ],
    };
    let mut commands: Vec<(String, String)> =
        commands().into_iter().filter(|(_, command)| !is_in_guide(command)).collect();
    commands.retain(|(_, command)| why_not(command).is_none());
    // What others read is measured first, and accepted.
    let rank = |command: &str| {
        ["baseline ", "regress "]
            .iter()
            .position(|verb| command.starts_with(&format!("cargo xtask {verb}")))
    };
    commands.sort_by_key(|(_, command)| rank(command).unwrap_or(3));
    let mut typed = BTreeSet::new();
    for (page, command) in commands {
        if !typed.insert(shape(&command)) {
            continue;
        }
        if command.contains("| jq") && reader.types("command -v jq").0 != Some(0) {
            loadline_testing::skip!("{command}: jq is not installed here");
            continue;
        }
        let filled = fill(&command, &project);
        let (code, said) = reader.types(&filled);
        println!("{page}: {filled}: {code:?}");
        // A verdict is one; a mistake, or nothing done, is none.
        let is_answered = [Some(0), Some(3), Some(6)].contains(&code);
        assert!(is_answered, "{page}: {filled}: {code:?}\n{said}");
    }
}

/// `command` with what the reader is to fill in.
fn fill(command: &str, project: &Project) -> String {
    let sessions = fs::read_dir(project.path("target/regress")).into_iter().flatten();
    let mut sessions: Vec<PathBuf> = sessions.map(|entry| entry.unwrap().path()).collect();
    sessions
        .sort_by_key(|path| fs::metadata(path.join("session.json")).unwrap().modified().unwrap());
    if command.contains("--resume") {
        interrupt(sessions.last().unwrap());
    }
    let (text, comment) = command.split_once(" #").unwrap_or((command, ""));
    if text.contains(" merge ") {
        sessions.retain(|session| {
            fs::read_to_string(session.join("session.json")).unwrap().contains("\"shard\"")
        });
    }
    let n_sessions = text.matches("SESSION").count();
    let mut chosen = sessions.iter().rev().take(n_sessions.max(1)).rev();
    let mut text = text.to_owned();
    while let (Some(at), Some(session)) = (text.find("SESSION"), chosen.next()) {
        text.replace_range(at..at + "SESSION".len(), &session.display().to_string());
    }
    for scenario in fs::read_dir(workspace().join("xtask/scenarios")).unwrap() {
        let path = scenario.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if !project.path(&format!("xtask/scenarios/{name}.toml")).exists() {
            text = text.replace(&format!(" {name} "), " load-bytes ");
        }
    }
    let text = text.replace("NAME", "load-bytes").replace("FILE", "out").replace("TEXT", "reason");
    if comment.is_empty() { text } else { format!("{text} #{comment}") }
}

/// Takes its end from a session, as a power cut would.
fn interrupt(session: &Path) {
    let header = session.join("session.json");
    let mut value: serde_json::Value = serde_json::from_slice(&fs::read(&header).unwrap()).unwrap();
    value["finished"] = serde_json::Value::Null;
    fs::write(&header, value.to_string()).unwrap();
    let runs = fs::read_to_string(session.join("runs.jsonl")).unwrap();
    let kept: Vec<&str> = runs.lines().take(runs.lines().count() - 1).collect();
    fs::write(session.join("runs.jsonl"), kept.join("\n") + "\n").unwrap();
}
