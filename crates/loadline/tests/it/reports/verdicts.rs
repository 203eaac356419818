//! What a verdict rests on: the self-check, something to compare with, known issues that are still
//! there. Most sessions are made up, so that every verdict has one right outcome.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use crate::common::made::{Cost, Made, baseline};
use crate::common::{Project, Said};
use loadline_scenario::{Absence, Environment, Metric};

const ALONE: &str = r#"format = 2
question = "Does our program stay linear?"
expectation = "It does."
load_order = "unload-oldest-first"
count_with = []
judge = ["unload/task-clock"]
sizes = { from = 64, to = 4096, factor = 2 }
"#;

const KNOWN: &str = r#"
# Reported upstream.
[[known_issue]]
series = ["unload/task-clock"]
unwinders = ["any"]
class = "quadratic"
reason = "a list is searched"
link = "https://example.org/1"
expires = "wasmtime 52"
"#;

const CONTROL: &str = "control = { set = { tables = \"strip\" } }\n";
const STRIPPED: &str = "mine:tables=strip";

const LINEAR: Cost = Cost::linear(9_000.0, 0.02);
const NOISY: Cost = Cost::linear(9_000.0, 0.5);
/// Superlinear, and not so steep that nothing else could be behind it.
const SUPERLINEAR: Cost = Cost::quadratic(9_000.0, 0.7, 0.01);
const GROSS: Cost = Cost::quadratic(9_000.0, 0.98, 0.01);
const CUBIC: Cost = Cost::cubic(9_000.0, 0.99, 0.01);

