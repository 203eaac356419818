//! The program as it is installed, in somebody's repository: away from the workspace it was built in.
//!
//! What is judged here are counts that a script says, so no verdict depends on the machine.

#![cfg(unix)]
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{HOST, HOST_SCENARIO, Project, Said};

/// A folder as `cargo install` fills it, beside a repository.
struct Installed {
    project: Project,
}

impl Installed {
    /// With a runner, or without.
    fn new(has_runner: bool) -> Installed {
        let project = Project::bare();
        fs::create_dir(project.path("bin")).unwrap();
        fs::create_dir(project.path("repository")).unwrap();
        fs::create_dir(project.path("tmp")).unwrap();
        let program = Path::new(env!("CARGO_BIN_EXE_loadline"));
        copy(program, &project.path("bin/loadline"));
        if has_runner {
            copy(&runner(program), &project.path("bin/loadline-runner"));
        }
        Installed { project }
    }

    fn write(&self, path: &str, text: &str) {
        self.project.write(&format!("repository/{path}"), text);
    }

    fn read(&self, path: &str) -> String {
        self.project.read(&format!("repository/{path}"))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.project.path("repository")).env_clear();
        command.env("PATH", "/usr/local/bin:/usr/bin:/bin");
        command.env("TMPDIR", self.project.path("tmp"));
        command
    }

    fn loadline(&self, arguments: &[&str]) -> Said {
        let program = self.project.path("bin/loadline").display().to_string();
        self.project.said(self.command(&program).args(arguments).output().unwrap())
    }

    fn git(&self, arguments: &[&str]) {
        let identity = ["-c", "user.name=n", "-c", "user.email=e", "-c", "init.defaultBranch=main"];
        let output = self.command("git").args(identity).args(arguments).output().unwrap();
        assert!(output.status.success(), "git {arguments:?}: {output:?}");
    }
}

/// Hard links name one file, and what is told by its place would still lie in the workspace.
fn copy(from: &Path, to: &Path) {
    // Another process does it: what this one has open for writing cannot be started.
    assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
}

/// The workspace's runner, which lies beside its program.
fn runner(program: &Path) -> PathBuf {
    let target = program.parent().unwrap().parent().unwrap();
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--package", "loadline-runner"])
        .env("CARGO_TARGET_DIR", target);
    cargo.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."));
    assert!(cargo.status().unwrap().success());
    program.with_file_name("loadline-runner")
}

#[test]
fn what_is_not_there_is_said_with_what_to_do() {
    let installed = Installed::new(false);
    let nowhere = installed.loadline(&["list"]);
    assert_eq!(
        nowhere.refusal(),
        "exit 2\nerror: there is no loadline.toml in ROOT/repository or above (loadline init writes one; --root DIR names the repository)\n"
    );
    installed.write("loadline.toml", "format = 1\nscenarios = \"perf\"\noutput = \"out\"\n");
    installed.write("perf/host.toml", HOST_SCENARIO);
    let alone = installed.loadline(&["regress"]);
    assert_eq!(alone.code, Some(1));
    assert!(
        alone.stderr.contains(
            "cannot find loadline-runner beside this program or in PATH (cargo install --git "
        ),
        "{}",
        alone.stderr
    );
    // A program of that name that is none.
    installed.project.script("bin/loadline-runner", "#!/bin/sh\necho hello\n");
    let stranger = installed.loadline(&["regress"]);
    assert_eq!(stranger.code, Some(1));
    assert!(stranger.stderr.contains("the runner's answer is no message"), "{}", stranger.stderr);
    let elsewhere = installed.loadline(&["regress", "--against-wasmtime", "49.0.1"]);
    assert_eq!(elsewhere.code, Some(2));
    assert!(elsewhere.stderr.contains("an installed runner has the Wasmtime it was built with"));
}

