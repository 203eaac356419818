//! What stands in a page of the documentation: commands with their output, and files to save.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One thing that a page tells its reader to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Typed after `$ `, with the output that is shown under it.
    Type { command: String, shown: Vec<String> },
    /// A fenced block after a line that ends with "as `NAME`:".
    Save { name: String, text: String },
}

/// The steps of a page, in its order: of blocks of the kind `console`, and files to save.
pub fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut lines = page.lines();
    let mut name = None;
    while let Some(line) = lines.next() {
        let Some(kind) = line.trim_start().strip_prefix("```") else {
            name = line.split_once(" as `").and_then(|(_, rest)| rest.strip_suffix("`:"));
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| line.trim() != "```").collect();
        match (kind, name.take()) {
            ("console", _) => steps.extend(typed(&block)),
            (_, Some(name)) => {
                let text = block.iter().map(|line| format!("{line}\n")).collect();
                steps.push(Step::Save { name: name.to_owned(), text });
            }
            _ => {}
        }
    }
    steps
}

fn typed(block: &[&str]) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    for line in block.iter().filter(|line| !line.is_empty()) {
        let continues =
            matches!(steps.last(), Some(Step::Type { command, .. }) if command.ends_with('\\'));
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => {
                steps.push(Step::Type { command: command.to_owned(), shown: Vec::new() });
            }
            (None, Some(Step::Type { command, .. })) if continues => {
                command.push('\n');
                command.push_str(line);
            }
            (None, Some(Step::Type { shown, .. })) => shown.push((*line).to_owned()),
            (None, _) => panic!("a console block begins with a command, found {line:?}"),
        }
    }
    steps
}

/// A reader at a terminal: a folder to stand in, and what is set there.
pub struct Reader {
    /// Where the next command is typed.
    pub folder: PathBuf,
    /// Variables set, and taken away.
    pub environment: Vec<(&'static str, Option<String>)>,
}

impl Reader {
    /// Types `command` into a shell; its exit code and all it printed. `cd` lasts.
    pub fn types(&mut self, command: &str) -> (Option<i32>, String) {
        let place = tempfile::NamedTempFile::new().unwrap();
        // The shell's last act, after whatever the command was: where it stands.
        let script = format!("exec 2>&1\ntrap 'pwd > \"$WHERE\"' EXIT\n{command}\n");
        let mut shell = Command::new("bash");
        shell.args(["-c", &script]).current_dir(&self.folder).stdin(Stdio::null());
        for (name, value) in &self.environment {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        let output = shell.env("WHERE", place.path()).output().unwrap();
        if let Ok(place) = fs::read_to_string(place.path()) {
            self.folder = Path::new(place.trim_end()).to_owned();
        }
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// The line of `shown` that `said` has not: every line without figures in it has to be there, blanks
/// apart. Figures differ from run to run.
pub fn missing<'a>(shown: &'a [String], said: &str) -> Option<&'a String> {
    let plain = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let said: Vec<String> = said.lines().map(plain).collect();
    let is_fixed = |line: &&String| !line.contains(|c: char| c.is_ascii_digit() || c == '…');
    let is_exit = |line: &&String| line.starts_with("exit code ");
    shown
        .iter()
        .filter(|line| is_fixed(line) || is_exit(line))
        .find(|line| !said.contains(&plain(line)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_taken_apart() {
        let page = "Do:\n```console\n$ one \\\n  more\nout 1\n$ two\n```\nSave this as `a.py`:\n```python\nx\n```\n```text\n$ no\n```\n";
        let typed = |command: &str, shown: &[&str]| Step::Type {
            command: command.to_owned(),
            shown: shown.iter().map(|&line| line.to_owned()).collect(),
        };
        let file = Step::Save { name: "a.py".to_owned(), text: "x\n".to_owned() };
        assert_eq!(steps(page), [typed("one \\\n  more", &["out 1"]), typed("two", &[]), file]);
    }

    #[test]
    fn what_is_shown_has_to_be_said() {
        let shown = ["took 3 s", "it  holds", "exit code 3"].map(str::to_owned);
        assert_eq!(missing(&shown, "took 4 s\nit holds\nexit code 3\n"), None);
        assert_eq!(missing(&shown, "it holds\nexit code 6\n"), Some(&shown[2]));
        assert_eq!(missing(&shown, "exit code 3"), Some(&shown[1]));
    }
}
