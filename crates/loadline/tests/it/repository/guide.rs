//! The guide for newcomers, typed word for word: from a clone to a red build.

#![cfg(unix)]
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::clone::libraries;
use crate::common::pages::{Reader, Step, missing, steps};
use tempfile::TempDir;

fn workspace() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
}

/// A newcomer's machine: an empty folder, the repository where the guide says it is, and nothing of
/// this workspace's in the environment.
fn newcomer(home: &TempDir) -> Reader {
    let folder = home.path().canonicalize().unwrap();
    for name in ["installed", "work", "tmp"] {
        fs::create_dir(folder.join(name)).unwrap();
    }
    let text = |path: PathBuf| Some(path.display().to_string());
    let path = std::env::var("PATH").unwrap();
    let set = |value: &str| Some(value.to_owned());
    let url = concat!("url.file://", env!("CARGO_MANIFEST_DIR"), "/../...insteadOf");
    let url = url.replace("/crates/loadline/../..", "");
    let environment = vec![
        ("GIT_CONFIG_COUNT", set("1")),
        ("GIT_CONFIG_KEY_0", Some(url)),
        ("GIT_CONFIG_VALUE_0", set("https://github.com/loadline/loadline")),
        ("GIT_AUTHOR_NAME", set("newcomer")),
        ("GIT_AUTHOR_EMAIL", set("newcomer@example.com")),
        ("GIT_COMMITTER_NAME", set("newcomer")),
        ("GIT_COMMITTER_EMAIL", set("newcomer@example.com")),
        ("CARGO_INSTALL_ROOT", text(folder.join("installed"))),
        ("CARGO_TARGET_DIR", text(folder.join("target"))),
        ("CARGO_NET_OFFLINE", set("true")),
        ("CARGO_MANIFEST_DIR", None),
        ("TMPDIR", text(folder.join("tmp"))),
        ("PATH", Some(format!("{}:{path}", folder.join("installed/bin").display()))),
    ];
    Reader { folder: folder.join("work"), environment }
}

#[test]
#[ignore = "slow: builds the program and measures (minutes)"]
fn a_newcomer_gets_from_a_clone_to_a_red_build() {
    let page = fs::read_to_string(workspace().join("docs/ten-minutes.md")).unwrap();
    // Outside of this workspace: a program that lies within it is the workspace's own.
    let home = TempDir::new().unwrap();
    libraries(&home.path().join("target"));
    let mut reader = newcomer(&home);
    for step in steps(&page) {
        let (command, shown) = match step {
            Step::Save { name, text } => {
                fs::write(reader.folder.join(name), text).unwrap();
                continue;
            }
            Step::Type { command, shown } => (command, shown),
        };
        let started = std::time::Instant::now();
        let (code, said) = reader.types(&command);
        println!("$ {command}\n{said}({} s)", started.elapsed().as_secs());
        if code != Some(0) && command.contains("pip install") {
            return loadline_testing::skip!(
                "the wasmtime package cannot be installed here: {said}"
            );
        }
        if said.contains("exit code 6") {
            return loadline_testing::skip!("a session that was blind judges nothing");
        }
        assert_eq!(code, Some(0), "$ {command}\n{said}");
        assert_eq!(missing(&shown, &said), None, "$ {command}\n{said}");
        if command.contains("--against") {
            assert_is_compared(&reader.folder.join(".loadline/regress"));
        }
    }
}

/// Whether the newest session was decided by a comparison: it holds runs of both sides.
fn assert_is_compared(sessions: &Path) {
    let sessions = fs::read_dir(sessions).unwrap().map(|entry| entry.unwrap().path());
    let newest = sessions.max().unwrap();
    let read = |name: &str| fs::read_to_string(newest.join(name)).unwrap();
    let header: serde_json::Value = serde_json::from_str(&read("session.json")).unwrap();
    assert!(header["against"]["name"].as_str().unwrap().starts_with("HEAD~1 ("), "{header}");
    let runs = read("runs.jsonl");
    let runs = runs.lines().filter(|run| run.contains("\"scenario\":\"my-program\""));
    let (before, now): (Vec<&str>, Vec<&str>) =
        runs.partition(|run| run.contains("\"side\":\"before\""));
    assert!(!before.is_empty() && before.len() == now.len(), "{} {}", before.len(), now.len());
}
