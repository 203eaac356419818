//! Where everything lies: [`Project`], and reading the scenarios in it.

use loadline_record::{Context, Error, Exit, PROGRAM, Result};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use loadline_record::suggest::{nearest, with_nearest};
use loadline_scenario::{Scenario, Variant};

use crate::process::interrupt::Interrupt;
use crate::project::git;
use crate::project::programs::Programs;
use crate::project::workspace;
use loadline_record::calibration;
use loadline_record::layout::{self, Layout};

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
    /// What commands start.
    pub programs: Programs,
    layout: Layout,
}

impl Project {
    /// The project at `root`; without one this program's own workspace, or of an installed program
    /// the nearest one around the current folder.
    ///
    /// # Errors
    /// When `root` is no folder, none is around here, or `loadline.toml` is wrong.
    pub fn open(root: Option<&Path>) -> Result<Project> {
        let own = workspace::own();
        let root = match (root, &own) {
            (None, Some(own)) => own.clone(),
            (None, None) => root_around_here()?,
            (Some(root), _) => fs::canonicalize(root).map_err(|error| {
                let root = root.display();
                Error::new(Exit::WrongFile, format!("cannot open --root {root}: {error}"))
            })?,
        };
        let layout = Layout::read(&root)?.unwrap_or_default();
        let (is_installed, programs) = (own.is_none(), Programs::of(&root));
        let workspace = own.unwrap_or_else(|| root.clone());
        Ok(Project { root, workspace, is_installed, programs, layout })
    }

    /// Another revision of this project, checked out at `root`: by its own `loadline.toml`, or by
    /// this project's where it has none. Cargo builds its programs in `folder`.
    ///
    /// # Errors
    /// When its `loadline.toml` is wrong.
    pub fn checked_out(&self, root: &Path, folder: &Path) -> Result<Project> {
        let layout = Layout::read(root)?.unwrap_or_else(|| self.layout.clone());
        let (root, programs) = (root.to_owned(), self.programs.apart(root, folder));
        Ok(Project { root, programs, layout, ..self.clone() })
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

    /// The command that makes the programs; empty for none.
    pub fn build_command(&self) -> &[String] {
        &self.layout.build
    }

    /// Makes the programs that are measured: once, before any of them is read.
    ///
    /// # Errors
    /// When the command for it fails, or the program is interrupted.
    pub fn build(&self, interrupt: &Interrupt) -> Result<()> {
        self.programs.build(&self.layout.build, interrupt)
    }

    /// Where the other side of a comparison is checked out and built. It is kept from one session to
    /// the next, and lies in Cargo's folder where the user has moved that.
    pub fn against(&self) -> PathBuf {
        match self.programs.moved_target() {
            Some(target) if self.is_installed => target.join("loadline-against"),
            _ => self.target().join("against"),
        }
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
    pub fn scenario_names(&self) -> Result<Vec<String>> {
        let folder = self.scenarios();
        let entries = fs::read_dir(&folder).map_err(|error| {
            let (folder, root, file) = (folder.display(), self.root.display(), layout::NAME);
            let hint = if self.root.join(file).is_file() {
                format!("`scenarios` in {root}/{file} names their folder")
            } else {
                format!("there is no {file} in {root}; {PROGRAM} init writes one there")
            };
            Error::new(
                Exit::WrongFile,
                format!("cannot read the scenarios in {folder}: {error} ({hint})"),
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
    pub fn scenario(&self, name: &str, changes: &BTreeMap<String, String>) -> Result<Scenario> {
        let names = self.scenario_names()?;
        if name == calibration::NAME {
            let text = format!(
                "no scenario may be called {name}: {} is written by {PROGRAM} calibrate (rename its file)",
                self.baselines().join(format!("{name}.toml")).display()
            );
            return Err(Error::new(Exit::Usage, text));
        }
        if !names.iter().any(|known| known == name) {
            return Err(unknown_scenario(name, &names));
        }
        self.read_scenario(name, changes)
    }

    /// The same of another revision, which may have no such scenario.
    ///
    /// # Errors
    /// When it has none, or none that this version can read.
    pub fn scenario_there(
        &self,
        name: &str,
        changes: &BTreeMap<String, String>,
    ) -> Result<Scenario, String> {
        if !self.scenario_file(name).is_file() {
            return Err("it has none of that name".to_owned());
        }
        self.read_scenario(name, changes).map_err(|error| format!("{error:#}"))
    }

    /// Whether some commit of the repository has a scenario or a group of this name.
    pub fn has_once_had(&self, name: &str) -> bool {
        let (file, folder) = (self.scenario_file(name), self.scenarios());
        let is_word = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
        let group = format!("^group *= *\"{name}\"");
        let any = ["log", "--all", "--max-count=1", "--format=%H"].map(OsStr::new);
        let of_file = [OsStr::new("--"), file.as_os_str()];
        let of_group = ["-G", &group, "--"].map(OsStr::new);
        let has = |what: &[&OsStr]| {
            let found = git::text(&self.root, &[&any, what].concat());
            found.is_ok_and(|commit| !commit.is_empty())
        };
        name.chars().all(is_word)
            && (has(&of_file) || has(&[&of_group[..], &[folder.as_os_str()]].concat()))
    }

    /// The file of the scenario `name`.
    pub fn scenario_file(&self, name: &str) -> PathBuf {
        self.scenarios().join(format!("{name}.toml"))
    }

    fn read_scenario(&self, name: &str, changes: &BTreeMap<String, String>) -> Result<Scenario> {
        let path = self.scenario_file(name);
        let shown = path.display().to_string();
        let text = fs::read_to_string(&path).map_err(|error| {
            Error::new(Exit::WrongFile, format!("cannot read scenario {shown}: {error}"))
        })?;
        Scenario::parse_with(name, &text, changes).map_err(|error| {
            let is_changed = Scenario::parse(name, &text).is_ok();
            let exit = if is_changed { Exit::Usage } else { Exit::WrongFile };
            let error = with_nearest(&error.to_string());
            Error::new(exit, format!("cannot use scenario {shown}: {error}"))
        })
    }

    /// Takes `NAME` or `NAME:KEY=VALUE,…` apart.
    ///
    /// # Errors
    /// When what follows the colon is not a list of changes.
    pub fn split_title(title: &str) -> Result<(&str, BTreeMap<String, String>)> {
        let (name, changes) = title.split_once(':').unwrap_or((title, ""));
        let changes = Variant::parse_changes(changes).map_err(|problem| {
            Error::new(Exit::Usage, format!("cannot read {title:?}: {problem}"))
        })?;
        Ok((name, changes))
    }
}

/// The folder around the current one that holds `loadline.toml`.
fn root_around_here() -> Result<PathBuf> {
    let here = std::env::current_dir().context("cannot tell the current folder")?;
    layout::nearest_root(&here).ok_or_else(|| {
        let text = format!(
            "there is no {} in {} or above ({PROGRAM} init writes one; --root DIR names the repository)",
            layout::NAME,
            here.display()
        );
        Error::new(Exit::WrongFile, text)
    })
}

fn unknown_scenario(name: &str, names: &[String]) -> Error {
    let nearest = nearest(name, names.iter().map(String::as_str));
    let hint = nearest.map_or_else(
        || format!("{PROGRAM} list shows them all"),
        |nearest| format!("did you mean {nearest}?"),
    );
    Error::new(Exit::Usage, format!("there is no scenario {name:?} ({hint})"))
}
