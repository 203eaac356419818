//! Where everything lies: [`Project`], and reading the scenarios in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use loadline_scenario::{Scenario, Variant};

use crate::calibration_file;
use crate::exit::{Exit, ended};

/// The folders of one repository. The same program serves other repositories by `--root`.
#[derive(Debug, Clone)]
pub struct Project {
    /// The folder that holds scenarios and baselines.
    pub root: PathBuf,
    /// The workspace this program was built from, where the runner is built.
    pub workspace: PathBuf,
}

impl Project {
    /// The project at `root`, or this program's own workspace.
    ///
    /// # Errors
    /// When `root` is no folder.
    pub fn open(root: Option<&Path>) -> anyhow::Result<Project> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let workspace = fs::canonicalize(&workspace).with_context(|| {
            format!("cannot find the workspace {} this was built from", workspace.display())
        })?;
        let root = match root {
            None => workspace.clone(),
            Some(root) => fs::canonicalize(root).map_err(|error| {
                let root = root.display();
                ended(Exit::Usage, format!("cannot open --root {root}: {error}"))
            })?,
        };
        Ok(Project { root, workspace })
    }

    /// Where scenario files are.
    pub fn scenarios(&self) -> PathBuf {
        self.root.join("xtask/scenarios")
    }

    /// Where baseline files are.
    pub fn baselines(&self) -> PathBuf {
        self.root.join("baselines")
    }

    /// Where sessions are saved, one folder each.
    pub fn sessions(&self) -> PathBuf {
        self.target().join("regress")
    }

    /// Where compiled artifacts are kept between sessions.
    pub fn corpora(&self) -> PathBuf {
        self.target().join("corpora")
    }

    /// Cargo's folder for what can be made again.
    pub fn target(&self) -> PathBuf {
        match std::env::var_os("CARGO_TARGET_DIR") {
            Some(target) => self.root.join(target),
            None => self.root.join("target"),
        }
    }

    /// The names of all scenarios, sorted.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn scenario_names(&self) -> anyhow::Result<Vec<String>> {
        let folder = self.scenarios();
        let entries = fs::read_dir(&folder).map_err(|error| {
            let folder = folder.display();
            ended(
                Exit::Usage,
                format!("cannot read the scenarios in {folder}: {error} (is --root right?)"),
            )
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
                "no scenario may be called {name}: baselines/{name}.toml is written by cargo xtask calibrate (rename its file)"
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
        Scenario::parse_with(name, &text, changes)
            .map_err(|error| ended(Exit::Usage, format!("cannot use scenario {shown}: {error}")))
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

fn unknown_scenario(name: &str, names: &[String]) -> anyhow::Error {
    let nearest = nearest(name, names.iter().map(String::as_str));
    let hint = nearest.map_or_else(
        || "cargo xtask list shows them all".to_owned(),
        |nearest| format!("did you mean {nearest}?"),
    );
    ended(Exit::Usage, format!("there is no scenario {name:?} ({hint})"))
}

/// The known name most like `name`, where one is like it at all.
pub fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let scored = known.map(|known| (strsim::jaro_winkler(name, known), known));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.7).then_some(best.1)
}
