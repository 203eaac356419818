//! Where Cargo puts what it builds, by a variable or by a file: what is measured is what was just
//! built, and the two sides of a comparison never share a folder.

#![cfg(unix)]
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::clone::{Clone, libraries};
use crate::common::installed::Installed;
use crate::common::{HOST_SCENARIO, Said};

const SETTINGS: &str = "format = 1\nscenarios = \"perf\"\noutput = \"target/loadline\"\nbudget_seconds = 0\nbuild = [\"cargo\", \"build\", \"--quiet\", \"--release\", \"--offline\"]\n";

fn program(steps: &str) -> String {
    format!(
        "fn main() {{\n    let n: u64 = std::env::args().nth(1).unwrap().parse().unwrap();\n    println!(\"loadline:phase=load\\nloadline:metric=steps:{{}}:count\", {steps});\n}}\n"
    )
}

/// A repository with a host in Rust, as `init` would have it.
fn repository() -> Installed {
    let installed = Installed::sure();
    installed.write("loadline.toml", SETTINGS);
    let command = "\"target/release/folders-host\"";
    let scenario = HOST_SCENARIO.replace("\"sh\", \"host.sh\"", command);
    installed.write("perf/host.toml", &scenario);
    installed.write(".gitignore", "/target\n/elsewhere\n");
    let manifest = "[package]\nname = \"folders-host\"\nversion = \"0.0.0\"\nedition = \"2024\"\n";
    installed.write("Cargo.toml", manifest);
    installed.write("src/main.rs", &program("12 * n"));
    installed
}

fn loadline(installed: &Installed, variable: Option<(&str, &Path)>, arguments: &[&str]) -> Said {
    let program = installed.project.path("bin/loadline").display().to_string();
    let mut command: Command = installed.command(&program);
    // Cargo and rustc as they are here.
    for name in ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command.envs(variable);
    installed.project.said(command.args(arguments).output().unwrap())
}

fn ends(said: &Said, code: i32) {
    assert_eq!(said.code, Some(code), "{}", said.refusal());
}

/// Two clones of this workspace whose Cargo builds in one folder: each measures by its own program and
/// its own runner, and finds its own scenarios, whichever was built last.
#[test]
#[ignore = "slow: builds the workspace's own crates twice (minutes)"]
fn two_clones_share_one_target_folder() {
    let clones = [Clone::new(), Clone::new()];
    let target = clones[0].path("target");
    libraries(&target);
    for (clone, name) in clones.iter().zip(["first", "second"]) {
        for (file, before, after) in [
            (
                "crates/measure/src/project/folders.rs",
                "there is no scenario {name",
                "there is no scenario of NAME {name",
            ),
            (
                "crates/loadline/src/verbs/list.rs",
                "scenarios of the default suite:",
                "in the default suite of NAME:",
            ),
            (
                "crates/runner/src/environment.rs",
                "kernel: kernel()",
                "kernel: kernel() + \" of NAME\"",
            ),
        ] {
            let path = clone.sources().join(file);
            let text = fs::read_to_string(&path).unwrap();
            assert_eq!(text.matches(before).count(), 1, "{file} has another {before:?}");
            fs::write(&path, text.replace(before, &after.replace("NAME", name))).unwrap();
        }
        let scenario = clone.sources().join(format!("xtask/scenarios/of-{name}.toml"));
        fs::write(scenario, HOST_SCENARIO).unwrap();
    }
    // What one clone builds is younger than the files of the other.
    std::thread::sleep(std::time::Duration::from_secs(1));
    let cargo = |clone: &Clone, arguments: &[&str]| {
        let started = std::time::Instant::now();
        let mut cargo = Command::new(env!("CARGO"));
        cargo.arg("xtask").args(arguments).current_dir(clone.sources());
        cargo.env("CARGO_TARGET_DIR", &target).env("CARGO_NET_OFFLINE", "true");
        let output = cargo.env_remove("CARGO_MANIFEST_DIR").output().unwrap();
        println!("cargo xtask {}: {} s", arguments.join(" "), started.elapsed().as_secs());
        let said =
            String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("Compiling wasmtime "), "Wasmtime is compiled again: {said}");
        (output.status.code(), said.into_owned())
    };
    for (clone, name, other) in [(&clones[0], "first", "second"), (&clones[1], "second", "first")] {
        let (code, said) = cargo(clone, &["list"]);
        assert_eq!(code, Some(0), "{name}: {said}");
        for own in ["in the default suite of NAME:", "of NAME, ", "of-NAME "] {
            assert!(said.contains(&own.replace("NAME", name)), "{name}: no {own} in {said}");
            assert!(!said.contains(&own.replace("NAME", other)), "{name}: {own} in {said}");
        }
    }
    // Back in the first one, where nothing has changed.
    let (code, said) = cargo(&clones[0], &["list", "of-second"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("there is no scenario of first \"of-second\" ("), "{said}");
}

/// By its own curve a quadratic count is red, and yesterday's program would hold.
#[test]
fn the_program_that_was_just_built_is_measured() {
    let elsewhere = |installed: &Installed| installed.path("elsewhere");
    for way in ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "CARGO_BUILD_BUILD_DIR", "file"] {
        let installed = repository();
        installed.commit("linear");
        ends(&loadline(&installed, None, &["regress"]), 0);
        installed.write("src/main.rs", &program("12 * n + n * n"));
        let folder = elsewhere(&installed);
        let variable = (way != "file").then_some((way, folder.as_path()));
        if way == "file" {
            installed.write(".cargo/config.toml", "build.target-dir = \"elsewhere\"\n");
        }
        ends(&loadline(&installed, variable, &["regress"]), 3);
        let worse = loadline(&installed, variable, &["regress", "--against", "HEAD"]);
        ends(&worse, 3);
        let is_moved = way != "CARGO_BUILD_BUILD_DIR";
        let own = if is_moved {
            folder.join("loadline-against")
        } else {
            installed.path("target/loadline/against")
        };
        // Kept for the next time.
        assert!(own.join("build/release/folders-host").is_file(), "{way}: {}", worse.stderr);
        installed.commit("quadratic");
        installed.write("src/main.rs", &format!("{}// the same\n", program("12 * n + n * n")));
        ends(&loadline(&installed, variable, &["regress", "--against", "HEAD"]), 0);
        installed.write("src/main.rs", &program("12 * n"));
        let better = loadline(&installed, variable, &["regress", "--against", "HEAD"]);
        ends(&better, 0);
        assert!(better.stdout.contains("improved"), "{way}: {}", better.refusal());
    }
}
