//! What the tests of ended, divided and simultaneous sessions share: a project of two tiny scenarios
//! with a lock of its own, so that no session elsewhere on the machine is waited for.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Sessions take turns: two at once would disturb each other's times.
pub fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Measured in a second, with exact counts alone: their verdicts and the self-check's are the same in
/// every session.
pub const TINY: &str = r#"format = 2
question = "Does a tiny corpus load and unload in linear time?"
expectation = "Linear."
load_order = "hold-all"
count_with = []
artifact = { functions = 2, types = 0, body_size = 1 }
judge = ["load/unwind-tables-registered", "unload/unwind-tables-deregistered"]
repetitions = 3
sizes = [1, 2, 4, 8, 16]
"#;

/// The scenarios `one` and `two` in a folder that is gone with its owner.
pub struct Project {
    folder: TempDir,
}

/// How the program ended, and what it said.
pub struct Said {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Project {
    pub fn new() -> Project {
        let project = Project { folder: TempDir::new().unwrap() };
        fs::create_dir_all(project.path("xtask/scenarios")).unwrap();
        fs::create_dir_all(project.path("temporary")).unwrap();
        let two = TINY.replace("hold-all", "unload-oldest-first");
        fs::write(project.path("xtask/scenarios/one.toml"), TINY).unwrap();
        fs::write(project.path("xtask/scenarios/two.toml"), two).unwrap();
        project
    }

    pub fn root(&self) -> PathBuf {
        fs::canonicalize(self.folder.path()).unwrap()
    }

    pub fn path(&self, path: &str) -> PathBuf {
        self.root().join(path)
    }

    /// The file whose lock keeps other sessions of this project waiting.
    pub fn lock(&self) -> PathBuf {
        self.path("temporary/loadline.lock")
    }

    pub fn xtask(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loadline"));
        command.args(arguments);
        // The rows of all series are read.
        if matches!(arguments.first(), Some(&"regress" | &"report" | &"merge")) {
            command.arg("-v");
        }
        command.arg("--root").arg(self.root()).current_dir(self.root());
        command.env("TMPDIR", self.path("temporary")).stdin(Stdio::null());
        // Sessions go into the project's own target folder; the runner stays where it was built.
        if std::env::var_os("CARGO_TARGET_DIR").is_some() {
            let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("..");
            command.env_remove("CARGO_TARGET_DIR").env("CARGO_BUILD_TARGET_DIR", target);
        }
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Said {
        said(self.begin(arguments))
    }

    /// The program while it runs.
    pub fn begin(&self, arguments: &[&str]) -> Child {
        let mut command = self.xtask(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The folder of the only session, once there is one.
    pub fn session(&self) -> Option<PathBuf> {
        let sessions = fs::read_dir(self.path("target/regress")).into_iter().flatten();
        let sessions = sessions.map(|entry| entry.unwrap().path());
        let mut sessions = sessions.filter(|folder| folder.join("session.json").exists());
        let only = sessions.next();
        assert!(sessions.next().is_none(), "there are several sessions");
        only
    }

    /// Waits until the only session has saved so many runs.
    pub fn wait_for_runs(&self, child: &mut Child, runs: usize) {
        let has_some = || self.session().is_some_and(|folder| whole_lines(&folder).len() >= runs);
        while !has_some() {
            assert!(child.try_wait().unwrap().is_none(), "the session has ended by itself");
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The processes that began in the project's folder; none on a system that does not list them.
    pub fn processes(&self) -> Vec<PathBuf> {
        let root = self.root();
        let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
        let lives_here = |process: &PathBuf| {
            fs::read_link(process.join("cwd")).is_ok_and(|place| place == root)
                // An ended process has a folder until its parent has waited for it.
                && fs::read_link(process.join("exe")).is_ok()
        };
        processes.filter_map(|entry| Some(entry.ok()?.path())).filter(lives_here).collect()
    }

    /// Nothing is left of a session that was ended: no process, no lock.
    pub fn assert_nothing_is_left(&self) {
        let began = Instant::now();
        // The kernel ends the runner, and Cargo itself; when is their own business.
        while !self.processes().is_empty() {
            assert!(began.elapsed() < Duration::from_secs(60), "left: {:?}", self.processes());
            std::thread::sleep(Duration::from_millis(5));
        }
        if let Ok(file) = File::open(self.lock()) {
            file.try_lock().expect("the lock is left over");
        }
    }
}

/// What `child` said until it ended.
pub fn said(child: Child) -> Said {
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}

/// The runs that were saved in `session`, without one that was being written.
pub fn whole_lines(session: &Path) -> Vec<String> {
    let text = fs::read_to_string(session.join("runs.jsonl")).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(str::to_owned).collect()
}

impl Said {
    /// Scenario, series and verdict of each row.
    pub fn verdicts(&self) -> Vec<String> {
        let is_row = |line: &&str| {
            let is_legend = line == &" 1 = linear, 2 = quadratic";
            line.starts_with(' ') && !line.trim_start().is_empty() && !is_legend
        };
        let header = self.stdout.lines().find(|line| line.starts_with(" scenario "));
        let column = header.and_then(|line| line.find(" verdict")).unwrap_or(0);
        let words = |line: &str| {
            let words: Vec<&str> = line.split_whitespace().take(2).collect();
            let verdict: String = line.chars().skip(column).collect();
            format!("{} {} {}", words[0], words[1], verdict.trim())
        };
        let table = self.stdout.lines().skip_while(|line| !line.starts_with(" scenario "));
        let rows: Vec<String> = table.skip(1).take_while(is_row).map(words).collect();
        assert!(!rows.is_empty(), "{}{}", self.stdout, self.stderr);
        rows
    }

    /// The folder of the session that was measured.
    pub fn session(&self) -> PathBuf {
        let line = self.stdout.lines().find_map(|line| line.split_once("samples: "));
        let (_, path) = line.unwrap_or_else(|| panic!("{}{}", self.stdout, self.stderr));
        Path::new(path).parent().unwrap().to_owned()
    }
}
