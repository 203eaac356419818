//! Looks at a user's repository, as far as a first scenario needs: [`Repository`].

use std::fs;
use std::path::{Path, PathBuf};

use loadline_record::{Context, Error, Exit, PROGRAM, Result};

use super::found::{Files, Program, shown};
use super::programs;

/// The number of modules that a first scenario names.
const MODULES: usize = 8;

/// What `init` has found in a repository.
#[derive(Debug, PartialEq, Eq)]
pub struct Repository {
    /// Whether Cargo builds the repository, so that it has a folder for files that can be made again.
    pub has_cargo: bool,
    /// What to measure.
    pub host: Host,
}

/// A program, or the modules that a program of someone else loads.
#[derive(Debug, PartialEq, Eq)]
pub enum Host {
    /// A program that does something N times.
    Program(Program),
    /// The paths of modules, relative to the root.
    Modules(Vec<String>),
}

impl Repository {
    /// Looks at the files under `root` for something to measure. A `command` of the user is taken as it is.
    ///
    /// # Errors
    /// When the folder cannot be read, `command` has no `{n}`, or there is nothing to measure. Unreadable
    /// folders below `root` are skipped.
    pub fn look_at(root: &Path, command: &[String]) -> Result<Repository> {
        fs::read_dir(root).with_context(|| format!("cannot read {}", root.display()))?;
        let files = Files::below(root);
        let host = match command {
            [] => found(&files).ok_or_else(nothing_found)?,
            command if command.iter().any(|word| word.contains("{n}")) => {
                Host::Program(programs::named(&files, command))
            }
            command => {
                let shown = command.join(" ");
                let text = format!(
                    "the command needs {{n}} where the program reads N: {PROGRAM} init -- {shown} {{n}}"
                );
                return Err(Error::new(Exit::Usage, text));
            }
        };
        Ok(Repository { has_cargo: files.has("Cargo.toml"), host })
    }

    /// Describes what was found, one line each.
    pub fn found(&self) -> Vec<String> {
        match &self.host {
            Host::Program(program) => vec![program.what.clone()],
            Host::Modules(modules) => modules.iter().map(|m| format!("a module: {m}")).collect(),
        }
    }
}

/// What to measure. A program that uses Wasmtime comes before modules, and modules before another program.
fn found(files: &Files<'_>) -> Option<Host> {
    let is_module =
        |path: &&PathBuf| path.extension().is_some_and(|end| end == "wasm" || end == "cwasm");
    let modules: Vec<String> =
        files.paths.iter().filter(is_module).map(|path| shown(path)).take(MODULES).collect();
    let host = programs::rust(files, true).or_else(|| programs::python_host(files));
    match host {
        Some(program) => Some(Host::Program(program)),
        None if !modules.is_empty() => Some(Host::Modules(modules)),
        None => programs::node(files)
            .or_else(|| programs::python_project(files))
            .or_else(|| programs::rust(files, false))
            .or_else(|| programs::make(files))
            .map(Host::Program),
    }
}

