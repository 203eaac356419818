//! A program as a scenario's workload: [`Command`], and its form for one N, [`Invocation`].

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The placeholder for N in arguments, environment and check.
const PLACEHOLDER: &str = "{n}";

/// The search path of programs, unless the scenario sets another.
const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A program that Loadline starts once for each N.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The program and its arguments; `{n}` stands for N. Never empty.
    pub arguments: Vec<String>,
    /// The folder in which it runs, relative to the project's root.
    #[serde(with = "crate::workload::path")]
    pub directory: PathBuf,
    /// The program's environment, without the caller's; `{n}` stands for N.
    pub environment: BTreeMap<String, String>,
    /// Variables that the program also gets from the caller's environment.
    pub inherit: Vec<String>,
    /// The exit code that means success.
    pub exit_code: i32,
    /// The text that its line `loadline:check=…` must have; `{n}` stands for N.
    pub check: Option<String>,
    /// Whether Loadline answers each `loadline:phase=…` line with an empty line on the program's standard
    /// input.
    pub acknowledge: bool,
}

/// A command for one N, with all placeholders filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The program and its arguments. Never empty.
    pub arguments: Vec<String>,
    /// The program's whole environment.
    pub environment: BTreeMap<String, String>,
    /// The text that its line `loadline:check=…` must have.
    pub check: Option<String>,
}

impl Command {
    /// The command for N = `modules`.
    ///
    /// If the scenario sets no `PATH`, it is `/usr/local/bin:/usr/bin:/bin`. `LOADLINE_ACK=1` is set if
    /// Loadline answers phase lines, so that the program waits only for answers that will come.
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

    /// The text that the line `loadline:check=…` must have at N = `modules`.
    pub fn check_at(&self, modules: usize) -> Option<String> {
        self.check.as_ref().map(|check| check.replace(PLACEHOLDER, &modules.to_string()))
    }

    /// Whether the arguments or the environment contain N.
    pub(crate) fn names_n(&self) -> bool {
        let mut texts = self.arguments.iter().chain(self.environment.values());
        texts.any(|text| text.contains(PLACEHOLDER))
    }
}