fn time(cost: Cost) -> [(&'static str, Cost); 1] {
    [("unload/task-clock", cost)]
}

/// A session of a scenario that its file describes as `text`, in a project of its own.
struct Case {
    project: Project,
    made: Made,
}

impl Case {
    fn of(text: &str, cost: Cost) -> Case {
        let project = Project::empty();
        project.write("xtask/scenarios/mine.toml", text);
        let mut made = Made::new();
        made.scenario("mine", &time(cost));
        Case { project, made }
    }

    fn with_control(text: &str, cost: Cost) -> Case {
        Case::next_to(text, cost, LINEAR)
    }

    /// The same with a control that costs `control`.
    fn next_to(text: &str, cost: Cost, control: Cost) -> Case {
        let text = text.replace("count_with = []\n", &format!("count_with = []\n{CONTROL}"));
        let mut case = Case::of(&text, cost);
        case.made.scenario(STRIPPED, &time(control));
        case
    }

    fn report(&self, flags: &[&str]) -> Said {
        self.made.save(&self.project.path("session"));
        self.project.run(&[&["report", "session"], flags].concat())
    }

    /// The exit codes without and with `--strict`; the report is returned.
    fn check(&self, exits: [i32; 2]) -> String {
        let [said, strict] = [self.report(&["-v"]), self.report(&["--strict"])];
        let text = format!("{}{}", said.stdout, said.stderr);
        assert_eq!([said.code, strict.code], exits.map(Some), "{text}");
        text
    }
}

#[test]
fn superlinear_time_with_nothing_to_compare_it_with_is_no_silent_success() {
    let text = Case::of(ALONE, SUPERLINEAR).check([0, 4]);
    for part in [
        "superlinear, not gated: nothing to compare with",
        "OK, but not everything is gated: none of 1 series passes, 1 superlinear but not gated",
        "add a `control` to xtask/scenarios/mine.toml, or accept it as a known issue",
        "cargo xtask baseline mine --root ROOT --accept-superlinear --reason TEXT --link URL --expires WHEN",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    // More repetitions decide nothing.
    assert!(!text.contains("repetitions="), "{text}");
    // What is linear by its own curve is open, too, and never called superlinear.
    let text = Case::of(ALONE, LINEAR).check([0, 4]);
    assert!(text.contains("no baseline and no control") && !text.contains("superlinear"), "{text}");
}

/// A scenario of its own can be measured because another one names it as its control.
#[test]
fn the_times_of_a_control_without_a_control_are_not_undecided() {
    let control = "count_with = []\ncontrol = { scenario = \"ours\" }\n";
    let case = |cost| {
        let mut case = Case::of(&ALONE.replace("count_with = []\n", control), LINEAR);
        let ours = format!("{ALONE}{CONTROL}");
        case.project.write("xtask/scenarios/ours.toml", ours);
        case.made.scenario("ours", &time(cost));
        case
    };
    let text = case(LINEAR).check([0, 0]);
    assert!(text.contains("control, not judged alone"), "{text}");
    // A control that is superlinear itself is still named.
    case(SUPERLINEAR).check([0, 4]);
}

#[test]
fn gross_growth_is_red_by_itself_unless_it_was_so_elsewhere() {
    let text = Case::of(ALONE, GROSS).check([3, 3]);
    assert!(text.contains("costs at least three times as much"), "{text}");
    // A baseline of another CPU does not block; that it was gross there was accepted then.
    let mut elsewhere = crate::common::made::environment();
    elsewhere.cpu = "Model B".to_owned();
    let case = |was: Cost| {
        let case = Case::of(ALONE, GROSS);
        case.project.write("baselines/mine.toml", baseline(&elsewhere, &time(was)));
        case
    };
    case(LINEAR).check([3, 3]);
    let text = case(GROSS).check([0, 4]);
    assert!(text.contains("not gated"), "{text}");
    // Nothing can be judged next to a control that grows itself.
    Case::next_to(ALONE, GROSS, GROSS).check([3, 3]);
}

#[test]
fn a_known_issue_is_accepted_as_long_as_it_is_what_was_accepted() {
    let known = format!("{ALONE}{KNOWN}");
    for case in [Case::of(&known, GROSS), Case::with_control(&known, GROSS)] {
        let text = case.check([0, 0]);
        assert!(
            text.contains("known issue, accepted; expires with wasmtime 52: a list is searched"),
            "{text}"
        );
    }
    for case in [Case::of(&known, CUBIC), Case::with_control(&known, CUBIC)] {
        let text = case.check([3, 3]);
        assert!(text.contains("more than the known issue accepts"), "{text}");
    }
    // With a baseline, what exceeds that is steeper.
    let case = Case::of(&known, CUBIC);
    let quadratic = baseline(&case.made.environment, &time(GROSS));
    case.project.write("baselines/mine.toml", &quadratic);
    case.check([3, 3]);
    let case = Case::of(&known, GROSS);
    case.project.write("baselines/mine.toml", &quadratic);
    case.check([0, 0]);
    // Its end has come.
    let mut case = Case::of(&known, GROSS);
    case.made.environment =
        Environment { wasmtime: "52.0.0".to_owned(), ..crate::common::made::environment() };
    let baseline = baseline(&case.made.environment, &time(GROSS));
    case.project.write("baselines/mine.toml", baseline);
    let text = case.check([3, 3]);
    assert!(text.contains("which has passed"), "{text}");
    // Nothing in it is said to cost more than it did.
    assert!(!text.contains("instead of"), "{text}");
}

#[test]
fn a_known_issue_that_is_gone_is_reported_with_its_place() {
    let known = format!("{ALONE}{KNOWN}");
    let with_baseline = Case::of(&known, LINEAR);
    let was = baseline(&with_baseline.made.environment, &time(GROSS));
    with_baseline.project.write("baselines/mine.toml", was);
    for case in [Case::of(&known, LINEAR), Case::with_control(&known, LINEAR), with_baseline] {
        let text = case.check([0, 4]);
        let line = 1 + case
            .project
            .read("xtask/scenarios/mine.toml")
            .lines()
            .position(|line| line == "[[known_issue]]")
            .unwrap();
        for part in [
            "known issue no longer seen: remove the entry",
            &format!("the entry is at xtask/scenarios/mine.toml:{line}"),
            "1 known issue no longer seen",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
    }
}

#[test]
fn a_known_issue_that_is_undecided_or_failed_does_not_pass() {
    let known = format!("{ALONE}{KNOWN}");
    let text = Case::with_control(&known, NOISY).check([0, 4]);
    assert!(text.contains("1 undecided") && !text.contains("no longer"), "{text}");
    for mut case in [Case::of(&known, GROSS), Case::with_control(&known, GROSS)] {
        case.made.fail_all("mine", "it broke");
        case.check([1, 1]);
    }
}

#[test]
fn a_series_that_could_not_be_measured_counts_where_asked() {
    let mut case = Case::of(
        &ALONE.replace(
            "[\"unload/task-clock\"]",
            "[\"unload/unwind-tables-deregistered\", \"unload/task-clock\"]",
        ),
        LINEAR,
    );
    case.made = Made::new();
    case.made.absent(Metric::TaskClock, Absence::NotPermitted);
    case.made.scenario("mine", &[("unload/unwind-tables-deregistered", Cost::linear(1.0, 0.0))]);
    let text = case.check([0, 4]);
    assert!(text.contains("1 not measured, 1 pass"), "{text}");
    assert!(!text.contains("nothing to do"), "{text}");
}

#[test]
fn without_a_self_check_there_is_no_verdict() {
    for cost in [LINEAR, GROSS] {
        let mut case = Case::of(ALONE, cost);
        case.made = Made::without_self_check();
        case.made.scenario("mine", &time(cost));
        let text = case.check([6, 6]);
        assert!(text.contains("times: FAILED: the self-check was not measured"), "{text}");
    }
    // Where nothing was judged, that is what there is to say.
    let mut case = Case::of(ALONE, LINEAR);
    case.made = Made::without_self_check();
    case.made.scenario("mine", &time(LINEAR)).fail_all("mine", "it broke");
    case.check([1, 1]);
}

#[test]
fn what_a_regression_costs_is_beside_what_the_other_side_costs() {
    let case = Case::with_control(ALONE, SUPERLINEAR);
    let text = case.check([3, 3]);
    let row = text.lines().find(|line| line.trim_start().starts_with("4096 ")).unwrap();
    let cells: Vec<&str> = row.split_whitespace().collect();
    let [_, now, unit, other, other_unit, ..] = cells.as_slice() else { panic!("{row}") };
    let sentence =
        format!("at N = 4096 it costs {now} {unit} instead of {other} {other_unit} in {STRIPPED}");
    assert!(text.contains(&sentence), "{sentence}\n{text}");
}

#[test]
fn one_cause_gives_one_line() {
    let mut case = Case::with_control(ALONE, LINEAR);
    let error = "cannot start \"frames\" \"{n}\"";
    case.made.fail_all("mine", error).fail_all(STRIPPED, error);
    let text = case.check([1, 1]);
    let failures: Vec<&str> = text.lines().filter(|line| line.starts_with("failed: ")).collect();
    let expected = "failed: mine, mine:tables=strip: 35 runs failed alike (N = 64 … 4096): cannot start \"frames\" \"64\"";
    assert_eq!(failures, [expected]);
}

/// A count that a shell program reports: exact on every machine. `{n}` squared where it is to grow.
const COUNTED: &str = r#"format = 2
question = "Does our host stay linear?"
expectation = "It does."
command = ["sh", "host.sh", "{n}"]
count_with = []
judge = ["load/reported"]
repetitions = 3
sizes = [64, 128, 256, 512, 1024]
"#;

/// A project in a folder whose name a shell would take apart, with a program that takes `steps`.
fn host(steps: &str) -> Project {
    let project = Project::bare();
    project.write("a b/loadline.toml", "format = 1\noutput = \"out\"\n");
    project.write("a b/xtask/scenarios/host.toml", COUNTED);
    let text = format!("echo loadline:phase=load\necho loadline:metric=steps:$(({steps})):count\n");
    project.write("a b/host.sh", text);
    project
}

/// Pastes the command of the report's last line into a shell.
fn paste(project: &Project, said: &Said) -> Said {
    let next = said.stdout.lines().rev().find_map(|line| line.strip_prefix("next: ")).unwrap();
    let command = next.replace("ROOT", &project.root().display().to_string());
    let given = project.xtask(&[]);
    // `cargo xtask` is this program in its own workspace.
    let script = format!("cargo() {{ shift; \"$LOADLINE\" \"$@\"; }}; {command}");
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(script).current_dir(project.root());
    shell.env("LOADLINE", env!("CARGO_BIN_EXE_loadline"));
    for (key, value) in given.get_envs() {
        match value {
            Some(value) => shell.env(key, value),
            None => shell.env_remove(key),
        };
    }
    project.said(shell.output().unwrap())
}

#[test]
fn the_next_command_pasted_into_a_shell_gives_the_same_verdict() {
    let project = host("$1 * $1");
    let root = project.path("a b").display().to_string();
    let flags = [
        "regress",
        "host",
        "--root",
        &root,
        "--set",
        "sizes=[8, 16, 32, 64, 128]",
        "--set",
        "repetitions=4",
        "--processors",
        "0",
        "--budget",
        "0",
        "--strict",
    ];
    let said = project.run(&flags);
    assert_eq!(said.code, Some(3), "{}{}", said.stdout, said.stderr);
    let again = paste(&project, &said);
    assert_eq!(again.code, Some(3), "{}{}", again.stdout, again.stderr);
    // It is the same session as far as it was asked for.
    for part in
        ["--set 'sizes=[8, 16, 32, 64, 128]'", "--set repetitions=4", "--processors 0", "--strict"]
    {
        assert!(again.stdout.contains(part), "{part}\n{}", again.stdout);
    }
    assert!(said.stdout.contains("wasmtime: the command's own"), "{}", said.stdout);
}

/// A baseline and an unwinder that the command line named decide the verdict: the next command names
/// them again, as they are called here.
#[test]
fn the_pasted_command_keeps_baseline_and_unwinder() {
    let project = host("$1");
    let root = project.path("a b").display().to_string();
    let captured = project.run(&["baseline", "host", "--reason", "first", "--root", &root]);
    assert_eq!(captured.code, Some(0), "{}", captured.refusal());
    fs::rename(project.path("a b/baselines/host.toml"), project.path("my file.toml")).unwrap();
    let baseline = project.path("my file.toml").display().to_string();
    let mut flags = vec!["regress", "host", "--root", &root, "--budget", "0"];
    flags.extend(["--baseline", &baseline]);
    let library = project.path("my library/libgcc_s.so.1").display().to_string();
    if copy_unwinder(&project, &library) {
        flags.extend(["--unwinder", &library]);
    }
    let grows =
        "echo loadline:phase=load\necho loadline:metric=steps:$((100 * $1 + $1 * $1 / 40)):count\n";
    project.write("a b/host.sh", grows);
    let said = project.run(&flags);
    assert_eq!(said.code, Some(3), "{}", said.refusal());
    let again = paste(&project, &said);
    assert_eq!(again.code, Some(3), "{}", again.refusal());
    let lasting = |said: &Said| {
        let lines = said.stdout.lines().filter(|line| !line.starts_with("every series: "));
        lines
            .filter(|line| !line.starts_with("self-check "))
            .map(|line| line.split("; measured in ").next().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(lasting(&again), lasting(&said));
    let sessions = fs::read_dir(project.path("a b/out/regress")).unwrap();
    let asked: BTreeSet<String> = sessions
        .map(|session| {
            let header = fs::read_to_string(session.unwrap().path().join("session.json")).unwrap();
            let header: serde_json::Value = header.parse().unwrap();
            header["asked"].to_string()
        })
        .filter(|asked| asked.contains("my file.toml"))
        .collect();
    assert_eq!(asked.len(), 1, "{asked:?}");
}

/// Copies the machine's own unwinder to `library`, where it is a library.
fn copy_unwinder(project: &Project, library: &str) -> bool {
    let listed = project.run(&["list", "--root", &project.path("a b").display().to_string()]);
    let own = listed.stdout.lines().find(|line| line.starts_with("unwinder host: ")).unwrap();
    let (_, path) = own.rsplit_once(", ").unwrap();
    if !path.ends_with("/libgcc_s.so.1") {
        loadline_testing::skip!("the machine's unwinder is {path}, which is no libgcc");
        return false;
    }
    fs::create_dir(project.path("my library")).unwrap();
    fs::copy(path, library).unwrap();
    true
}

#[test]
fn a_program_that_cannot_start_is_tried_at_every_size_once() {
    let project = host("$1");
    let text = COUNTED.replace("\"sh\", \"host.sh\"", "\"./no-such-program\"");
    project.write("a b/xtask/scenarios/host.toml", text);
    let root = project.path("a b").display().to_string();
    let said = project.run(&["regress", "host", "-v", "--root", &root, "--budget", "0"]);
    assert_eq!(said.code, Some(1), "{}{}", said.stdout, said.stderr);
    let failures: Vec<&str> =
        said.stdout.lines().filter(|line| line.starts_with("failed: ")).collect();
    let [failure] = failures.as_slice() else { panic!("{failures:?}") };
    let start =
        "failed: host: 5 runs failed alike (N = 64 … 1024), so the other 10 were not started: ";
    assert!(failure.starts_with(start) && failure.contains("no-such-program"), "{failure}");
}

/// Growth that is accepted, and what becomes of it: the whole way, by a count that is exact.
#[test]
fn accepted_growth_stands_in_the_scenario_and_is_watched_from_then_on() {
    let project = host("$1 * $1");
    let scenario = "a b/xtask/scenarios/host.toml";
    project
        .write(scenario, COUNTED.replace("repetitions = 3", "repetitions = 3 # as few as can be"));
    let root = project.path("a b").display().to_string();
    let run = |words: &[&str]| project.run(&[words, &["--root", &root]].concat());
    let capture = ["baseline", "host", "--reason", "a search"];
    let accept = ["--accept-superlinear", "--link", "https://example.org/1", "--expires"];

    let refused = run(&capture);
    assert_eq!(refused.code, Some(3), "{}{}", refused.stdout, refused.stderr);
    assert!(refused.stderr.contains("--accept-superlinear"), "{}", refused.stderr);
    assert!(!project.path("a b/baselines/host.toml").exists());
    let past = run(&[&capture, &accept[..], &["2001-01-01"]].concat());
    assert_eq!(past.code, Some(2), "{}{}", past.stdout, past.stderr);
    let accepted = run(&[&capture, &accept[..], &["2999-01-01"]].concat());
    assert_eq!(accepted.code, Some(0), "{}{}", accepted.stdout, accepted.stderr);
    let text = project.read(scenario);
    assert!(text.contains("repetitions = 3 # as few as can be"), "{text}");
    assert!(text.contains("[[known_issue]]\nseries = [\"load/reported\"]\n"), "{text}");
    assert!(!project.read("a b/baselines/host.toml").contains("example.org"));

    let regress = |steps: &str, flags: &[&str], code: i32, part: &str| {
        let text =
            format!("echo loadline:phase=load\necho loadline:metric=steps:$(({steps})):count\n");
        project.write("a b/host.sh", text);
        let said = run(&[&["regress", "host", "-v"], flags].concat());
        assert_eq!(said.code, Some(code), "{steps}: {}{}", said.stdout, said.stderr);
        assert!(said.stdout.contains(part), "{steps}: {part}\n{}", said.stdout);
    };
    regress("$1 * $1", &["--strict"], 0, "known issue, accepted; expires on 2999-01-01: a search");
    regress("$1 * $1 * $1", &[], 3, "more than the known issue accepts");
    regress("$1", &[], 0, "known issue no longer seen: remove the entry");
    regress("$1", &["--strict"], 4, "xtask/scenarios/host.toml:");
}
