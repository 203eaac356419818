//! Whole sessions on commands: shell scripts in the place of a user's host program.
//!
//! What is judged here are counts that the scripts say, so no verdict depends on the machine.

#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[cfg(target_os = "linux")]
use crate::common::forbidden;
use crate::common::{Project, Said};

pub const SCENARIO: &str = r#"format = 2
question = "Does a script of mine stay linear?"
expectation = "Its unloading does not."
command = ["sh", "load.sh", "{n}"]
count_with = []
environment = { GROWTH = "quadratic" }
inherit = ["GIVEN", "ABSENT"]
check = "{n} done"
judge = ["load/reported", "unload/reported"]
observe = ["total/task-clock", "unload/wall-time"]
repetitions = 3
sizes = [64, 128, 256, 512, 1024]
"#;

const SCRIPT: &str = r#"
n=$1
echo loadline:phase=load
echo loadline:metric=frames:$((12 * n)):count
echo loadline:phase=unload
case $GROWTH in
    quadratic) echo loadline:metric=steps:$((n * n)):count ;;
    linear) echo loadline:metric=steps:$n:count ;;
esac
echo "loadline:check=$n done"
"#;

fn project(script: &str) -> Project {
    let project = Project::empty();
    project.write("xtask/scenarios/mine.toml", SCENARIO);
    project.write("load.sh", script);
    project
}

fn row<'a>(said: &'a Said, series: &str) -> &'a str {
    let row = said.stdout.lines().find(|line| line.contains(series) && line.starts_with(" mine"));
    row.unwrap_or_else(|| panic!("no row on {series} in {}{}", said.stdout, said.stderr))
}

fn only_session(project: &Project) -> PathBuf {
    let mut sessions = fs::read_dir(project.path("target/regress")).unwrap();
    sessions.next().unwrap().unwrap().path()
}

#[test]
fn the_growth_of_a_command_is_judged() {
    let project = project(SCRIPT);
    let said = project.run(&["regress", "-v", "--budget", "0"]);
    assert_eq!(said.code, Some(3), "{}{}", said.stdout, said.stderr);
    assert!(
        row(&said, "load/reported").ends_with("pass (against its expectation)"),
        "{}",
        said.stdout
    );
    assert!(row(&said, "unload/reported").contains("REGRESSED"), "{}", said.stdout);
    // What the caller's shell has is passed on by name alone.
    project.write("load.sh", format!("[ $GIVEN = yes ] && [ -z \"$OTHER\" ] || exit 9\n{SCRIPT}"));
    let arguments = ["regress", "-v", "--budget", "0", "--set", "environment.GROWTH=linear"];
    let mut linear = project.xtask(&arguments);
    let linear = project.said(linear.env("GIVEN", "yes").env("OTHER", "yes").output().unwrap());
    assert_eq!(linear.code, Some(0), "{}{}", linear.stdout, linear.stderr);
    let title = "mine:environment.GROWTH=linear";
    assert!(row(&linear, "unload/reported").contains(title), "{}", linear.stdout);
}

/// A count whose cost an item rises once is no growth, and no more repetitions tell that: two larger N are
/// added, and what is still open then stays so.
#[test]
fn a_step_in_cost_is_looked_at_with_a_larger_n() {
    let step = SCRIPT.replace("$((n * n))", "$((n < 300 ? n : 3 * n - 600))");
    let project = project(&step);
    let said = project.run(&["regress", "-v"]);
    assert!(said.stderr.contains("up to 40 s while series are undecided"), "{}", said.stderr);
    assert_eq!(said.code, Some(0), "{}", said.refusal());
    let session = only_session(&project);
    let header: serde_json::Value =
        serde_json::from_slice(&fs::read(session.join("session.json")).unwrap()).unwrap();
    let planned = header["scenarios"].as_array().unwrap();
    let mine = planned.iter().find(|planned| planned["scenario"] == "mine").unwrap();
    let added = mine["n_larger"].as_u64().unwrap();
    let top = mine["sizes"].as_array().unwrap().last().unwrap().as_u64().unwrap();
    assert_eq!(top, 1024 << added);
    assert!(added > 0 || row(&said, "unload/reported").contains("pass"), "{}", said.stdout);
    let again = project.run(&["report", "-v", session.to_str().unwrap()]);
    assert_eq!(row(&again, "unload/reported"), row(&said, "unload/reported"));
}