/// The settings of the repository hold wherever in it the program is started, and another revision
/// of its own programs is measured beside the one that is there.
#[test]
#[ignore = "slow: two sessions of two builds each (a minute)"]
fn a_revision_of_somebodys_program_is_judged_against_another() {
    let installed = Installed::new(true);
    let settings = "format = 1\nscenarios = \"perf\"\noutput = \"out\"\nbuild = [\"sh\", \"build.sh\"]\nbudget_seconds = 0\n";
    installed.write("loadline.toml", settings);
    installed.write("perf/host.toml", HOST_SCENARIO);
    installed.write("build.sh", "sed \"s/STEPS/$(cat steps)/\" host.in > host.sh\n");
    installed.write("host.in", HOST);
    installed.write("steps", "12 * $1");
    installed.write(".gitignore", "/out\nhost.sh\n");
    installed.git(&["init", "--quiet"]);
    installed.git(&["add", "."]);
    installed.git(&["commit", "--quiet", "--message", "linear"]);
    installed.write("steps", "12 * $1 + $1 * $1");
    let worse = installed.loadline(&["regress", "--against", "HEAD"]);
    assert_eq!(worse.code, Some(3), "{}", worse.refusal());
    assert!(worse.stdout.contains("REGRESSED"), "{}", worse.stdout);
    assert!(!worse.stdout.contains("cargo xtask"), "{}", worse.stdout);
    assert!(worse.stdout.contains("loadline "), "{}", worse.stdout);
    assert!(fs::exists(installed.project.path("repository/out/regress")).unwrap());
    installed.write("steps", "12 * $1");
    let same = installed.loadline(&["regress", "--against", "HEAD"]);
    assert_eq!(same.code, Some(0), "{}", same.refusal());
    installed.write("build.sh", "echo no compiler >&2; exit 9\n");
    let broken = installed.loadline(&["regress"]);
    assert_eq!(broken.code, Some(1));
    assert!(broken.stderr.contains("failed (exit status: 9)"), "{}", broken.stderr);
}

#[test]
fn a_starting_point_is_written_once() {
    let installed = Installed::new(false);
    installed.write("host.py", "import wasmtime\n");
    let first = installed.loadline(&["init"]);
    expect_test::expect![[r#"
        exit 0
        found a Python program that uses Wasmtime: host.py
        wrote loadline.toml
        wrote loadline/scenarios/my-program.toml
        wrote .github/workflows/loadline.yml
        wrote .gitignore: /.loadline
        next: have the program load as many modules as its argument says (loadline/scenarios/my-program.toml), then
            loadline regress                                  # measures and judges
            loadline baseline --reason "first capture"        # accepts what it costs now
            git add loadline.toml loadline .github .gitignore    # and commit both
    "#]]
    .assert_eq(&first.refusal());
    installed.write("loadline.toml", "format = 1\n");
    let second = installed.loadline(&["init"]);
    assert!(
        second.stdout.contains("kept  loadline.toml (--force writes it anew)"),
        "{}",
        second.stdout
    );
    assert!(second.stdout.contains("kept  .gitignore"), "{}", second.stdout);
    assert_eq!(installed.read("loadline.toml"), "format = 1\n");
    installed.loadline(&["init", "--force"]);
    assert!(installed.read("loadline.toml").contains("scenarios = \"loadline/scenarios\""));
    assert_eq!(installed.read(".gitignore"), "/.loadline\n");
}

#[test]
fn shells_and_manuals_know_every_command() {
    let installed = Installed::new(false);
    for shell in ["bash", "zsh", "fish"] {
        let said = installed.loadline(&["completions", shell]);
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        for verb in ["regress", "baseline", "init", "man"] {
            assert!(said.stdout.contains(verb), "{shell} does not know {verb}");
        }
    }
    assert!(installed.loadline(&["man"]).stdout.contains("loadline\\-regress(1)"));
    let said = installed.loadline(&["man", "--folder", "pages"]);
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    let page = installed.read("pages/loadline-regress.1");
    assert!(page.contains("\\-\\-against"), "{page}");
}
