//! Golden reports: made-up samples and baselines through `cargo xtask report`, compared with
//! `golden/<case>/report.txt`. `UPDATE_EXPECT=1 cargo test -p loadline --test it golden` writes them again.

use crate::common::Project;
use crate::common::made::{Cost, Made, baseline};
use expect_test::expect_file;
use loadline_scenario::{Absence, Environment, Metric};

const SCENARIO: &str = r#"format = 2
question = "Does dropping the oldest module first stay linear in N?"
expectation = "Quadratic under libgcc up to 12, linear elsewhere."
load_order = "unload-oldest-first"
count_with = []
judge = ["unload/unwind-tables-deregistered", "unload/task-clock"]
sizes = { from = 64, to = 4096, factor = 2 }
control = { set = { tables = "strip" } }

[[known_issue]]
series = ["unload/task-clock"]
unwinders = ["libgcc-list"]
when = { tables = "keep" }
class = "quadratic"
reason = "the list of objects is searched from its newest end"
link = "https://github.com/bytecodealliance/wasmtime/issues/10084"
expires = "wasmtime 52"
"#;

/// What a baseline says of its quadratic time.
const ACCEPTED: &str = r#"unit = "ns"
superlinear = { reason = "searches a list", link = "https://example.org/1", expires = "wasmtime 52" }"#;

const KEPT: &str = "oldest-first";
const STRIPPED: &str = "oldest-first:tables=strip";

/// One call a module, as exact as counts are.
const CALLS: (&str, Cost) = ("unload/unwind-tables-deregistered", Cost::linear(1.0, 0.0));
const NO_CALLS: (&str, Cost) = ("unload/unwind-tables-deregistered", Cost::linear(0.0, 0.0));

/// Time of unloading in ns; times are noisy.
const LINEAR: (&str, Cost) = ("unload/task-clock", Cost::linear(9_000.0, 0.02));
const QUADRATIC: (&str, Cost) = ("unload/task-clock", Cost::quadratic(9_000.0, 0.8, 0.02));

/// What makes the scenario one that is to scale with threads.
const SCALING: &str = r#"
[scaling]
threads = 2
series = "unload/wall-time"
"#;

/// What makes it known that threads gain nothing.
const KNOWN_CONTENTION: &str = r#"
[[scaling.known]]
unwinders = ["libgcc-list"]
when = { tables = "keep" }
reason = "one lock for the whole process"
link = "https://github.com/bytecodealliance/wasmtime/issues/10084"
expires = "wasmtime 52"
"#;

/// The report on `made`, judged against the baseline file `baseline` (empty for none).
fn check(case: &str, made: &Made, baseline: &str) {
    check_scenario(case, SCENARIO, made, baseline);
}

/// The same of a scenario whose file says `scenario`.
fn check_scenario(case: &str, scenario: &str, made: &Made, baseline: &str) {
    let project = Project::empty();
    project.write("xtask/scenarios/oldest-first.toml", scenario);
    if !baseline.is_empty() {
        project.write("baselines/oldest-first.toml", baseline);
    }
    let session = project.path("session");
    made.save(&session);
    let said = project.run(&["report", session.to_str().unwrap()]);
    assert_eq!(said.stderr, "", "{case}");
    let report = format!("{}exit {}\n", said.stdout, said.code.unwrap());
    expect_file![format!("../../golden/{case}/report.txt")].assert_eq(&report);
}

/// A baseline that accepts the quadratic time until wasmtime 52.
fn accepted(environment: &Environment) -> String {
    let text = baseline(environment, &[CALLS, QUADRATIC]);
    text.replace("unit = \"ns\"", ACCEPTED)
}

fn of_elsewhere() -> Environment {
    let environment = crate::common::made::environment();
    Environment { cpu: "Model B".to_owned(), ..environment }
}

fn of_wasmtime(version: &str) -> Environment {
    let environment = crate::common::made::environment();
    Environment { wasmtime: version.to_owned(), ..environment }
}

#[test]
fn holds() {
    let mut made = Made::new();
    made.scenario(KEPT, &[CALLS, LINEAR]);
    check("holds", &made, &baseline(&made.environment, &[CALLS, LINEAR]));
}

#[test]
fn a_cost_beyond_a_linear_baseline_has_regressed_known_or_not() {
    let mut made = Made::new();
    made.scenario(KEPT, &[CALLS, QUADRATIC]);
    check("regressed", &made, &baseline(&made.environment, &[CALLS, LINEAR]));
}