fn nothing_found() -> Error {
    let text = format!(
        "found no program to measure: no Cargo.toml with a program, package.json, pyproject.toml, Makefile or modules (name the program: {PROGRAM} init -- COMMAND {{n}})"
    );
    Error::new(Exit::Usage, text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use loadline_scenario::Phase;

    use super::*;

    fn look_at(files: &[(&str, &str)], command: &[&str]) -> Result<Repository> {
        let folder = tempfile::TempDir::new().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let command: Vec<String> = command.iter().map(|&word| word.to_owned()).collect();
        Repository::look_at(folder.path(), &command)
    }

    /// The program that is found among `files`.
    fn program(files: &[(&str, &str)]) -> Program {
        match look_at(files, &[]).unwrap().host {
            Host::Program(program) => program,
            Host::Modules(modules) => panic!("found {modules:?}"),
        }
    }

    const MANIFEST: &str = "[package]\nname = \"edge\"\n[dependencies]\nwasmtime = \"48\"\n";

    #[test]
    fn a_program_that_uses_wasmtime_comes_before_modules() {
        let found =
            program(&[("Cargo.toml", MANIFEST), ("src/main.rs", ""), ("plugins/a.wasm", "")]);
        assert_eq!(found.command, ["target/release/edge", "{n}"]);
        assert_eq!(found.build, ["cargo", "build", "--release", "--bin", "edge"]);
        assert!(found.has_wasmtime);
        assert_eq!(found.phases(), [Phase::Run]);
        // A library has no program to start.
        let files = [("Cargo.toml", MANIFEST), ("src/lib.rs", ""), ("plugins/a.wasm", "")];
        let found = look_at(&files, &[]).unwrap();
        assert_eq!(found.host, Host::Modules(vec!["plugins/a.wasm".into()]));
    }

    /// The harness marks the phases and waits for the answers.
    #[test]
    fn a_target_with_the_harness_is_measured_with_its_phases() {
        let harness = "fn main() { loadline_harness::run(|n, p| { p.measure(\"load\", || n); p.measure(\"unload\", || n); }) }";
        let files = [
            ("Cargo.toml", MANIFEST),
            ("src/main.rs", "fn main() {}"),
            ("examples/scale.rs", harness),
            // Another program's phases.
            ("tests/other.rs", "// loadline\nphases.measure(\"call\", || 1);"),
        ];
        let found = program(&files);
        assert_eq!(found.command, ["target/release/examples/scale", "{n}"]);
        assert_eq!(found.build, ["cargo", "build", "--release", "--example", "scale"]);
        assert_eq!(found.phases(), [Phase::Load, Phase::Unload]);
        assert!(found.marks.is_acknowledged);
    }

    #[test]
    fn python_is_known_by_what_it_imports() {
        let found = program(&[
            ("util.py", "import os\n"),
            (
                "host.py",
                "from wasmtime import Engine\nfrom loadline import phase\nwith phase(\"load\"): pass\n",
            ),
            (".venv/bin/python3", ""),
            (".venv/lib/other.py", "import wasmtime\n"),
        ]);
        assert_eq!(found.command, [".venv/bin/python3", "host.py", "{n}"]);
        assert_eq!(found.phases(), [Phase::Load]);
        assert!(found.marks.is_acknowledged && found.has_wasmtime);
        let project = "[project]\nname = \"x\"\n[project.scripts]\nx = \"pkg.cli:main\"\n";
        let found = program(&[("pyproject.toml", project), ("pkg/cli.py", "")]);
        assert_eq!(found.command, ["python3", "-m", "pkg.cli", "{n}"]);
    }

    #[test]
    fn node_and_make_say_themselves_what_they_start() {
        let package = "{\"main\": \"lib/dedupe.js\", \"scripts\": {\"build\": \"tsc\"}}";
        let found = program(&[("package.json", package), ("lib/dedupe.js", "")]);
        assert_eq!(found.command, ["node", "lib/dedupe.js", "{n}"]);
        assert_eq!(found.build, ["npm", "run", "build"]);
        let rules = "CC = cc\n.PHONY: all\nall: frames\nframes: frames.c\n\t$(CC) -o $@ $<\n";
        let source = "loadline_begin(\"register\"); #include \"loadline.h\"";
        let found = program(&[("Makefile", rules), ("frames.c", source)]);
        assert_eq!(found.command, ["./frames", "{n}"]);
        assert_eq!(found.build, ["make", "frames"]);
        assert_eq!(found.phases(), [Phase::Register]);
    }

    #[test]
    fn a_command_of_the_user_is_taken_as_it_is() {
        let files = [("Makefile", "all: x\n"), ("a.sh", "echo loadline:phase=unload\n")];
        let Host::Program(found) = look_at(&files, &["./x", "--rows={n}"]).unwrap().host else {
            panic!("a command is a program");
        };
        assert_eq!(found.command, ["./x", "--rows={n}"]);
        assert_eq!(found.build, ["make"]);
        assert_eq!(found.phases(), [Phase::Unload]);
        let error = look_at(&files, &["./x"]).unwrap_err().to_string();
        assert!(error.contains("init -- ./x {n}"), "{error}");
    }

    #[test]
    fn what_is_fetched_or_made_is_nobodys() {
        let files = [("node_modules/x/a.wasm", ""), ("target/b.wasm", ""), (".c/d.wasm", "")];
        let error = look_at(&files, &[]).unwrap_err().to_string();
        assert!(error.contains("init -- COMMAND {n}"), "{error}");
    }
}