/// A container's seccomp profile, or a hosted machine, refuses `perf_event_open`: the command is judged
/// all the same, and the report says how.
#[cfg(target_os = "linux")]
#[test]
fn a_command_is_judged_where_perf_is_refused() {
    let judge = "judge = [\"load/reported\", \"unload/reported\"]";
    let observe = "observe = [\"total/task-clock\", \"unload/wall-time\"]";
    let clock = "judge = [\"run/task-clock\", \"run/page-faults\"]";
    let project =
        project("i=0; while [ $i -lt $1 ]; do i=$((i+1)); done; echo loadline:check=$1 done");
    let scenario = SCENARIO.replace(judge, clock).replace(observe, "");
    project.write("xtask/scenarios/mine.toml", scenario);
    let mut regress = project.xtask(&["regress", "-v", "--budget", "0", "--set", "repetitions=2"]);
    forbidden::forbid(&mut regress, &[libc::SYS_perf_event_open], libc::EPERM);
    let said = project.said(regress.output().unwrap());
    assert_ne!(said.code, Some(1), "{}{}", said.stdout, said.stderr);
    let by = "page-faults, task-clock: measured by CPU clocks and resource usage, because \
              perf_event_open is not permitted to this user (EACCES or EPERM)";
    assert!(said.stdout.contains(by), "{}", said.stdout);
    assert!(!said.stdout.contains("not counted: page-faults"), "{}", said.stdout);
    assert!(!said.stdout.contains("not counted: task-clock"), "{}", said.stdout);
    // The verdicts are those of a busy machine; that there are readings is not.
    assert!(!said.stdout.contains("not measurable here:"), "{}", said.stdout);
}

/// Where nothing judged can be counted, `baseline` says so before it measures.
#[cfg(target_os = "linux")]
#[test]
fn a_baseline_without_counters_is_refused_before_measuring() {
    let project = project(SCRIPT);
    let judge = "judge = [\"load/reported\", \"unload/reported\"]";
    let scenario = SCENARIO.replace(judge, "judge = [\"load/instructions\"]");
    project.write("xtask/scenarios/mine.toml", scenario);
    let mut baseline = project.xtask(&["baseline", "--reason", "first capture"]);
    forbidden::forbid(&mut baseline, &[libc::SYS_perf_event_open], libc::EPERM);
    let said = project.said(baseline.output().unwrap());
    assert_eq!(said.code, Some(1), "{}{}", said.stdout, said.stderr);
    let text = "none of its judged series can be counted here (load/instructions: not permitted";
    assert!(said.stderr.contains(text), "{}", said.stderr);
    assert_eq!(said.stdout, "");
    assert!(!project.path("target/regress").exists(), "a session was begun");
}

#[test]
fn a_command_that_does_wrong_fails_its_scenario() {
    let deeds = r#"case $1 in
    64) echo "no such artifact" >&2; exit 3 ;;
    128) echo loadline:check=127 done; exit ;;
    256) echo loadline:phase=unlod ;;
    512) echo loadline:phase=load; echo loadline:metric=a:1:count; echo "loadline:check=512 done"; exit ;;
    1024) sleep 600 & echo $! > child; wait ;;
