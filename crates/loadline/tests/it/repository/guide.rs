//! The pages for newcomers, typed word for word from an empty folder: the guide, then the host in Python.
//!
//! With `LOADLINE_COLD=1` nothing is compiled beforehand, which shows how long the guide takes a newcomer.

#![cfg(unix)]
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::common::clone::libraries;
use crate::common::pages::{Reader, Step, missing, steps};
use tempfile::TempDir;

const URL: &str = "https://github.com/loadline/loadline";

fn workspace() -> PathBuf {
    fs::canonicalize(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap()
}

/// A newcomer's machine: an empty folder, the repository where the guide says it is, and nothing of
/// this workspace's in the environment.
fn newcomer(home: &Path) -> Reader {
    for name in ["installed", "work", "tmp"] {
        fs::create_dir(home.join(name)).unwrap();
    }
    let text = |path: PathBuf| Some(path.display().to_string());
    let path = std::env::var("PATH").unwrap();
    let set = |value: &str| Some(value.to_owned());
    let environment = vec![
        ("GIT_CONFIG_COUNT", set("1")),
        ("GIT_CONFIG_KEY_0", Some(format!("url.file://{}.insteadOf", workspace().display()))),
        ("GIT_CONFIG_VALUE_0", set(URL)),
        ("GIT_AUTHOR_NAME", set("newcomer")),
        ("GIT_AUTHOR_EMAIL", set("newcomer@example.com")),
        ("GIT_COMMITTER_NAME", set("newcomer")),
        ("GIT_COMMITTER_EMAIL", set("newcomer@example.com")),
        ("CARGO_INSTALL_ROOT", text(home.join("installed"))),
        ("CARGO_NET_GIT_FETCH_WITH_CLI", set("true")),
        ("CARGO_TARGET_DIR", None),
        ("CARGO_MANIFEST_DIR", None),
        ("TMPDIR", text(home.join("tmp"))),
        ("PATH", Some(format!("{}:{path}", home.join("installed/bin").display()))),
    ];
    Reader { folder: home.join("work"), environment }
}

/// Fetches the repository for the host's dependency on it. After that, Cargo can do without the network. The
/// package that asks for it needs nothing from a registry.
fn fetch(reader: &mut Reader, home: &Path) {
    let package = home.join("fetch");
    fs::create_dir_all(package.join("src")).unwrap();
    fs::write(package.join("src/lib.rs"), "").unwrap();
    let manifest = format!(
        "[package]\nname = \"fetch\"\nedition = \"2024\"\n[dependencies]\nloadline-testing = {{ git = \"{URL}\" }}\n"
    );
    fs::write(package.join("Cargo.toml"), manifest).unwrap();
    let (code, said) = reader.types(&format!("(cd {} && cargo fetch)", package.display()));
    assert_eq!(code, Some(0), "{said}");
    reader.environment.push(("CARGO_NET_OFFLINE", Some("true".to_owned())));
}

/// Compiles what only compiles plugins without optimising it. That saves minutes, and is not measured.
fn compile_less(home: &Path) {
    let packages = ["cranelift-codegen", "regalloc2", "wasmtime-internal-cranelift", "wasmparser"];
    let levels = packages.map(|name| format!("{name}.opt-level = 0\n")).concat();
    fs::create_dir(home.join(".cargo")).unwrap();
    let text = format!("[profile.release.package]\n{levels}");
    fs::write(home.join(".cargo/config.toml"), text).unwrap();
}

/// A target folder that holds Wasmtime. It is kept in this workspace's target folder between tests, but must not
/// be used there: Cargo would take what is built in it for a part of this workspace.
struct Warm {
    folder: PathBuf,
}

impl Warm {
    /// Moves the kept folder to `folder`. The first time, the folder has what this workspace has built, and the
    /// guide compiles Wasmtime for the host and for its other revision.
    fn at(folder: PathBuf) -> Warm {
        if !move_folder(&Self::kept(), &folder) {
            libraries(&folder);
        }
        Warm { folder }
    }

    fn kept() -> PathBuf {
        Path::new(env!("CARGO_TARGET_TMPDIR")).join("guide")
    }
}

impl Drop for Warm {
    fn drop(&mut self) {
        // What cannot be kept is built again.
        move_folder(&self.folder, &Self::kept());
    }
}

/// Moves a folder, if it exists. Unlike `fs::rename`, `mv` can move to another file system.
fn move_folder(from: &Path, to: &Path) -> bool {
    from.exists() && Command::new("mv").args([from, to]).status().is_ok_and(|mv| mv.success())
}

/// Types a page. Returns why the rest of it could not be typed here.
fn type_page(page: &str, reader: &mut Reader) -> Option<String> {
    let page = fs::read_to_string(workspace().join("docs").join(page)).unwrap();
    for step in steps(&page) {
        let (command, shown) = match step {
            Step::Save { name, text } => {
                fs::write(reader.folder.join(name), text).unwrap();
                continue;
            }
            Step::Type { command, shown } => (command, shown),
        };
        let started = Instant::now();
        let (code, said) = reader.types(&command);
        println!("$ {command}\n{said}({} s)", started.elapsed().as_secs());
        if code != Some(0) && command.contains("pip install") {
            return Some(format!("the wasmtime package cannot be installed here: {said}"));
        }
        if code == Some(6) || said.contains("exit code 6") {
            return Some("a session whose self-check failed judges nothing".to_owned());
        }
        if shown.iter().any(|line| line == "exit code 3") && !said.contains("libgcc-list") {
            return Some("nothing is red under the unwinder of this machine".to_owned());
        }
        assert_eq!(code, Some(0), "$ {command}\n{said}");
        assert_eq!(missing(&shown, &said), None, "$ {command}\n{said}");
        if command.contains("--against") {
            assert_is_compared(&reader.folder);
        }
    }
    None
}

#[test]
#[ignore = "slow: builds the program and measures (minutes)"]
fn a_newcomer_gets_from_an_empty_folder_to_a_red_build() {
    // Outside of this workspace: a program that lies within it is the workspace's own.
    let folder = TempDir::new().unwrap();
    let home = folder.path().canonicalize().unwrap();
    let mut reader = newcomer(&home);
    fetch(&mut reader, &home);
    let warm = std::env::var_os("LOADLINE_COLD").is_none().then(|| Warm::at(home.join("target")));
    if let Some(Warm { folder }) = &warm {
        compile_less(&home);
        reader.environment.push(("CARGO_TARGET_DIR", Some(folder.display().to_string())));
    }
    for page in ["guide.md", "howto/python-host.md"] {
        reader.folder = home.join("work");
        let started = Instant::now();
        let untyped = type_page(page, &mut reader);
        println!("{page}: {} s", started.elapsed().as_secs());
        if let Some(why) = untyped {
            return loadline_testing::skip!("{page}: {why}");
        }
    }
}

/// Whether the newest session below `host` was decided by a comparison: it holds runs of both sides.
fn assert_is_compared(host: &Path) {
    let sessions = fs::read_dir(host.join("target/loadline/regress"))
        .unwrap()
        .map(|entry| entry.unwrap().path());
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
