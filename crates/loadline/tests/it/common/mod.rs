//! What the tests of the program share: a project in a folder of its own, and the program started
//! there.

// Every test file uses a part of it.

#[cfg(unix)]
pub mod browser;
pub mod clone;
#[cfg(target_os = "linux")]
#[allow(dead_code, reason = "the runner's own tests use the rest")]
#[path = "../../../../runner/tests/it/common/forbidden.rs"]
pub mod forbidden;
pub mod imposter;
#[cfg(unix)]
pub mod installed;
pub mod made;
pub mod pages;
pub mod regressed;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A scenario that is measured in seconds. It judges exact counts alone, and so does the self-check of
/// its sessions: their verdicts are the same on every machine.
pub const TINY: &str = r#"format = 2
question = "Does a tiny corpus load and unload in linear time?"
expectation = "Linear."
load_order = "hold-all"
count_with = []
artifact = { functions = 2, types = 0, body_size = 1 }
judge = ["load/unwind-tables-registered", "unload/unwind-tables-deregistered"]
observe = ["unload/task-clock"]
repetitions = 3
sizes = [1, 2, 4, 8, 16]
"#;

/// A question about a host program.
pub const HOST_SCENARIO: &str = r#"format = 2
question = "Does our host stay linear?"
expectation = "It does."
command = ["sh", "host.sh", "{n}"]
count_with = []
judge = ["load/reported"]
repetitions = 3
sizes = [64, 128, 256, 512, 1024]
"#;

/// That program; `STEPS` stands for how many it takes.
pub const HOST: &str = "echo loadline:phase=load\necho loadline:metric=steps:$((STEPS)):count\n";

/// A repository with scenarios and baselines in a temporary folder, gone with its owner.
pub struct Project {
    folder: TempDir,
}

/// How the program ended and what it said, with the project's folder written as `ROOT`.
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Project {
    /// An empty folder.
    pub fn bare() -> Project {
        Project { folder: TempDir::new().unwrap() }
    }

    /// A project without scenarios.
    pub fn empty() -> Project {
        let project = Project::bare();
        fs::create_dir_all(project.path("xtask/scenarios")).unwrap();
        project
    }

    /// A project with the scenario `tiny`.
    pub fn new() -> Project {
        let project = Project::empty();
        project.write("xtask/scenarios/tiny.toml", TINY);
        project
    }

    /// The project's folder, without symbolic links in it.
    pub fn root(&self) -> PathBuf {
        fs::canonicalize(self.folder.path()).unwrap()
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    /// Writes a file of the project, and the folders it lies in.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes a program. Another process does it: what this one has open for writing cannot be
    /// started.
    #[cfg(unix)]
    pub fn script(&self, path: &str, text: &str) {
        let mut shell = Command::new("sh");
        shell.args(["-c", "cat > \"$0\" && chmod +x \"$0\""]).arg(self.path(path));
        let mut shell = shell.stdin(Stdio::piped()).spawn().unwrap();
        shell.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(shell.wait().unwrap().success());
    }

    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    /// The program with `arguments`, in the project's folder and with `--root` where the verb has it.
    pub fn xtask(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadline"));
        command.args(arguments).current_dir(self.root()).stdin(Stdio::null());
        if arguments.first().is_some_and(|verb| *verb != "judge") && !arguments.contains(&"--root")
        {
            command.arg("--root").arg(self.root());
        }
        // The lock of sessions lies there: those of others on this machine are not waited for.
        command.env("TMPDIR", env!("CARGO_TARGET_TMPDIR"));
        // Sessions go into the project's own target folder; the runner stays where it was built.
        if std::env::var_os("CARGO_TARGET_DIR").is_some() {
            let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("..");
            command.env_remove("CARGO_TARGET_DIR").env("CARGO_BUILD_TARGET_DIR", target);
        }
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Said {
        self.said(self.xtask(arguments).output().unwrap())
    }

    pub fn said(&self, output: Output) -> Said {
        let root = self.root().display().to_string();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().replace(&root, "ROOT");
        Said {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Said {
    /// Exit code and messages, for a comparison.
    pub fn refusal(&self) -> String {
        let code = self.code.map_or_else(|| "a signal".to_owned(), |code| code.to_string());
        format!("exit {code}\n{}{}", self.stdout, self.stderr)
    }
}
