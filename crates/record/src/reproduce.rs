//! The command line that measures a scenario again as it was measured: every flag that decides the
//! verdict, quoted for a shell.

use std::borrow::Cow;
use std::path::Path;

use loadline_scenario::Scenario;
use serde::{Deserialize, Serialize};

use crate::PROGRAM;
use crate::Strictness;

/// The settings that a session was asked for, except those that its scenarios state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// The flags and their values, one argument each.
    flags: Vec<String>,
    /// The baseline that the user insisted on.
    #[serde(default)]
    pub baseline: Option<String>,
    /// The repository, if the command line named it.
    #[serde(default)]
    pub root: Option<String>,
}

impl Again {
    /// A session that was asked for with these flags, one argument each.
    pub fn new(flags: Vec<String>, baseline: Option<String>, root: Option<String>) -> Again {
        Again { flags, baseline, root }
    }

    /// Records the baseline and repository that the session is judged with now.
    pub fn judged(&mut self, baseline: Option<String>, root: Option<&Path>) {
        self.baseline = baseline;
        self.root = root.map(|root| root.display().to_string());
    }

    /// Returns the flag that names the repository, after a space; empty if the command line had none.
    pub fn root_flag(&self) -> String {
        let flag = |root: &String| format!(" --root {}", shell_quoted(root));
        self.root.as_ref().map(flag).unwrap_or_default()
    }

    /// Returns the verb and the full name with the settings of `scenario`, some of them replaced by `changes`.
    fn command(&self, verb: &str, scenario: &Scenario, changes: &[(&str, String)]) -> Vec<String> {
        let mut words = vec![verb.to_owned(), scenario.full_name()];
        // A changed list of sizes also replaces the settings below that key, such as its first and last size.
        let is_changed = |key: &str| {
            let name = key.split('.').next();
            changes.iter().any(|(changed, _)| Some(*changed) == name)
        };
        let kept = scenario.settings.iter().filter(|(key, _)| !is_changed(key));
        let kept = kept.map(|(key, value)| format!("{key}={value}"));
        let changed = changes.iter().map(|(key, value)| format!("{key}={value}"));
        words.extend(kept.chain(changed).flat_map(|set| ["--set".to_owned(), set]));
        words.extend(self.root.iter().flat_map(|root| ["--root".to_owned(), root.clone()]));
        words
    }

    /// Returns the command that measures `scenario` again with `changes`.
    pub fn regress(
        &self,
        scenario: &Scenario,
        against: Option<&str>,
        strictness: Strictness,
        seed: Option<u64>,
        changes: &[(&str, String)],
    ) -> String {
        // `against` holds a flag and its value, or the verb and flag of a session that was compared with itself.
        let verb = against.filter(|text| !text.starts_with("--"));
        let verb = verb.and_then(|text| text.split(' ').next()).unwrap_or("regress");
        let mut words = self.command(verb, scenario, changes);
        let flags = against.map(|text| text.trim_start_matches(verb).trim_start());
        words.extend(flags.iter().flat_map(|flags| flags.splitn(2, ' ')).map(str::to_owned));
        let baseline = self.baseline.iter();
        words.extend(baseline.flat_map(|named| ["--baseline".to_owned(), named.clone()]));
        words.extend(self.flags.iter().cloned());
        words.extend(seed.iter().flat_map(|seed| ["--seed".to_owned(), seed.to_string()]));
        words.extend(strictness.inconclusive.then(|| "--strict".to_owned()));
        words.extend(strictness.no_baseline.then(|| "--require-baseline".to_owned()));
        format!("{PROGRAM} {}", quoted(&words))
    }

    /// Returns the command that writes a baseline of `scenario`. `more` is appended unchanged.
    pub fn baseline(&self, scenario: &Scenario, more: &str) -> String {
        let mut words = self.command("baseline", scenario, &[]);
        let is_of_machine = |flag: &&[String]| flag[0] == "--unwinder" || flag[0] == "--processors";
        words.extend(self.flags.chunks(2).filter(is_of_machine).flatten().cloned());
        format!("{PROGRAM} {} {more}", quoted(&words))
    }
}

/// Joins words so that a shell reads each as one word.
fn quoted(words: &[String]) -> String {
    words.iter().map(|word| shell_quoted(word)).collect::<Vec<_>>().join(" ")
}

/// Quotes a word for a shell if a character in it would mean something else.
pub fn shell_quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-+=:,./@%~^".contains(c);
    // At the start of a word a tilde means a home folder.
    if !word.is_empty() && !word.starts_with('~') && word.chars().all(is_plain) {
        return Cow::Borrowed(word);
    }
    Cow::Owned(format!("'{}'", word.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::fixtures::scenario;

    #[test]
    fn a_shell_reads_what_was_meant() {
        for word in
            ["a", "sizes=[1, 2]", "it's", "", "$HOME `id` \"x\" \\", "a\nb", "ü", "~", "a~^"]
        {
            let script = format!("printf %s {}", shell_quoted(word));
            let output = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), word);
        }
    }

    #[test]
    fn every_flag_that_decides_is_repeated() {
        let again = Again {
            flags: ["--unwinder", "llvm", "--processors", "0,1"].map(str::to_owned).to_vec(),
            baseline: Some("my file.toml".to_owned()),
            root: Some("a b".to_owned()),
        };
        let settings = [("repetitions".to_owned(), "5".to_owned())].into();
        let scenario = Scenario { settings, ..scenario("keep") };
        let strict = Strictness { inconclusive: true, no_baseline: false };
        let changes = [("repetitions", "10".to_owned())];
        let full_name = scenario.full_name();
        assert_eq!(
            again.regress(&scenario, Some("--against HEAD~1"), strict, Some(7), &changes),
            format!(
                "loadline regress {full_name} --set repetitions=10 --root 'a b' --against HEAD~1 --baseline 'my file.toml' --unwinder llvm --processors 0,1 --seed 7 --strict"
            )
        );
        let itself = Again { flags: Vec::new(), baseline: None, root: None };
        let strict = Strictness { inconclusive: false, no_baseline: false };
        assert_eq!(
            itself.regress(&scenario, Some("calibrate --check"), strict, None, &changes),
            format!("loadline calibrate {full_name} --set repetitions=10 --check")
        );
        assert_eq!(
            again.baseline(&scenario, "--reason \"…\""),
            format!(
                "loadline baseline {full_name} --set repetitions=5 --root 'a b' --unwinder llvm --processors 0,1 --reason \"…\""
            )
        );
    }
}
