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
    #[serde(with = "crate::subject::path")]
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
