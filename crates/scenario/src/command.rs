//! Any program as a scenario's subject: [`Command`], and what it is for one N, [`Invocation`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What stands for N in arguments, environment and check.
const PLACEHOLDER: &str = "{n}";

/// Where programs are found unless the scenario says otherwise.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A program started once for each N.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments; `{n}` stands for N. Never empty.
    pub arguments: Vec<String>,
    /// Where it runs: a folder, from the project's root.
    #[serde(with = "crate::path")]
    pub directory: PathBuf,
    /// Its environment, nothing of the caller's; `{n}` stands for N.
    pub environment: BTreeMap<String, String>,
    /// Variables of the caller's environment that it is given as well.
    pub inherit: Vec<String>,
    /// The exit code that means success.
    pub exit_code: i32,
    /// What its line `loadline:check=…` has to say; `{n}` stands for N.
    pub check: Option<String>,
    /// Whether each `loadline:phase=…` line is answered with an empty line on its standard input.
    pub acknowledge: bool,
}

/// A command for one N, placeholders filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The program and its arguments. Never empty.
    pub arguments: Vec<String>,
    /// Its whole environment.
    pub environment: BTreeMap<String, String>,
    /// What its line `loadline:check=…` has to say.
    pub check: Option<String>,
}

impl Command {
    /// The command for N = `modules`.
    ///
    /// Where the scenario gives no `PATH` it is `/usr/local/bin:/usr/bin:/bin`. `LOADLINE_ACK=1` is
    /// set where phase lines are answered, so that the program waits only when somebody answers.
    pub fn at(&self, modules: usize) -> Invocation {
        let n = modules.to_string();
        let fill = |text: &String| text.replace(PLACEHOLDER, &n);
        let given = self.environment.iter().map(|(name, value)| (name.clone(), fill(value)));
        let mut environment: BTreeMap<String, String> = given.collect();
        environment.entry("PATH".to_owned()).or_insert_with(|| DEFAULT_PATH.to_owned());
        if self.acknowledge {
            environment.insert("LOADLINE_ACK".to_owned(), "1".to_owned());
        }
        Invocation {
            arguments: self.arguments.iter().map(fill).collect(),
            environment,
            check: self.check_at(modules),
        }
    }

    /// What the line `loadline:check=…` has to say at N = `modules`.
    pub fn check_at(&self, modules: usize) -> Option<String> {
        self.check.as_ref().map(|check| check.replace(PLACEHOLDER, &modules.to_string()))
    }

    /// Whether N reaches the program at all.
    pub(crate) fn names_n(&self) -> bool {
        let mut texts = self.arguments.iter().chain(self.environment.values());
        texts.any(|text| text.contains(PLACEHOLDER))
    }
}

#[cfg(test)]
mod tests {
    use crate::{Scenario, ScenarioError, Subject};

    use super::*;

    const EXAMPLE: &str = r#"
format = 1
question = "Does closing the oldest module first stay linear in N?"
expectation = "Yes."
command = ["python3", "load.py", "--modules={n}"]
environment = { NATIVE_UNWIND = "1", SIZES = "{n} {n}" }
check = "{n} closed"
judge = ["unload/task-clock", "load/reported", "run/page-faults", "work/task-clock"]
ladder = [64, 128, 256, 512, 1024]
control = { set = { "environment.NATIVE_UNWIND" = "0" } }
"#;

    fn with(changes: &[(&str, &str)]) -> Result<Scenario, ScenarioError> {
        let changes = changes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Scenario::parse_with("example", EXAMPLE, &changes)
    }

    fn command(scenario: &Scenario) -> &Command {
        match &scenario.subject {
            Subject::Command(command) => command,
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
        assert_eq!(invocation.environment["PATH"], DEFAULT_PATH);
        assert_eq!(invocation.environment.len(), 3, "nothing of the caller's");
    }

    #[test]
    fn a_variable_of_the_environment_makes_a_variant() {
        let off = with(&[("environment.NATIVE_UNWIND", "0")]).expect("can be set");
        assert_eq!(off.title(), "example:environment.NATIVE_UNWIND=0");
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
        let lifecycle = "lifecycle = \"hold-all\"\ncommand";
        let cases = [
            (replaced("[\"python3\", \"load.py\", \"--modules={n}\"]", "[]"), "names no program"),
            (
                replaced(
                    "--modules={n}\"]\nenvironment = { NATIVE_UNWIND = \"1\", SIZES = \"{n} {n}\" }",
                    "\"]",
                ),
                "nowhere {n}",
            ),
            (replaced("command", lifecycle), "lifecycle: stands beside command"),
            (replaced("command", "tables = \"strip\"\ncommand"), "tables: stands beside command"),
            (replaced("check =", "directory = \"a\"\nlifecycle = \"churn\" #"), "stands beside"),
            (
                replaced("command =", "lifecycle = \"hold-all\" #"),
                "belongs to scenarios with a command",
            ),
            (replaced("command =", "#"), "environment: belongs"),
            (replaced("SIZES", "\"A=B\""), "no name of a variable"),
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
        let text = "format = 1\nquestion = \"\"\nexpectation = \"\"\nlifecycle = \"hold-all\"\n\
                    judge = [\"SERIES\"]\nladder = [64, 128, 256, 512, 1024]";
        for series in ["run/task-clock", "work/task-clock", "load/reported"] {
            let parsed = Scenario::parse("modules", &text.replace("SERIES", series));
            assert!(parsed.is_err(), "{series}");
        }
    }
}
