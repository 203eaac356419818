//! Commands as workloads: what N does to them, and what is refused.

use loadline_scenario::{Command, Scenario, ScenarioError, Workload};

const EXAMPLE: &str = r#"
format = 2
question = "Does closing the oldest module first stay linear in N?"
expectation = "Yes."
command = ["python3", "load.py", "--modules={n}"]
environment = { NATIVE_UNWIND = "1", SIZES = "{n} {n}" }
check = "{n} closed"
judge = ["unload/task-clock", "load/reported", "run/page-faults", "work/task-clock"]
sizes = [64, 128, 256, 512, 1024]
control = { set = { "environment.NATIVE_UNWIND" = "0" } }
"#;

fn with(changes: &[(&str, &str)]) -> Result<Scenario, ScenarioError> {
    let changes = changes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    Scenario::parse_with("example", EXAMPLE, &changes)
}

fn command(scenario: &Scenario) -> &Command {
    match &scenario.workload {
        Workload::Command(command) => command,
        other => panic!("not a command: {other:?}"),
    }
}

#[test]
fn n_is_filled_in_everywhere() {
    let scenario = with(&[]).expect("a scenario");
    let invocation = command(&scenario).at(64);
    assert_eq!(invocation.arguments, ["python3", "load.py", "--modules=64"]);
    assert_eq!(invocation.check.as_deref(), Some("64 closed"));
    assert_eq!(invocation.environment["SIZES"], "64 64");
    assert_eq!(invocation.environment["PATH"], "/usr/local/bin:/usr/bin:/bin");
    assert_eq!(invocation.environment.len(), 3, "nothing of the caller's");
}

#[test]
fn a_variable_of_the_environment_makes_a_variant() {
    let off = with(&[("environment.NATIVE_UNWIND", "0")]).expect("can be set");
    assert_eq!(off.full_name(), "example:environment.NATIVE_UNWIND=0");
    assert_eq!(command(&off).environment["NATIVE_UNWIND"], "0");
    let same = with(&[("environment.NATIVE_UNWIND", "1")]).expect("can be set");
    assert!(same.variant.is_as_written());
    let more = with(&[("environment.MORE", "true"), ("exit_code", "3"), ("check", "7")]);
    let more = more.expect("can be set");
    assert_eq!(command(&more).environment["MORE"], "true");
    assert_eq!(command(&more).exit_code, 3);
    assert_eq!(command(&more).check_at(64).as_deref(), Some("7"));
}

#[test]
fn mistakes_are_named() {
    let replaced = |from: &str, to: &str| {
        assert!(EXAMPLE.contains(from), "the example has no {from}");
        let scenario = Scenario::parse("example", &EXAMPLE.replace(from, to));
        scenario.expect_err("no scenario").to_string()
    };
    let load_order = "load_order = \"hold-all\"\ncommand";
    let cases = [
        (replaced("[\"python3\", \"load.py\", \"--modules={n}\"]", "[]"), "names no program"),
        (
            replaced(
                "--modules={n}\"]\nenvironment = { NATIVE_UNWIND = \"1\", SIZES = \"{n} {n}\" }",
                "\"]",
            ),
            "does not contain {n}",
        ),
        (replaced("command", load_order), "load_order: cannot be combined with command"),
        (
            replaced("command", "tables = \"strip\"\ncommand"),
            "tables: cannot be combined with command",
        ),
        (replaced("check =", "directory = \"a\"\nload_order = \"churn\" #"), "cannot be combined"),
        (
            replaced("command =", "load_order = \"hold-all\" #"),
            "belongs to scenarios with a command",
        ),
        (replaced("command =", "#"), "environment: belongs"),
        (replaced("SIZES", "\"A=B\""), "not the name of a variable"),
        (replaced("load.py", "load\\u0000"), "NUL"),
    ];
    for (message, expected) in cases {
        assert!(message.contains(expected), "{message:?} does not say {expected:?}");
    }
    let comma = with(&[("environment.NATIVE_UNWIND", "a,b")]).expect_err("no name");
    assert!(comma.to_string().contains("comma"), "{comma}");
}

#[test]
fn only_commands_run_and_report() {
    let text = "format = 2\nquestion = \"\"\nexpectation = \"\"\nload_order = \"hold-all\"\n\
                judge = [\"SERIES\"]\nsizes = [64, 128, 256, 512, 1024]";
    for series in ["run/task-clock", "work/task-clock", "load/reported"] {
        let parsed = Scenario::parse("modules", &text.replace("SERIES", series));
        assert!(parsed.is_err(), "{series}");
    }
}