#[test]
fn a_cost_below_a_quadratic_baseline_has_improved() {
    let mut made = Made::new();
    made.scenario(KEPT, &[CALLS, LINEAR]);
    let baseline = baseline(&made.environment, &[CALLS, QUADRATIC]);
    check("improved", &made, &baseline);
}

#[test]
fn a_new_constant_is_shown_and_not_gated() {
    let mut made = Made::new();
    let more_expensive = ("unload/task-clock", Cost::linear(18_000.0, 0.02));
    made.scenario(KEPT, &[CALLS, more_expensive]);
    check("more-expensive", &made, &baseline(&made.environment, &[CALLS, LINEAR]));
}

/// Another build measured in turn decides, whatever the scenario calls known; a build that is slower
/// at every N is no regression.
#[test]
fn another_build_is_judged_against() {
    let mut made = Made::new();
    made.against = Some("main");
    made.scenario(KEPT, &[CALLS, QUADRATIC]).before(KEPT, &[CALLS, LINEAR]);
    check("against-worse", &made, "");

    let mut made = Made::new();
    made.against = Some("main");
    let more_expensive = ("unload/task-clock", Cost::linear(11_700.0, 0.02));
    made.scenario(KEPT, &[CALLS, more_expensive]).before(KEPT, &[CALLS, LINEAR]);
    check("against-more-expensive", &made, "");
}

#[test]
fn a_failed_run_of_the_other_build_is_named() {
    let mut made = Made::new();
    made.against = Some("main");
    made.scenario(KEPT, &[CALLS, LINEAR]).before(KEPT, &[CALLS, LINEAR]).fail_last("it broke");
    check("against-failed", &made, "");
}

#[test]
fn noise_that_could_hide_growth_is_inconclusive() {
    let mut made = Made::new();
    let noisy = ("unload/task-clock", Cost::linear(9_000.0, 0.3));
    made.scenario(KEPT, &[CALLS, noisy]);
    check("inconclusive", &made, &baseline(&made.environment, &[CALLS, LINEAR]));
}

#[test]
fn a_metric_that_nothing_counts_is_not_judged() {
    let mut made = Made::new();
    made.absent(Metric::TaskClock, Absence::NotPermitted);
    made.scenario(KEPT, &[CALLS]);
    check("unavailable", &made, &baseline(&made.environment, &[CALLS, LINEAR]));
}

/// Sizes whose phase ends before its counter is read are left out; the rest is judged.
#[test]
fn a_phase_too_short_at_small_sizes_is_judged_at_the_others() {
    let mut made = Made::new();
    made.scenario(KEPT, &[CALLS, QUADRATIC]).too_short(KEPT, Metric::TaskClock, 128);
    check("too-short", &made, &baseline(&made.environment, &[CALLS, LINEAR]));
}

#[test]
fn accepted_growth_holds() {
    let mut made = Made::new();
    made.scenario(KEPT, &[CALLS, QUADRATIC]);
    check("accepted", &made, &accepted(&made.environment));
}

#[test]
fn an_acceptance_ends_with_its_version() {
    let mut made = Made::new();
    made.environment = of_wasmtime("52.0.1");
    made.scenario(KEPT, &[CALLS, QUADRATIC]);
    check("expired-acceptance", &made, &accepted(&made.environment));
}

#[test]
fn without_a_baseline_times_are_judged_beside_the_control() {
    let mut made = Made::new();
    made.scenario(KEPT, &[CALLS, LINEAR]);
    made.scenario(STRIPPED, &[NO_CALLS, LINEAR]);
    check("no-baseline", &made, "");
}

#[test]
fn known_growth_beside_the_control_holds() {
    let mut made = Made::new();
    made.scenario(KEPT, &[CALLS, QUADRATIC]);
    made.scenario(STRIPPED, &[NO_CALLS, LINEAR]);
    check("known-growth", &made, "");
}

#[test]
fn known_growth_is_no_longer_accepted_from_its_version_on() {
    let mut made = Made::new();
    made.environment = of_wasmtime("52.0.1");
    made.scenario(KEPT, &[CALLS, QUADRATIC]);
    made.scenario(STRIPPED, &[NO_CALLS, LINEAR]);
    check("expired-known-growth", &made, "");
}

/// Times of the scenario and its control, on one thread and on two that are `speed_ups` as fast.
fn on_threads(speed_ups: [f64; 2]) -> Made {
    let mut made = Made::new();
    let wall = |per_module: f64| ("unload/wall-time", Cost::linear(per_module, 0.02));
    // What several threads take is added up.
    let [own, control] = speed_ups.map(|speed_up| 2.0 / speed_up);
    made.scenario(KEPT, &[CALLS, LINEAR, wall(9_000.0)]);
    made.scenario(STRIPPED, &[NO_CALLS, LINEAR, wall(5_000.0)]);
    made.scenario("oldest-first:threads=2", &[CALLS, LINEAR, wall(9_000.0 * own)]);
    let stripped = "oldest-first:tables=strip,threads=2";
    made.scenario(stripped, &[NO_CALLS, LINEAR, wall(5_000.0 * control)]);
    made
}

