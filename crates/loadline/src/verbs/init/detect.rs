//! Looks at a user's repository, as far as a first scenario needs: [`Repository`].

use loadline_record::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The most entries to look at, because a repository may have any size.
const PATIENCE: usize = 20_000;

/// The number of modules that a first scenario names.
const MODULES: usize = 8;

/// Folders whose content was fetched or built.
const LEFT_OUT: [&str; 6] = ["target", "node_modules", "venv", "vendor", "dist", "build"];

/// What `init` has found in a repository.
#[derive(Debug, PartialEq, Eq)]
pub struct Repository {
    /// Whether Cargo builds the repository, so that it has a folder for files that can be made again.
    pub has_cargo: bool,
    /// The program or the modules to measure.
    pub host: Host,
}

/// A program that loads modules, or the modules themselves.
#[derive(Debug, PartialEq, Eq)]
pub enum Host {
    /// The program of a package that depends on Wasmtime.
    Rust { program: String },
    /// A script that imports Wasmtime, and the interpreter that runs it.
    Python { interpreter: String, script: String },
    /// The paths of modules, relative to the root.
    Modules(Vec<String>),
    /// Neither a program nor modules.
    Nothing,
}

impl Repository {
    /// Looks at the files under `root`.
    ///
    /// # Errors
    /// When the folder cannot be read. Unreadable folders below it are skipped.
    pub fn look_at(root: &Path) -> Result<Repository> {
        fs::read_dir(root).with_context(|| format!("cannot read {}", root.display()))?;
        let files = files(root);
        let mut manifests = files.iter().filter(|file| file.ends_with("Cargo.toml"));
        let program = manifests.find_map(|file| host_program(&root.join(file)));
        let script = files.iter().find(|file| is_python_host(root, file));
        let is_module = |file: &&PathBuf| {
            file.extension().is_some_and(|ending| ending == "wasm" || ending == "cwasm")
        };
        let modules: Vec<String> =
            files.iter().filter(is_module).map(|module| shown(module)).take(MODULES).collect();
        let host = match (program, script) {
            (Some(program), _) => Host::Rust { program },
            (None, Some(script)) => {
                Host::Python { interpreter: interpreter(root), script: shown(script) }
            }
            (None, None) if !modules.is_empty() => Host::Modules(modules),
            (None, None) => Host::Nothing,
        };
        Ok(Repository { has_cargo: root.join("Cargo.toml").is_file(), host })
    }

    /// Describes what was found.
    pub fn found(&self) -> Vec<String> {
        match &self.host {
            Host::Rust { program } => vec![format!("a Rust program that uses Wasmtime: {program}")],
            Host::Python { script, .. } => {
                vec![format!("a Python program that uses Wasmtime: {script}")]
            }
            Host::Modules(modules) => modules.iter().map(|m| format!("a module: {m}")).collect(),
            Host::Nothing => vec![
                "neither a program that uses Wasmtime nor modules; generated ones are measured"
                    .to_owned(),
            ],
        }
    }
}

/// The files under `root`, relative to it and sorted by name. Hidden, fetched and built files are left out.
fn files(root: &Path) -> Vec<PathBuf> {
    let (mut found, mut folders, mut looked_at) = (Vec::new(), vec![PathBuf::new()], 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).into_iter().flatten().flatten() {
            looked_at += 1;
            if looked_at > PATIENCE {
                break;
            }
            let name = entry.file_name().to_string_lossy().into_owned();
            // This is the kind of the link itself, so no link leads out of the repository or in a circle.
            let Ok(kind) = entry.file_type() else { continue };
            let is_left_out = name.starts_with('.') || LEFT_OUT.contains(&name.as_str());
            if kind.is_dir() && !is_left_out {
                folders.push(folder.join(name));
            } else if kind.is_file() {
                found.push(folder.join(name));
            }
        }
    }
    found.sort();
    found
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

/// The program of the package at `manifest`, if the package depends on Wasmtime and has a program.
fn host_program(manifest: &Path) -> Option<String> {
    let table: toml::Table = toml::from_str(&fs::read_to_string(manifest).ok()?).ok()?;
    let has_wasmtime = ["dependencies", "dev-dependencies"]
        .iter()
        .any(|list| table.get(*list).is_some_and(|list| list.get("wasmtime").is_some()));
    let named = |bin: &toml::Value| Some(bin.get(0)?.get("name")?.as_str()?.to_owned());
    let declared = table.get("bin").and_then(named);
    let package = || Some(table.get("package")?.get("name")?.as_str()?.to_owned());
    let has_main = manifest.with_file_name("src").join("main.rs").is_file();
    let program = declared.or_else(|| package().filter(|_| has_main));
    program.filter(|_| has_wasmtime)
}

fn is_python_host(root: &Path, file: &Path) -> bool {
    let is_import = |line: &str| {
        line.trim_start().starts_with("import wasmtime")
            || line.trim_start().starts_with("from wasmtime")
    };
    file.extension().is_some_and(|ending| ending == "py")
        && fs::read_to_string(root.join(file)).is_ok_and(|text| text.lines().any(is_import))
}

/// The Python interpreter: of the repository's own virtual environment, if it has one.
fn interpreter(root: &Path) -> String {
    let own = [".venv/bin/python3", "venv/bin/python3"];
    own.into_iter().find(|path| root.join(path).exists()).unwrap_or("python3").to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn look_at(files: &[(&str, &str)]) -> Repository {
        let folder = tempfile::TempDir::new().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Repository::look_at(folder.path()).unwrap()
    }

    #[test]
    fn a_program_goes_before_modules() {
        let manifest = "[package]\nname = \"edge\"\n[dependencies]\nwasmtime = \"48\"\n";
        let found =
            look_at(&[("Cargo.toml", manifest), ("src/main.rs", ""), ("plugins/a.wasm", "")]);
        let host = Host::Rust { program: "edge".into() };
        assert_eq!(found, Repository { has_cargo: true, host });
        // A library has no program to start.
        let found =
            look_at(&[("Cargo.toml", manifest), ("src/lib.rs", ""), ("plugins/a.wasm", "")]);
        assert_eq!(found.host, Host::Modules(vec!["plugins/a.wasm".into()]));
    }

    #[test]
    fn python_is_known_by_what_it_imports() {
        let found = look_at(&[
            ("util.py", "import os\n"),
            ("host.py", "from wasmtime import Engine\n"),
            (".venv/bin/python3", ""),
            (".venv/lib/other.py", "import wasmtime\n"),
        ]);
        let (interpreter, script) = (".venv/bin/python3".into(), "host.py".into());
        assert_eq!(found.host, Host::Python { interpreter, script });
    }

    #[test]
    fn what_is_fetched_or_made_is_nobodys() {
        let found =
            look_at(&[("node_modules/x/a.wasm", ""), ("target/b.wasm", ""), (".c/d.wasm", "")]);
        assert_eq!(found, Repository { has_cargo: false, host: Host::Nothing });
    }
}
