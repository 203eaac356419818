//! Where everything lies: [`Project`], and reading the scenarios in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use loadline_scenario::{Scenario, Variant};

use crate::calibration_file;
use crate::called::{self, PROGRAM};
use crate::child;
use crate::exit::{Exit, ended};
use crate::interrupt::Interrupt;
use crate::out;
use crate::project_file::{self, Layout};

/// The folders of one repository: this program's own workspace, one named by `--root`, or the one
/// with the nearest `loadline.toml`.
#[derive(Debug, Clone)]
pub struct Project {
    /// The folder that scenarios, baselines and commands are named from.
    pub root: PathBuf,
    /// The sources whose revisions are compared: the workspace this program was built from, where
    /// the runner is built, too; of an installed program the project itself.
    pub workspace: PathBuf,
    /// Whether this program was installed, and a runner with it, rather than built beside one.
    pub is_installed: bool,
    layout: Layout,
}

impl Project {
    /// The project at `root`; without one this program's own workspace, or of an installed program
    /// the nearest one around the current folder.
    ///
    /// # Errors
    /// When `root` is no folder, none is around here, or `loadline.toml` is wrong.
    pub fn open(root: Option<&Path>) -> anyhow::Result<Project> {
        let own = called::workspace().filter(|_| called::is_in_workspace());
        let root = match (root, &own) {
            (None, Some(own)) => own.clone(),
            (None, None) => root_around_here()?,
            (Some(root), _) => fs::canonicalize(root).map_err(|error| {
                let root = root.display();
                ended(Exit::Usage, format!("cannot open --root {root}: {error}"))
            })?,
        };
        let layout = Layout::read(&root)?.unwrap_or_default();
        let is_installed = own.is_none();
        Ok(Project { workspace: own.unwrap_or_else(|| root.clone()), root, is_installed, layout })
    }

    /// Where scenario files are.
    pub fn scenarios(&self) -> PathBuf {
        self.root.join(&self.layout.scenarios)
    }

    /// Where baseline files are.
    pub fn baselines(&self) -> PathBuf {
        self.root.join(&self.layout.baselines)
    }

    /// How long measuring may take while series are undecided, where the project says it.
    pub fn budget_seconds(&self) -> Option<u64> {
        self.layout.budget_seconds
    }

    /// Makes the programs that are measured, in `tree`: the project or another revision of it.
    ///
    /// # Errors
    /// When the command for it fails, or the program is interrupted.
    pub fn build(&self, tree: &Path, interrupt: &Interrupt) -> anyhow::Result<()> {
        let Some((program, arguments)) = self.layout.build.split_first() else { return Ok(()) };
        let shown = format!("{} in {}", self.layout.build.join(" "), tree.display());
        out::note(format_args!("building by {shown}"));
        let mut command = Command::new(program);
        command.args(arguments).current_dir(tree);
        let status = child::run(&mut command, interrupt)
            .with_context(|| format!("cannot build by {shown}"))?;
        ensure!(status.success(), "{shown} failed ({status}); its messages stand above");
        Ok(())
    }

    /// Where sessions are saved, one folder each.
    pub fn sessions(&self) -> PathBuf {
        self.target().join("regress")
    }

    /// The session that is named by its path, or by the name of its folder as `history` prints it.
    pub fn session(&self, named: &Path) -> PathBuf {
        let kept = self.sessions().join(named);
        if !named.exists() && kept.exists() { kept } else { named.to_owned() }
    }

    /// Where compiled artifacts are kept between sessions.
    pub fn corpora(&self) -> PathBuf {
        self.target().join("corpora")
    }

    /// Where unwinders lie that were unpacked for measuring alone.
    pub fn unwinders(&self) -> PathBuf {
        self.target().join("unwinders")
    }

    /// The folder for what can be made again: Cargo's, unless the project names another.
    pub fn target(&self) -> PathBuf {
        match (&self.layout.output, std::env::var_os("CARGO_TARGET_DIR")) {
            (Some(output), _) => self.root.join(output),
            (None, Some(target)) => self.root.join(target),
            (None, None) => self.root.join("target"),
        }
    }

