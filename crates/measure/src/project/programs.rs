//! The programs of one tree: how they are built, and where they are found.
//!
//! Scenarios name programs by fixed paths such as `target/release/host`. Cargo puts them elsewhere
//! when a variable or a configuration file says so, and the other side of a comparison always has a
//! folder of its own. Both are handled here: a path below the workspace's `target` means Cargo's real
//! folder.

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

/// The variables that tell Cargo where to put what it builds.
const FOLDERS: [&str; 3] = ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "CARGO_BUILD_BUILD_DIR"];

/// The programs of one tree.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The folder that commands are named from.
    root: PathBuf,
    /// The same of the user's own tree, which an absolute path may lead into.
    home: PathBuf,
    /// The folder that Cargo is made to use; `None` for the user's own choice.
    own: Option<PathBuf>,
    /// Found when it is needed first: it takes a start of Cargo.
    cargo: OnceLock<Option<CargoFolder>>,
}

/// Where Cargo puts what it builds in a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
struct CargoFolder {
    /// `target` in the workspace, where scenarios name it.
    usual: PathBuf,
    /// Where it is.
    real: PathBuf,
}

impl Programs {
    /// The programs of the user's own tree, which Cargo puts where the user wants them.
    pub fn of(root: &Path) -> Programs {
        let (root, home) = (root.to_owned(), root.to_owned());
        Programs { root, home, own: None, cargo: OnceLock::new() }
    }

    /// The same programs as another revision at `root` has them, built in `folder`, which no other
    /// tree shares.
    pub fn apart(&self, root: &Path, folder: &Path) -> Programs {
        Programs { home: self.home.clone(), own: Some(folder.to_owned()), ..Programs::of(root) }
    }

    /// Runs `build`, which makes the programs.
    ///
    /// # Errors
    /// When it cannot be started or fails, or the program is interrupted meanwhile.
    pub fn build(&self, build: &[String], interrupt: &Interrupt) -> Result<()> {
        let Some((program, arguments)) = build.split_first() else { return Ok(()) };
        let shown = format!("{} in {}", build.join(" "), self.root.display());
        out::note(format_args!("building by {shown}"));
        let mut command = process::Command::new(program);
        command.args(arguments).current_dir(&self.root).envs(self.folders());
        let status = child::run(&mut command, interrupt);
        interrupt.check()?;
        let status = status.with_context(|| format!("cannot build by {shown}"))?;
        ensure!(status.success(), "{shown} failed ({status}); its messages stand above");
        self.link_usual_folder();
        Ok(())
    }

    /// `command` as it is started: from this tree, with this tree's programs and folders.
    pub fn located(&self, command: &Command) -> Command {
        let mut located = command.clone();
        located.directory = self.root.join(&command.directory);
        for word in &mut located.arguments {
            *word = self.word(word, &located.directory);
        }
        located
    }

    /// `command` with the variables of the caller that it is given; those of Cargo's folders are this
    /// tree's own.
    ///
    /// # Errors
    /// When one is not UTF-8.
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

    /// Whether `program` is one of them: it lies in this tree, or where Cargo puts what it builds.
    pub fn has(&self, program: &Path) -> bool {
        let is_built = self.cargo().is_some_and(|cargo| program.starts_with(&cargo.real));
        plain(program).starts_with(&self.root) || is_built
    }

    /// The folder that Cargo uses here, where it is not `target` in the workspace.
    pub fn moved_target(&self) -> Option<&Path> {
        self.cargo().filter(|cargo| cargo.real != cargo.usual).map(|cargo| cargo.real.as_path())
    }

    /// A word of a command for this tree: a path into the user's own tree leads into this one, and a
    /// path into the workspace's `target` to where that is.
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

    /// What the variables of [`FOLDERS`] are to be; empty where they are as the user has them.
    fn folders(&self) -> BTreeMap<&'static str, &Path> {
        let Some(own) = &self.own else { return BTreeMap::new() };
        let is_cargos = self.cargo().is_some();
        let names = FOLDERS.iter().filter(|name| is_cargos || std::env::var_os(name).is_some());
        names.map(|name| (*name, own.as_path())).collect()
    }

    /// Where a workspace with this tree in it has its folder.
    fn cargo(&self) -> Option<&CargoFolder> {
        self.cargo.get_or_init(|| cargo_folder(&self.root, self.own.as_deref())).as_ref()
    }

    /// Scripts may name `target` as well: in a tree of our own it leads to where it is.
    fn link_usual_folder(&self) {
        #[cfg(unix)]
        if let (Some(own), Some(CargoFolder { usual, .. })) = (&self.own, self.cargo()) {
            // Where there is one already, it is the tree's own.
            let _ = std::os::unix::fs::symlink(own, usual);
        }
    }
}

/// What Cargo says of its folder for the workspace around `root`, where there is one.
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

/// `path` without `.` and `..`, as far as its words tell.
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
