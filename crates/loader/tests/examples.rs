//! Runs the example programs.
#![cfg(all(unix, feature = "compile"))]
#![allow(clippy::unwrap_used)]

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// Returns the output of an example. Returns `None` and prints the reason if Cargo has not built it.
fn output(example: &str, arguments: &[&str]) -> Option<String> {
    output_after("", example, arguments)
}

/// Does the same as [`output`] after a command of the shell, for example one that sets a limit.
fn output_after(command: &str, example: &str, arguments: &[&str]) -> Option<String> {
    let test = std::env::current_exe().unwrap();
    let built = test.parent()?.parent()?.join("examples").join(example);
    if !built.exists() {
        loadline_testing::skip!("{} was not built with this test", built.display());
        return None;
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{command}\nexec \"$0\" \"$@\"")]).arg(built).args(arguments);
    let output = shell.env_remove("PACK_KEY").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

#[test]
fn plugins_are_reloaded_and_a_broken_one_is_not() {
    let Some(text) = output("plugin_host", &[]) else { return };
    let answers: Vec<&str> = text.lines().filter(|line| line.contains("answer")).collect();
    let line = |answer| format!("adder.wat: answer(1) = {answer}");
    assert_eq!(answers, [line(2), line(21), line(21)]);
}

#[test]
fn tenants_come_and_go() {
    let Some(text) = output("tenants", &["30", "5", "300"]) else { return };
    assert!(text.starts_with("300 requests to 30 tenants"), "{text}");
}

#[test]
fn a_pack_is_built() {
    let Some(text) = output("build_pack", &[]) else { return };
    assert!(text.starts_with("double: 1 functions"), "{text}");
}

#[test]
#[cfg(target_os = "linux")]
fn workers_share_a_pack() {
    let Some(text) = output("workers", &["3", "10"]) else { return };
    assert_eq!(text, "3 workers loaded 10 tenants from one copy of the pack\n");
}

#[test]
fn an_async_host_answers() {
    let Some(text) = output("async_host", &[]) else { return };
    assert_eq!(text, "answers: [0, 1, 2, 3]\n");
}

#[test]
fn plugins_are_replaced_while_requests_are_served() {
    let Some(text) = output("hot_reload", &["200", "4000"]) else { return };
    assert_eq!(text, "4000 requests to 200 plugins, 3 reloads, 0 failed\n");
}

/// The budget would keep 150 plugins, each with a descriptor.
#[test]
fn plugins_are_replaced_with_few_descriptors() {
    let few = output_after("ulimit -n 128", "hot_reload", &["200", "4000"]);
    let Some(text) = few else { return };
    assert_eq!(text, "4000 requests to 200 plugins, 3 reloads, 0 failed\n");
}

/// A process that is ended when this value is dropped.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Builds a copy of the example that is not in the workspace. Returns `None` and prints the reason if Cargo
/// cannot get its packages.
fn remote_store() -> Option<PathBuf> {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let workspace = crate_folder.ancestors().nth(2).unwrap();
    let example = workspace.join("examples/remote-store");
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("remote-store");
    fs::create_dir_all(copy.join("src")).unwrap();
    fs::copy(example.join("src/main.rs"), copy.join("src/main.rs")).unwrap();
    // The same releases as in the workspace.
    fs::copy(workspace.join("Cargo.lock"), copy.join("Cargo.lock")).unwrap();
    let manifest = fs::read_to_string(example.join("Cargo.toml")).unwrap();
    let path = crate_folder.to_str().unwrap();
    assert!(manifest.contains("\"../../crates/loader\""));
    fs::write(copy.join("Cargo.toml"), manifest.replace("../../crates/loader", path)).unwrap();

    let cargo = |arguments: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(arguments).current_dir(&copy).env("CARGO_TARGET_DIR", copy.join("target"));
        cargo.output().unwrap()
    };
    let fetched = cargo(&["fetch"]);
    if !fetched.status.success() {
        let reason = String::from_utf8_lossy(&fetched.stderr).into_owned();
        let first = reason.lines().find(|line| line.starts_with("error")).unwrap_or("no reason");
        loadline_testing::skip!("cargo fetch of examples/remote-store: {first}");
        return None;
    }
    let built = cargo(&["build", "--offline", "--config", "profile.dev.debug=false"]);
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Some(copy.join("target/debug/remote-store"))
}

#[test]
#[ignore = "slow: compiles Wasmtime for a program outside the workspace (minutes)"]
fn a_module_is_compiled_in_one_process_and_loaded_in_another() {
    let Some(program) = remote_store() else { return };
    let wasm = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/remote-store/answer.wat");
    let home = tempfile::tempdir().unwrap();
    for (secret, byte) in [("secret", 7), ("other", 8)] {
        let secret = home.path().join(secret);
        fs::write(&secret, [byte; 32]).unwrap();
        fs::set_permissions(&secret, Permissions::from_mode(0o600)).unwrap();
    }
    let run = |arguments: &[&str]| {
        let mut program = Command::new(&program);
        program.args(arguments).current_dir(&home);
        program
    };
    let serve = ["serve", "secret", "built", wasm.to_str().unwrap(), "127.0.0.1:0"];
    let mut server = Ended(run(&serve).stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let (address, key) = line.trim().split_once(" has ").unwrap();
    let fetch = |secret, folder, key: &str| -> Output {
        run(&["fetch", secret, folder, address, key]).output().unwrap()
    };
    let answer =
        |output: Output| (String::from_utf8(output.stdout).unwrap(), output.status.success());
    let right = || ("answer() = 42\n".to_owned(), true);

    assert_eq!(answer(fetch("secret", "fetched", key)), right());
    let other = fetch("other", "of another", key);
    let text = String::from_utf8_lossy(&other.stderr).into_owned();
    assert!(!other.status.success() && text.contains("Altered"), "{text}");
    let unknown = fetch("secret", "fetched", &"0".repeat(64));
    let text = String::from_utf8_lossy(&unknown.stderr).into_owned();
    assert!(!unknown.status.success() && text.contains("404"), "{text}");
    drop(server);
    assert_eq!(answer(fetch("secret", "fetched", key)), right());
}
