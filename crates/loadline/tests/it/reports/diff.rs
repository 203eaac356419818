//! `cargo xtask diff`: golden reports on made-up sessions, `golden/diff-<case>/report.txt`
//! (`UPDATE_EXPECT=1 cargo test -p loadline --test it diff` writes them again), and one real measurement.

use std::fmt::Write as _;

use crate::common::made::{Cost, Function, Made, baseline, profile};
use crate::common::{Project, Said};
use expect_test::expect_file;
use loadline_scenario::{Absence, Environment, Metric};
use serde_json::{Value, json};

const SCENARIO: &str = r#"format = 2
question = "Does dropping the oldest module first stay linear in N?"
expectation = "Quadratic under libgcc up to 12, linear elsewhere."
load_order = "unload-oldest-first"
count_with = []
judge = ["unload/unwind-tables-deregistered", "unload/task-clock"]
sizes = { from = 64, to = 4096, factor = 2 }
control = { set = { tables = "strip" } }
"#;

const KEPT: &str = "oldest-first";
const STRIPPED: &str = "oldest-first:tables=strip";

const CALLS: (&str, Cost) = ("unload/unwind-tables-deregistered", Cost::linear(1.0, 0.0));
const NO_CALLS: (&str, Cost) = ("unload/unwind-tables-deregistered", Cost::linear(0.0, 0.0));
const LINEAR: (&str, Cost) = ("unload/task-clock", Cost::linear(9_000.0, 0.02));
const QUADRATIC: (&str, Cost) = ("unload/task-clock", Cost::quadratic(9_000.0, 0.8, 0.02));
const MORE_EXPENSIVE: (&str, Cost) = ("unload/task-clock", Cost::linear(12_600.0, 0.02));

fn project() -> Project {
    let project = Project::empty();
    project.write("xtask/scenarios/oldest-first.toml", SCENARIO);
    project
}

/// What `diff` says, with its exit code.
fn answer(project: &Project, arguments: &[&str]) -> Said {
    project.run(&[&["diff"], arguments].concat())
}

fn check(case: &str, said: &Said) {
    assert_eq!(said.stderr, "", "{case}");
    let report = format!("{}exit {}\n", said.stdout, said.code.unwrap());
    expect_file![format!("../../golden/diff-{case}/report.txt")].assert_eq(&report);
}

/// The difference between two sessions of one scenario.
fn check_sessions(case: &str, old: &Made, new: &Made) {
    let project = project();
    old.save(&project.path("before"));
    new.save(&project.path("after"));
    check(case, &answer(&project, &["before", "after"]));
}

fn made(series: &[(&str, Cost)]) -> Made {
    let mut made = Made::new();
    made.scenario(KEPT, series);
    made
}

#[test]
fn growth_that_came_is_told_with_its_numbers_by_n() {
    check_sessions("worse", &made(&[CALLS, LINEAR]), &made(&[CALLS, QUADRATIC]));
}

#[test]
fn a_factor_at_every_n_is_no_growth() {
    check_sessions("more-expensive", &made(&[CALLS, LINEAR]), &made(&[CALLS, MORE_EXPENSIVE]));
}

#[test]
fn what_is_the_same_is_one_line() {
    let again = ("unload/task-clock", Cost::linear(9_100.0, 0.02));
    check_sessions("unchanged", &made(&[CALLS, LINEAR]), &made(&[CALLS, again]));
}

/// Counts travel between machines, times do not; growth of both is shown.
#[test]
fn times_of_another_processor_are_marked() {
    let mut elsewhere = Made::new();
    elsewhere.environment =
        Environment { cpu: "Model B".to_owned(), ..crate::common::made::environment() };
    elsewhere.scenario(KEPT, &[NO_CALLS, QUADRATIC]);
    check_sessions("foreign", &made(&[CALLS, LINEAR]), &elsewhere);
}

#[test]
fn what_one_side_cannot_count_is_named_and_never_nothing() {
    let mut without = Made::new();
    without.absent(Metric::TaskClock, Absence::NotPermitted);
    without.scenario(KEPT, &[CALLS]);
    check_sessions("unavailable", &made(&[CALLS, LINEAR]), &without);
}