esac"#;
    let project = project(&format!("{deeds}\n{SCRIPT}"));
    let set = ["--set", "repetitions=1", "--set", "timeout_seconds=20"];
    let said = project.run(&[&["regress", "-v", "--budget", "0"], &set[..]].concat());
    assert_eq!(said.code, Some(1), "{}{}", said.stdout, said.stderr);
    let failures = said.stdout.lines().filter(|line| line.starts_with("failed: mine: "));
    let mut failures: Vec<&str> = failures.collect();
    failures.sort_unstable();
    expect_test::expect![[r#"
        failed: mine: N = 1024, repetition 1: ended after 20 s (timeout_seconds in the scenario sets the limit)
        failed: mine: N = 128, repetition 1: the command printed loadline:check=127 done instead of 128 done
        failed: mine: N = 256, repetition 1: the command printed "loadline:phase=unlod", which is not valid: unknown phase "unlod" (known: read, deserialize, load, call, unwind, backtrace, trap, panic, instantiate, register, deregister, unload, total, work, run); or none
        failed: mine: N = 512, repetition 1: the run did not do the requested work: unload/reported is judged, but the command has not marked it (a line loadline:phase=unload begins it; without any such line everything is run)
        failed: mine: N = 64, repetition 1: the command ended with exit code 3 instead of 0; the end of its standard error: no such artifact"#]].assert_eq(&failures.join("\n"));
    let child = project.read("child");
    // An ended process has a folder until its parent has waited for it, but no program.
    let program = Path::new("/proc").join(child.trim()).join("exe");
    assert!(fs::read_link(program).is_err(), "what the command had started is still there");
}

#[test]
fn a_program_that_is_not_there_fails_every_run() {
    let project = project(SCRIPT);
    let said = project.run(&["regress", "-v", "--set", "command=[\"./gone\"; \"{n}\"]"]);
    assert_eq!(said.code, Some(2), "not TOML: {}{}", said.stdout, said.stderr);
    project.write("xtask/scenarios/mine.toml", SCENARIO.replace("\"sh\"", "\"no-such-program\""));
    let said = project.run(&["regress", "-v", "--budget", "0", "--set", "repetitions=1"]);
    assert_eq!(said.code, Some(1), "{}{}", said.stdout, said.stderr);
    assert!(
        said.stdout.contains("cannot start \"no-such-program\": No such file"),
        "{}",
        said.stdout
    );
}

/// The Rust program that marks its phases with `loadline-harness`.
fn harness_host() -> PathBuf {
    let host = Path::new(env!("CARGO_BIN_EXE_loadline")).with_file_name("examples/host");
    assert!(host.exists(), "cargo build --package loadline-harness --example host");
    host
}

#[test]
fn a_host_with_the_harness_is_judged_by_phase() {
    let host = harness_host();
    let project = Project::empty();
    let scenario = |kind: &str| {
        SCENARIO
            .replace(r#"["sh", "load.sh", "{n}"]"#, &format!("[{host:?}, \"{{n}}\", {kind:?}]"))
            .replace(r#""{n} done""#, "\"{n}\"\nacknowledge = true")
            .replace(r#"observe = ["total/task-clock", "unload/wall-time"]"#, "")
    };
    project.write("xtask/scenarios/mine.toml", scenario("list"));
    let list = project.run(&["regress", "-v", "--budget", "0"]);
    assert_eq!(list.code, Some(3), "{}{}", list.stdout, list.stderr);
    assert!(
        row(&list, "load/reported").ends_with("pass (against its expectation)"),
        "{}",
        list.stdout
    );
    assert!(row(&list, "unload/reported").contains("REGRESSED"), "{}", list.stdout);
    project.write("xtask/scenarios/mine.toml", scenario("queue"));
    let queue = project.run(&["regress", "-v", "--budget", "0"]);
    assert_eq!(queue.code, Some(0), "{}{}", queue.stdout, queue.stderr);
}

/// `--quick` measures nothing by the clock, so a command that fails is met under callgrind.
#[cfg(target_os = "linux")]
#[test]
fn a_command_that_fails_is_no_success_of_quick() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        loadline_testing::skip!("valgrind is not installed");
        return;
    }
    let project = project("echo it broke >&2; exit 7\n");
    project.write("xtask/scenarios/mine.toml", SCENARIO.replace("count_with = []\n", ""));
    let said = project.run(&["regress", "-v", "--quick"]);
    assert_eq!(said.code, Some(1), "{}{}", said.stdout, said.stderr);
    assert!(said.stdout.contains("it broke"), "{}", said.stdout);
}

/// Looks every name up in a list, as a commit may do.
const C_HOST: &str = r#"
#include <stdio.h>
#include <stdlib.h>
static int names[4096], count;
__attribute__((noinline)) static int find(int name) {
    for (int i = 0; i < count; i++) if (names[i] == name) return i;
    return -1;
}
int main(int argc, char **argv) {
    int n = argc > 1 ? atoi(argv[1]) : 0;
    for (int i = 0; i < n; i++) if (find(i) < 0) names[count++] = i;
    printf("loadline:check=%d done\n", count);
}
"#;

/// A command's instructions are counted without its help, and by phase where it uses the harness. The
/// function that grows is named.
#[test]
fn the_function_of_a_command_that_grows_is_named() {
    let has = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if !has("valgrind") || !has("cc") {
        loadline_testing::skip!("valgrind or cc is not installed");
        return;
    }
    let project = Project::empty();
    project.write("host.c", C_HOST);
    let mut build = Command::new("cc");
    let built = build.args(["-O1", "-g", "-o", "host", "host.c"]).current_dir(project.root());
    assert!(built.status().unwrap().success());
    let scenario = |command: &str, judge: &str| {
        SCENARIO
            .replace(r#"["sh", "load.sh", "{n}"]"#, command)
            .replace(r#""load/reported", "unload/reported""#, judge)
            .replace(r#"observe = ["total/task-clock", "unload/wall-time"]"#, "")
    };
    let whole = scenario(r#"["./host", "{n}"]"#, r#""run/callgrind-instructions""#);
    project.write("xtask/scenarios/mine.toml", whole);
    let command = format!("[{:?}, \"{{n}}\", \"list\"]", harness_host());
    let phases = r#""load/callgrind-instructions", "unload/callgrind-instructions""#;
    let phases = scenario(&command, phases).replace(r#""{n} done""#, r#""{n}""#);
    project.write("xtask/scenarios/mine-by-phase.toml", phases);
    let said = project.run(&["regress", "-v", "--budget", "0"]);
    assert_eq!(said.code, Some(3), "{}{}", said.stdout, said.stderr);
    assert!(row(&said, "run/callgrind-instructions").contains("REGRESSED"), "{}", said.stdout);
    assert!(row(&said, "unload/callgrind-instructions").contains("REGRESSED"), "{}", said.stdout);
    assert!(row(&said, " load/callgrind-instructions").contains("pass"), "{}", said.stdout);
    assert!(said.stdout.contains("function behind it, by callgrind: find "), "{}", said.stdout);
}

/// A shell script whose phases cost instructions: one grows with N, the other with its square.
const LOOPS: &str = r#"
phase() { echo "loadline:phase=$1"; if [ -n "$LOADLINE_ACK" ]; then read -r answer; fi; }
phase load
i=0; while [ $i -lt $1 ]; do i=$((i+1)); done
phase unload
i=0; while [ $i -lt $(($1 * $1 / 8)) ]; do i=$((i+1)); done
phase none
echo "loadline:check=$1 done"
"#;

/// A program that knows nothing of callgrind is counted by phase while it waits for the answers. Where
/// ptrace is refused it is counted as a whole, and the report says so.
#[cfg(target_os = "linux")]
#[test]
fn phases_are_separated_while_the_command_waits() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        loadline_testing::skip!("valgrind is not installed");
        return;
    }
    let project = project(LOOPS);
    let judge = "\"load/callgrind-instructions\", \"unload/callgrind-instructions\", \
                 \"run/callgrind-instructions\"";
    let scenario = SCENARIO
        .replace(r#""load/reported", "unload/reported""#, judge)
        .replace(r#"observe = ["total/task-clock", "unload/wall-time"]"#, "")
        .replace("check =", "acknowledge = true\ncallgrind_sizes = [8, 16, 32, 64, 128]\ncheck =");
    project.write("xtask/scenarios/mine.toml", scenario);
    let mut refused = project.xtask(&["regress", "-v", "--budget", "0"]);
    forbidden::forbid(&mut refused, &[libc::SYS_ptrace], libc::EPERM);
    let refused = project.said(refused.output().unwrap());
    assert_eq!(refused.code, Some(3), "{}{}", refused.stdout, refused.stderr);
    let reason = "callgrind counts the program as a whole, not by phase";
    assert!(refused.stdout.contains(reason), "{}", refused.stdout);
    assert!(row(&refused, "run/callgrind-instructions").contains("REGRESSED"));
    let said = project.run(&["regress", "-v", "--budget", "0"]);
    if said.stdout.contains(reason) {
        loadline_testing::skip!("vgdb does not work on this machine");
        return;
    }
    assert_eq!(said.code, Some(3), "{}{}", said.stdout, said.stderr);
    assert!(row(&said, "unload/callgrind-instructions").contains("REGRESSED"), "{}", said.stdout);
    assert!(row(&said, " load/callgrind-instructions").contains("pass"), "{}", said.stdout);
}

/// Instructions are counted without being named, at sizes that the session chooses. The growing function is
/// named, with what an interpreter's function does not show.
#[cfg(target_os = "linux")]
#[test]
fn instructions_are_counted_where_the_file_names_none() {
    if Command::new("valgrind").arg("--version").output().is_err() {
        loadline_testing::skip!("valgrind is not installed");
        return;
    }
    let steps = "echo loadline:phase=load\ni=0\nwhile [ $i -lt STEPS ]; do i=$((i+1)); done\n\
        echo loadline:metric=items:$1:count\necho \"loadline:check=$1 done\"\n";
    let project = project(&steps.replace("STEPS", "$(($1 * $1 / 64))"));
    let scenario = SCENARIO
        .replace("count_with = []\n", "")
        .replace(r#""load/reported", "unload/reported""#, r#""load/reported""#)
        .replace(r#"observe = ["total/task-clock", "unload/wall-time"]"#, "budget_seconds = 60");
    project.write("xtask/scenarios/mine.toml", &scenario);
    let grown = project.run(&["regress", "-v", "--budget", "0"]);
    assert_eq!(grown.code, Some(3), "{}{}", grown.stdout, grown.stderr);
    assert!(row(&grown, "run/callgrind-instructions").contains("REGRESSED"), "{}", grown.stdout);
    assert!(grown.stdout.contains("belongs to an interpreter"), "{}", grown.stdout);
    let session = only_session(&project);
    let facts =
        project.run(&["report", "-v", session.to_str().unwrap(), "--format", "json"]).stdout;
    let facts: serde_json::Value = serde_json::from_str(&facts).unwrap();
    let is_peak = |series: &&serde_json::Value| series["name"] == "run/peak-resident-bytes";
    let named = facts["scenarios"][0]["series"].as_array().unwrap().iter().find(is_peak).unwrap();
    assert!(named["costs"][0]["cost"].as_f64() > Some(1e5), "{named}");

    // A command that valgrind cannot run is judged without these counts.
    let refuses = "if grep -q vgpreload /proc/$$/maps; then echo not here >&2; exit 7; fi\n";
    project.write("load.sh", format!("{refuses}{}", steps.replace("STEPS", "$1")));
    let refused = project.run(&["regress", "-v", "--budget", "0"]);
    assert_eq!(refused.code, Some(0), "{}{}", refused.stdout, refused.stderr);
    let reason = "mine: instructions are not counted: the run at N = 64 fails under valgrind:";
    assert!(refused.stdout.contains(reason), "{}", refused.stdout);
    let absent = "valgrind cannot run the program";
    assert!(refused.stdout.contains(absent), "{}", refused.stdout);
}
