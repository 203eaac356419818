//! The program as it is installed, in a user's repository, away from the workspace it was built in.

#![cfg(unix)]
use crate::common::HOST_SCENARIO;
use crate::common::installed::Installed;

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
            "cannot find loadline-runner next to this program or in PATH (cargo install --git "
        ),
        "{}",
        alone.stderr
    );
    // A program of that name that is none.
    installed.project.script("bin/loadline-runner", "#!/bin/sh\necho hello\n");
    let stranger = installed.loadline(&["regress"]);
    assert_eq!(stranger.code, Some(1));
    assert!(
        stranger.stderr.contains("the runner's answer is not a message"),
        "{}",
        stranger.stderr
    );
    let elsewhere = installed.loadline(&["regress", "--against-wasmtime", "49.0.1"]);
    assert_eq!(elsewhere.code, Some(2));
    assert!(elsewhere.stderr.contains("an installed runner has the Wasmtime it was built with"));
}

#[test]
fn a_starting_point_is_written_once() {
    let installed = Installed::new(false);
    installed.write("host.py", "import wasmtime\n");
    let first = installed.loadline(&["init"]);
    expect_test::expect![[r#"
        exit Some(0)
        found a Python program that uses Wasmtime: host.py
        wrote loadline.toml
        wrote loadline/scenarios/my-program.toml
        wrote .github/workflows/loadline.yml
        wrote .gitignore: /.loadline
        next:
            loadline regress                                  # measures my-program and judges
            loadline baseline --reason "first capture"        # accepts what it costs now
            git add loadline.toml loadline .github .gitignore    # and commit both
    "#]]
    .assert_eq(&format!("exit {:?}\n{}", first.code, first.stdout));
    assert!(first.stderr.starts_with("did not run it: cannot find loadline-runner"));
    installed.write("loadline.toml", "format = 1\n");
    let second = installed.loadline(&["init"]);
    assert!(
        second.stdout.contains("kept  loadline.toml (--force replaces it)"),
        "{}",
        second.stdout
    );
    assert!(second.stdout.contains("kept  .gitignore"), "{}", second.stdout);
    assert_eq!(installed.read("loadline.toml"), "format = 1\n");
    installed.loadline(&["init", "--force"]);
    assert!(installed.read("loadline.toml").contains("scenarios = \"loadline/scenarios\""));
    assert_eq!(installed.read(".gitignore"), "/.loadline\n");
}

/// A wrong path shows at once, and nothing is left behind. A right one is measured without a red line.
#[test]
fn a_starting_point_is_run_once() {
    let installed = Installed::sure();
    let nothing = installed.loadline(&["init"]);
    assert_eq!(nothing.code, Some(2));
    assert!(nothing.stderr.contains("loadline init -- COMMAND {n}"), "{}", nothing.stderr);
    let command = ["init", "--", "sh", "host.sh", "{n}"];
    let missing = installed.loadline(&command);
    assert_eq!(missing.code, Some(1), "{}", missing.refusal());
    assert!(
        missing.stderr.contains("the first run failed, so no file was changed: "),
        "{}",
        missing.stderr
    );
    for path in ["loadline.toml", "loadline", ".github", ".gitignore"] {
        assert!(!installed.path(path).exists(), "{path} was left behind");
    }
    let host =
        "echo loadline:phase=load\ni=0\nwhile [ $i -lt $(($1 * 100)) ]; do i=$((i + 1)); done\n";
    installed.write("host.sh", host);
    let found = installed.loadline(&command);
    assert_eq!(found.code, Some(0), "{}", found.refusal());
    assert!(found.stdout.contains("\nran it once at N = 64, in "), "{}", found.stdout);
    let scenario = installed.read("loadline/scenarios/my-program.toml");
    assert!(scenario.contains("\njudge = [\"load/task-clock\"]\n"), "{scenario}");
    let measured = installed.loadline(&[
        "regress",
        "--budget=0",
        "--set",
        "unit=row",
        "--set",
        "count_with=[]",
    ]);
    assert_eq!(measured.code, Some(0), "{}", measured.refusal());
    assert!(measured.stdout.contains("\nwasmtime: the command's own, "), "{}", measured.stdout);
    assert!(!measured.stdout.contains("module"), "{}", measured.stdout);
    // A second starting point would only repeat the question.
    let again = installed.loadline(&["init"]);
    assert!(again.stdout.starts_with("kept  loadline/scenarios (it has scenarios)\n"));
}

#[test]
fn shells_know_every_command() {
    let installed = Installed::new(false);
    for shell in ["bash", "zsh", "fish"] {
        let said = installed.loadline(&["completions", shell]);
        assert_eq!(said.code, Some(0), "{}", said.stderr);
        for verb in ["regress", "baseline", "init", "fetch"] {
            assert!(said.stdout.contains(verb), "{shell} does not know {verb}");
        }
    }
}
