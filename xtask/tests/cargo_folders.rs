//! Where Cargo puts what it builds, by a variable or by a file: what is measured is what was just
//! built, and the two sides of a comparison never share a folder.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;
use std::process::Command;

use common::installed::Installed;
use common::{HOST_SCENARIO, Said};

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