    /// The names of all scenarios, sorted.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn scenario_names(&self) -> anyhow::Result<Vec<String>> {
        let folder = self.scenarios();
        let entries = fs::read_dir(&folder).map_err(|error| {
            let (folder, root, file) = (folder.display(), self.root.display(), project_file::NAME);
            let hint = if self.root.join(file).is_file() {
                format!("`scenarios` in {root}/{file} names their folder")
            } else {
                format!("there is no {file} in {root}; {PROGRAM} init writes one there")
            };
            ended(Exit::Usage, format!("cannot read the scenarios in {folder}: {error} ({hint})"))
        })?;
        let mut names = Vec::new();
        for entry in entries {
            let path = entry.with_context(|| format!("cannot read {}", folder.display()))?.path();
            if path.extension().is_some_and(|ending| ending == "toml") {
                let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
                names.extend(stem);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The scenario `name` with `changes` made to it.
    ///
    /// # Errors
    /// When there is no such scenario (with the nearest name), or its file is wrong (with the place).
    pub fn scenario(
        &self,
        name: &str,
        changes: &BTreeMap<String, String>,
    ) -> anyhow::Result<Scenario> {
        let names = self.scenario_names()?;
        if name == calibration_file::NAME {
            let text = format!(
                "no scenario may be called {name}: {} is written by {PROGRAM} calibrate (rename its file)",
                self.baselines().join(format!("{name}.toml")).display()
            );
            return Err(ended(Exit::Usage, text));
        }
        if !names.iter().any(|known| known == name) {
            return Err(unknown_scenario(name, &names));
        }
        let path = self.scenarios().join(format!("{name}.toml"));
        let shown = path.display().to_string();
        let text = fs::read_to_string(&path).map_err(|error| {
            ended(Exit::Usage, format!("cannot read scenario {shown}: {error}"))
        })?;
        Scenario::parse_with(name, &text, changes).map_err(|error| {
            let error = with_nearest(&error.to_string());
            ended(Exit::Usage, format!("cannot use scenario {shown}: {error}"))
        })
    }

    /// Takes `NAME` or `NAME:KEY=VALUE,…` apart.
    ///
    /// # Errors
    /// When what follows the colon is not a list of changes.
    pub fn split_title(title: &str) -> anyhow::Result<(&str, BTreeMap<String, String>)> {
        let (name, changes) = title.split_once(':').unwrap_or((title, ""));
        let changes = Variant::parse_changes(changes)
            .map_err(|problem| ended(Exit::Usage, format!("cannot read {title:?}: {problem}")))?;
        Ok((name, changes))
    }
}

/// The folder around the current one that holds `loadline.toml`.
fn root_around_here() -> anyhow::Result<PathBuf> {
    let here = std::env::current_dir().context("cannot tell the current folder")?;
    project_file::nearest_root(&here).ok_or_else(|| {
        let text = format!(
            "there is no {} in {} or above ({PROGRAM} init writes one; --root DIR names the repository)",
            project_file::NAME,
            here.display()
        );
        ended(Exit::Usage, text)
    })
}

fn unknown_scenario(name: &str, names: &[String]) -> anyhow::Error {
    let nearest = nearest(name, names.iter().map(String::as_str));
    let hint = nearest.map_or_else(
        || format!("{PROGRAM} list shows them all"),
        |nearest| format!("did you mean {nearest}?"),
    );
    ended(Exit::Usage, format!("there is no scenario {name:?} ({hint})"))
}

/// What toml says about an unknown key or value, with the nearest known one instead of all of them.
pub fn with_nearest(error: &str) -> String {
    let lines = error.lines().map(|line| suggestion(line).unwrap_or_else(|| line.to_owned()));
    lines.collect::<Vec<_>>().join("\n")
}

fn suggestion(line: &str) -> Option<String> {
    let (unknown, expected) = line.split_once(", expected ")?;
    let rest = ["unknown field `", "unknown variant `"]
        .iter()
        .find_map(|start| Some(unknown.split_once(start)?.1))?;
    let name = rest.strip_suffix('`')?;
    // Names stand between backticks, and what follows the last of them is not the list's.
    let parts: Vec<&str> = expected.split('`').collect();
    let nearest = nearest(name, parts.iter().skip(1).step_by(2).copied())?;
    let after = parts.last().copied().unwrap_or_default();
    Some(format!("{unknown}, did you mean `{nearest}`?{after}"))
}

/// The known name most like `name`, where one is like it at all.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.map(|known| (strsim::jaro_winkler(name, known), known));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.7).then_some(best.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_key_is_answered_with_the_nearest_one() {
        let many = "line 2\nunknown field `jugde`, expected one of `format`, `judge`, `jobs`";
        assert_eq!(with_nearest(many), "line 2\nunknown field `jugde`, did you mean `judge`?");
        let two = "unknown field `tos`, expected `from` or `to` (x)";
        assert_eq!(with_nearest(two), "unknown field `tos`, did you mean `to`? (x)");
        let value = "unknown variant `hold-al`, expected one of `hold-all`, `churn`";
        assert_eq!(with_nearest(value), "unknown variant `hold-al`, did you mean `hold-all`?");
        for other in ["missing field `a`", "unknown field `zzz`, expected `format`", ""] {
            assert_eq!(with_nearest(other), other);
        }
    }
}