#[test]
fn a_multiplexed_counter_is_marked() {
    let project = project();
    made(&[CALLS, LINEAR]).save(&project.path("before"));
    made(&[CALLS, MORE_EXPENSIVE]).save(&project.path("after"));
    let runs = project.read("after/runs.jsonl");
    let multiplexed = |line: &str| {
        let mut run: Value = serde_json::from_str(line).unwrap();
        for sample in run["outcome"]["finished"]["samples"].as_array_mut().unwrap() {
            let count = sample["reading"]["exact"].as_u64().unwrap();
            if sample["metric"] == "task-clock" {
                sample["reading"] = json!({"multiplexed": {"estimate": count, "share": 0.25}});
            }
        }
        format!("{run}\n")
    };
    project.write("after/runs.jsonl", runs.lines().map(multiplexed).collect::<String>());
    check("multiplexed", &answer(&project, &["before", "after"]));
}

#[test]
fn a_session_alone_shows_its_scenarios_beside_their_controls() {
    let project = project();
    let mut made = made(&[CALLS, QUADRATIC]);
    made.scenario(STRIPPED, &[NO_CALLS, LINEAR]);
    made.save(&project.path("session"));
    check("control", &answer(&project, &["session"]));
    let named = ["session/runs.jsonl", "--scenario", KEPT, "--scenario", STRIPPED];
    assert_eq!(answer(&project, &named).stdout, answer(&project, &["session"]).stdout);
}

#[test]
fn a_session_of_two_builds_shows_the_one_against_the_other() {
    let project = project();
    let mut made = Made::new();
    made.against = Some("main");
    made.scenario(KEPT, &[CALLS, QUADRATIC]).before(KEPT, &[CALLS, LINEAR]);
    made.save(&project.path("session"));
    check("builds", &answer(&project, &["session"]));
}

