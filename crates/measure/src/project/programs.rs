//! The programs of one tree: how they are built, and where they are found.
//!
//! Scenarios name programs by fixed paths such as `target/release/host`. Cargo puts them elsewhere when a
//! variable or a configuration file says so. The other side of a comparison always has a folder of its own.
//! In both cases a path below the workspace's `target` means Cargo's real folder.

use loadline_record::{Context, Error, Exit, Result, ensure};
use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::process::{self, Stdio};
use std::sync::OnceLock;

use loadline_scenario::Command;

use crate::out;
use crate::process::cargo::cargo;
use crate::process::child;
use crate::process::interrupt::Interrupt;

/// The variables that tell Cargo where to put its output.
const FOLDERS: [&str; 3] = ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "CARGO_BUILD_BUILD_DIR"];

/// The programs of one tree.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The folder to which commands are relative.
    root: PathBuf,
    /// The root of the user's own tree, into which an absolute path may lead.
    home: PathBuf,
    /// The folder that Cargo must use. `None` keeps the user's own choice.
    own: Option<PathBuf>,
    /// Determined at the first use, since it takes a call of Cargo.
    cargo: OnceLock<Option<CargoFolder>>,
}

/// Where Cargo puts its output in a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
struct CargoFolder {
    /// `target` in the workspace, the folder that scenarios name.
    usual: PathBuf,
    /// The real folder.
    real: PathBuf,
}

impl Programs {
    /// The programs of the user's own tree, in the folder that the user has chosen for Cargo.
    pub fn of(root: &Path) -> Programs {
        let (root, home) = (root.to_owned(), root.to_owned());
        Programs { root, home, own: None, cargo: OnceLock::new() }
    }

    /// The same programs of another revision at `root`. They are built in `folder`, which no other tree
    /// shares.
    pub fn apart(&self, root: &Path, folder: &Path) -> Programs {
        Programs { home: self.home.clone(), own: Some(folder.to_owned()), ..Programs::of(root) }
    }

    /// Runs `build`, the command that builds the programs.
    ///
    /// # Errors
    /// When it cannot be started or fails, or when the program is interrupted meanwhile.
    pub fn build(&self, build: &[String], interrupt: &Interrupt) -> Result<()> {
        let Some((program, arguments)) = build.split_first() else { return Ok(()) };
        let shown = format!("{} in {}", build.join(" "), self.root.display());
        out::note(format_args!("building with {shown}"));
        let mut command = process::Command::new(program);
        command.args(arguments).current_dir(&self.root).envs(self.folders());
        let status = child::run(&mut command, interrupt);
        interrupt.check()?;
        let status = status.with_context(|| format!("cannot build with {shown}"))?;
        ensure!(status.success(), "{shown} failed ({status}); its messages are above");
        self.link_usual_folder();
        Ok(())
    }

    /// Returns `command` as it is started, with the paths of this tree's programs and folders.
    pub fn located(&self, command: &Command) -> Command {
        let mut located = command.clone();
        located.directory = self.root.join(&command.directory);
        for word in &mut located.arguments {
            *word = self.word(word, &located.directory);
        }
        located
    }

    /// Returns `command` with the caller's variables that it inherits. The variables of Cargo's folders get
    /// this tree's values.
    ///
    /// # Errors
    /// When a variable is not UTF-8.
    pub fn inherited(&self, mut command: Command) -> Result<Command> {
        let folders = self.folders();
        for name in &command.inherit {
            let own = folders.get(name.as_str()).map(|folder| folder.as_os_str().to_owned());
            let Some(value) = own.or_else(|| std::env::var_os(name)) else { continue };
            let value = value.into_string().map_err(|value| {
                let value = value.display();
                let text = format!(
                    "cannot pass {name} on to the command: its value {value:?} is not UTF-8 (set it in the scenario's environment)"
                );
                Error::new(Exit::CouldNotMeasure, text)
            })?;
            command.environment.entry(name.clone()).or_insert(value);
        }
        Ok(command)
    }

    /// Whether `program` belongs to this tree: it lies in the tree, or in Cargo's folder for the tree.
    pub fn has(&self, program: &Path) -> bool {
        let is_built = self.cargo().is_some_and(|cargo| program.starts_with(&cargo.real));
        plain(program).starts_with(&self.root) || is_built
    }

    /// The folder that Cargo uses here, if it is not `target` in the workspace.
    pub fn moved_target(&self) -> Option<&Path> {
        self.cargo().filter(|cargo| cargo.real != cargo.usual).map(|cargo| cargo.real.as_path())
    }

    /// Translates a word of a command for this tree. A path into the user's own tree leads into this one. A
    /// path into the workspace's `target` leads to Cargo's real folder.
    fn word(&self, word: &str, directory: &Path) -> String {
        let own = Path::new(word).strip_prefix(&self.home).ok().filter(|_| self.root != self.home);
        let word =
            own.map_or_else(|| word.to_owned(), |rest| self.root.join(rest).display().to_string());
        let mut parts = Path::new(&word).components();
        if !parts.any(|part| part == Component::Normal("target".as_ref())) {
            return word;
        }
        let Some(CargoFolder { usual, real }) = self.cargo() else { return word };
        match plain(&directory.join(&word)).strip_prefix(usual) {
            Ok(rest) if real != usual => real.join(rest).display().to_string(),
            _ => word,
        }
    }

    /// The values that the variables of [`FOLDERS`] must have. Empty to keep the user's values.
    fn folders(&self) -> BTreeMap<&'static str, &Path> {
        let Some(own) = &self.own else { return BTreeMap::new() };
        let is_cargos = self.cargo().is_some();
        let names = FOLDERS.iter().filter(|name| is_cargos || std::env::var_os(name).is_some());
        names.map(|name| (*name, own.as_path())).collect()
    }

    /// The Cargo folder of the workspace around this tree.
    fn cargo(&self) -> Option<&CargoFolder> {
        self.cargo.get_or_init(|| cargo_folder(&self.root, self.own.as_deref())).as_ref()
    }

    /// Scripts may name `target` as well. In a tree of ours, a link leads from there to the real folder.
    fn link_usual_folder(&self) {
        #[cfg(unix)]
        if let (Some(own), Some(CargoFolder { usual, .. })) = (&self.own, self.cargo()) {
            // If `target` exists already, it is the tree's own.
            let _ = std::os::unix::fs::symlink(own, usual);
        }
    }
}

/// Asks Cargo for the folder of the workspace around `root`, if there is one.
fn cargo_folder(root: &Path, own: Option<&Path>) -> Option<CargoFolder> {
    root.ancestors().find(|folder| folder.join("Cargo.toml").is_file())?;
    let mut command = process::Command::new(cargo());
    command.args(["metadata", "--no-deps", "--format-version", "1"]).current_dir(root);
    let said = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let said: serde_json::Value = serde_json::from_slice(&said.stdout).ok()?;
    let folder = |key: &str| Some(PathBuf::from(said[key].as_str()?));
    let real = own.map_or_else(|| folder("target_directory"), |own| Some(own.to_owned()))?;
    Some(CargoFolder { usual: folder("workspace_root")?.join("target"), real })
}

/// Removes `.` and `..` from `path` by its words alone, without reading the disk.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}
