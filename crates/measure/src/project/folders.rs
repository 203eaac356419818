//! [`Project`] knows where everything lies, and reads its scenarios.

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

/// The folders of one repository. It is this program's own workspace, the folder named by `--root`, or the
/// folder with the nearest `loadline.toml`.
#[derive(Debug, Clone)]
pub struct Project {
    /// The folder to which scenarios, baselines and commands are relative.
    pub root: PathBuf,
    /// The sources whose revisions are compared. The runner is built there too. For an installed program this
    /// is the project itself.
    pub workspace: PathBuf,
    /// Whether this program was installed together with a runner, rather than built in a workspace.
    pub is_installed: bool,
    /// The programs that commands start.
    pub programs: Programs,
    layout: Layout,
}

impl Project {
    /// Opens the project at `root`. Without `root` it opens this program's own workspace, or for an installed
    /// program the nearest project around the current folder.
    ///
    /// # Errors
    /// When `root` is not a folder, no project is found, or `loadline.toml` is wrong.
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

    /// Another revision of this project, checked out at `root`. It uses its own `loadline.toml`, or this
    /// project's if it has none. Cargo builds its programs in `folder`.
    ///
    /// # Errors
    /// When its `loadline.toml` is wrong.
    pub fn checked_out(&self, root: &Path, folder: &Path) -> Result<Project> {
        let layout = Layout::read(root)?.unwrap_or_else(|| self.layout.clone());
        let (root, programs) = (root.to_owned(), self.programs.apart(root, folder));
        Ok(Project { root, programs, layout, ..self.clone() })
    }

    /// The folder of scenario files.
    pub fn scenarios(&self) -> PathBuf {
        self.root.join(&self.layout.scenarios)
    }

    /// The folder of baseline files.
    pub fn baselines(&self) -> PathBuf {
        self.root.join(&self.layout.baselines)
    }

    /// How many seconds measuring may take while series are undecided. `None` if the project does not say.
    pub fn budget_seconds(&self) -> Option<u64> {
        self.layout.budget_seconds
    }

    /// The days after which sessions, artifacts and builds are removed. `0` keeps them.
    pub fn keep_days(&self) -> u64 {
        self.layout.keep_days
    }

    /// The command that builds the programs. Empty if there is none.
    pub fn build_command(&self) -> &[String] {
        &self.layout.build
    }

    /// Builds the programs that are measured. Call it once, before reading any of them.
    ///
    /// # Errors
    /// When the build command fails, or the program is interrupted.
    pub fn build(&self, interrupt: &Interrupt) -> Result<()> {
        self.programs.build(&self.layout.build, interrupt)
    }

    /// The folder in which the other side of a comparison is checked out and built. Sessions keep it. It lies
    /// in Cargo's folder, wherever the user has moved that.
    pub fn against(&self) -> PathBuf {
        match self.programs.moved_target() {
            Some(target) if self.is_installed => target.join("loadline-against"),
            _ => self.target().join("against"),
        }
    }

    /// The folder of saved sessions, which has one folder for each session.
    pub fn sessions(&self) -> PathBuf {
        self.target().join("regress")
    }

    /// The path of a session that is named by its path, or by its folder name as `history` prints it.
    pub fn session(&self, named: &Path) -> PathBuf {
        let kept = self.sessions().join(named);
        if !named.exists() && kept.exists() { kept } else { named.to_owned() }
    }

    /// The folder in which compiled artifacts are kept between sessions.
    pub fn corpora(&self) -> PathBuf {
        self.target().join("corpora")
    }

    /// The folder of unwinders that were unpacked only for measuring.
    pub fn unwinders(&self) -> PathBuf {
        self.target().join("unwinders")
    }

    /// The folder for files that can be made again. It is Cargo's target folder, unless the project names
    /// another.
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

    /// Reads the scenario `name` and makes `changes` to it.
    ///
    /// # Errors
    /// When there is no such scenario (the error names the nearest one), or its file is wrong (it names the
    /// place).
    pub fn scenario(&self, name: &str, changes: &BTreeMap<String, String>) -> Result<Scenario> {
        let names = self.scenario_names()?;
        if name == calibration::NAME {
            let text = format!(
                "a scenario cannot be called {name}: {PROGRAM} calibrate writes {} (rename the scenario's file)",
                self.baselines().join(format!("{name}.toml")).display()
            );
            return Err(Error::new(Exit::Usage, text));
        }
        if !names.iter().any(|known| known == name) {
            return Err(unknown_scenario(name, &names));
        }
        self.read_scenario(name, changes)
    }

    /// Reads the scenario `name` of another revision with `changes`.
    ///
    /// # Errors
    /// When the revision has no such scenario, or none that this version can read.
    pub fn scenario_there(
        &self,
        name: &str,
        changes: &BTreeMap<String, String>,
    ) -> Result<Scenario, String> {
        if !self.scenario_file(name).is_file() {
            return Err("it has no scenario of this name".to_owned());
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

    /// The path of the file of the scenario `name`.
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

    /// Splits `NAME` or `NAME:KEY=VALUE,…` into the name and the changes.
    ///
    /// # Errors
    /// When the text after the colon is not a list of changes.
    pub fn split_title(full_name: &str) -> Result<(&str, BTreeMap<String, String>)> {
        let (name, changes) = full_name.split_once(':').unwrap_or((full_name, ""));
        let changes = Variant::parse_changes(changes).map_err(|problem| {
            Error::new(Exit::Usage, format!("cannot read {full_name:?}: {problem}"))
        })?;
        Ok((name, changes))
    }
}

/// The nearest folder, from the current one upwards, that holds `loadline.toml`.
fn root_around_here() -> Result<PathBuf> {
    let here = std::env::current_dir().context("cannot find the current folder")?;
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