#[test]
fn a_baseline_stands_against_a_session() {
    let project = project();
    let made = made(&[CALLS, QUADRATIC]);
    project.write("baselines/oldest-first.toml", baseline(&made.environment, &[CALLS, LINEAR]));
    made.save(&project.path("session"));
    check("baseline", &answer(&project, &["oldest-first", "session"]));
    let file = answer(&project, &["baselines/oldest-first.toml", "session"]);
    let is_name = |line: &&str| line.starts_with("old: ");
    let without_name = |said: &Said| {
        said.stdout.lines().filter(|line| !is_name(line)).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(without_name(&file), without_name(&answer(&project, &["oldest-first", "session"])));
}

#[test]
fn a_failed_run_is_named_and_its_scenario_not_compared() {
    let mut failed = Made::new();
    failed.scenario(KEPT, &[CALLS, LINEAR]).fail_last("the runner ended early (signal 9)");
    check_sessions("failed", &made(&[CALLS, LINEAR]), &failed);
}

/// A session of the kept and the stripped variant with costs by function.
fn session_with_functions(project: &Project) {
    let counted = SCENARIO.replace("count_with = []", "count_with = [\"callgrind\"]");
    project.write("xtask/scenarios/oldest-first.toml", counted);
    let mut made = made(&[CALLS, QUADRATIC]);
    made.scenario(STRIPPED, &[NO_CALLS, LINEAR]);
    let session = project.path("session");
    made.save(&session);
    const SEARCH: Function =
        ("libgcc_s.so.1", "__deregister_frame_info_bases", |n| 4 * n * n + 33 * n);
    const FREE: Function = ("libc.so.6", "_int_free", |n| 4_567 * n + 120);
    const CHEAPER: Function = ("libc.so.6", "_int_free", |n| 4_325 * n + 120);
    const SAME: Function = ("loadline-runner", "drop_in_place", |n| 3_000 * n);
    profile(&session, KEPT, 0, &[SEARCH, FREE, SAME]);
    profile(&session, STRIPPED, 1, &[CHEAPER, SAME]);
}

#[test]
fn the_functions_behind_a_change_are_named_with_what_it_comes_to() {
    let project = project();
    session_with_functions(&project);
    check("functions", &answer(&project, &["session"]));
}

/// Other programs read it: the keys and their types are an interface.
#[test]
fn the_same_facts_as_json() {
    let project = project();
    session_with_functions(&project);
    let said = answer(&project, &["session", "--format", "json"]);
    assert_eq!((said.code, said.stderr.as_str()), (Some(0), ""));
    let answer: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(answer["format"], 2);
    let pair = &answer["scenarios"][0];
    assert_eq!((&pair["old"], &pair["new"]), (&json!(KEPT), &json!(STRIPPED)));
    let series = |name: &str| {
        let all = pair["series"].as_array().unwrap();
        all.iter().find(|row| row["name"] == name).unwrap()
    };
    let calls = series("unload/unwind-tables-deregistered");
    assert_eq!((&calls["change"], &calls["ratio"]), (&json!("removed"), &json!(0.0)));
    assert_eq!(calls["by_n"][6], json!({"n": 4096, "old": 4096.0, "new": 0.0}));
    let clock = series("unload/task-clock");
    assert_eq!(clock["change"], "improved");
    let exponent = |side: &str| clock[side]["curve"]["exponent"]["value"].as_f64().unwrap();
    assert!(exponent("old") > 1.7 && exponent("new") < 1.2, "{clock}");
    let counted = series("unload/callgrind-instructions");
    let superlinear = counted["old"]["curve"]["superlinear"].as_f64().unwrap();
    assert!((superlinear / (4.0 * 512.0 * 512.0) - 1.0).abs() < 0.01, "{counted}");
    assert!(
        counted["old"]["curve"]["extrapolated"]["exponent"].as_f64().unwrap() > 1.9,
        "{counted}"
    );
    let function = &pair["functions"][0];
    assert_eq!(function["function"], "__deregister_frame_info_bases");
    assert_eq!((&function["old"], &function["new"]), (&json!(1_065_472.0), &json!(0.0)));
    assert_eq!(function["old_formula"], "4.00·N² + 33.0·N");
}

#[test]
fn what_cannot_be_compared_is_refused_with_what_to_do() {
    let project = project();
    made(&[CALLS, LINEAR]).save(&project.path("session"));
    let mut other = Made::new();
    other.scenario(STRIPPED, &[CALLS, LINEAR]).scenario(KEPT, &[CALLS, LINEAR]);
    other.save(&project.path("other"));
    let cases: [&[&str]; 11] = [
        &["nonsense", "session"],
        &["oldest-frist", "session"],
        &["xtask", "session"],
        &["gone.toml", "session"],
        &["oldest-first"],
        &["oldest-first", "session"],
        &["session"],
        &["session", "other", "--scenario", "nonsense"],
        &["session", "other", "--measure"],
        &["oldest-first", "--set", "sizes.to=2048"],
        &["oldest-first:tables=maybe", "session"],
    ];
    let mut text = String::new();
    for case in cases {
        let said = answer(&project, case);
        let (code, words) = (said.code.unwrap(), case.join(" "));
        write!(text, "## {words}\nexit {code}\n{}{}\n", said.stdout, said.stderr).unwrap();
    }
    expect_file!["../../refusals/diff.txt"].assert_eq(&format!("{}\n", text.trim_end()));
}

/// With real modules: tables kept and stripped, measured next to each other.
#[cfg(target_os = "linux")]
#[test]
fn a_variant_is_measured_beside_the_scenario_as_written() {
    let project = Project::empty();
    let small =
        crate::common::TINY.replace("count_with = []", "count_with = [\"count\", \"callgrind\"]");
    project.write("xtask/scenarios/small.toml", small);
    let sizes = "callgrind_sizes=[1, 2, 4, 8, 16]";
    let said =
        answer(&project, &["small", "--set", "tables=strip", "--set", sizes, "--format", "json"]);
    assert_eq!(said.code, Some(0), "{}{}", said.stdout, said.stderr);
    let compared: Value = serde_json::from_str(&said.stdout).unwrap();
    let pair = &compared["scenarios"][0];
    assert_eq!((&pair["old"], &pair["new"]), (&json!("small"), &json!("small:tables=strip")));
    let series = |name: &str| {
        let all = pair["series"].as_array().unwrap();
        all.iter().find(|row| row["name"] == name).unwrap()
    };
    let registered = series("load/unwind-tables-registered");
    assert_eq!(registered["change"], "removed", "{registered}");
    assert_eq!(registered["by_n"][4], json!({"n": 16, "old": 16.0, "new": 0.0}));
    let instructions = series("load/callgrind-instructions");
    if instructions["old"]["not-counted"].is_string() {
        loadline_testing::skip!("functions: {}", instructions["old"]["not-counted"]);
    } else {
        let functions = pair["functions"].as_array().unwrap();
        let is_registration = |function: &&Value| {
            let name = function["function"].as_str().unwrap();
            name.contains("register_frame") && function["new"] == 0.0
        };
        assert!(functions.iter().any(|function| is_registration(&function)), "{functions:?}");
    }
    // What was measured can be shown again.
    let session = said.stderr.lines().find_map(|line| line.strip_prefix("samples: ROOT/"));
    let session = session.unwrap_or_else(|| panic!("{}", said.stderr));
    let session = session.split(' ').next().unwrap();
    let again = answer(
        &project,
        &[session, "--scenario", "small", "--scenario", "small:tables=strip", "--format", "json"],
    );
    assert_eq!(again.stdout, said.stdout, "{}", again.stderr);
}