#[test]
fn threads_that_gain_less_than_in_the_control_are_a_regression_unless_it_is_known() {
    let observed =
        SCENARIO.replace("count_with = []", "count_with = []\nobserve = [\"unload/wall-time\"]");
    let scaling = format!("{observed}{SCALING}");
    let known = format!("{scaling}{KNOWN_CONTENTION}");
    check_scenario("threads-gain", &scaling, &on_threads([1.9, 1.95]), "");
    check_scenario("threads-wait", &scaling, &on_threads([1.0, 1.95]), "");
    check_scenario("threads-known", &known, &on_threads([1.0, 1.95]), "");
    check_scenario("threads-nothing-to-gain", &scaling, &on_threads([1.0, 1.05]), "");
}

/// Threads that gained nothing by the other build either are no regression.
#[test]
fn threads_that_gain_less_than_by_the_other_build_are_a_regression() {
    let observed =
        SCENARIO.replace("count_with = []", "count_with = []\nobserve = [\"unload/wall-time\"]");
    let scaling = format!("{observed}{SCALING}{KNOWN_CONTENTION}");
    let against = |speed_up: f64| {
        let mut made = on_threads([1.0, 1.95]);
        made.against = Some("HEAD~1");
        let wall = |per_module: f64| ("unload/wall-time", Cost::linear(per_module, 0.02));
        made.before(KEPT, &[CALLS, LINEAR, wall(9_000.0)]);
        made.before(STRIPPED, &[NO_CALLS, LINEAR, wall(5_000.0)]);
        let several = wall(9_000.0 * 2.0 / speed_up);
        made.before("oldest-first:threads=2", &[CALLS, LINEAR, several]);
        made.before("oldest-first:tables=strip,threads=2", &[NO_CALLS, LINEAR, wall(5_100.0)]);
        made
    };
    check_scenario("threads-lost", &scaling, &against(1.9), "");
    check_scenario("threads-wait-as-before", &scaling, &against(1.0), "");
}

#[test]
fn a_blind_session_gives_no_verdict() {
    let mut made = Made::with_self_check(0.0);
    made.scenario(KEPT, &[CALLS, QUADRATIC]);
    check("self-check-failed", &made, &baseline(&made.environment, &[CALLS, LINEAR]));
}

#[test]
fn a_failed_run_is_named_and_its_scenario_not_judged() {
    let mut made = Made::new();
    made.scenario(KEPT, &[CALLS, LINEAR]).fail_last("the runner ended early (signal 9)");
    check("failed", &made, &baseline(&made.environment, &[CALLS, LINEAR]));
}

#[test]
fn times_of_another_processor_advise_and_the_control_decides() {
    let mut made = Made::new();
    made.scenario(KEPT, &[CALLS, LINEAR]);
    made.scenario(STRIPPED, &[NO_CALLS, LINEAR]);
    check("elsewhere", &made, &baseline(&of_elsewhere(), &[CALLS, LINEAR]));
}

/// What the exit code says in addition to a regression, and which one wins.
#[test]
fn the_exit_code_tells_what_it_is_asked_to() {
    let noisy = ("unload/task-clock", Cost::linear(9_000.0, 0.3));
    let cases = [
        (LINEAR, true, vec!["--strict", "--require-baseline"], 0),
        (LINEAR, false, vec![], 0),
        (LINEAR, false, vec!["--require-baseline"], 5),
        (noisy, true, vec![], 0),
        (noisy, true, vec!["--strict"], 4),
        (noisy, false, vec!["--strict", "--require-baseline"], 5),
        (QUADRATIC, true, vec!["--strict"], 3),
    ];
    for (clock, has_baseline, flags, code) in cases {
        let mut made = Made::new();
        made.scenario(KEPT, &[CALLS, clock]);
        let project = Project::empty();
        project.write("xtask/scenarios/oldest-first.toml", SCENARIO);
        if has_baseline {
            let baseline = baseline(&made.environment, &[CALLS, LINEAR]);
            project.write("baselines/oldest-first.toml", baseline);
        }
        made.save(&project.path("session"));
        let said = project.run(&[&["report", "session"], &flags[..]].concat());
        assert_eq!(said.code, Some(code), "{flags:?}:\n{}{}", said.stdout, said.stderr);
    }
}
