//! `cargo xtask init`: looks at a repository and writes files to start from.

mod detect;

use loadline_record::{Context, Error, Exit, PROGRAM, Result};
use std::fs;
use std::path::Path;

use crate::cli::Init;
use crate::verbs::init::detect::{Host, Repository};
use loadline_measure::out;
use loadline_record::atomic::{make_folder, replace};
use loadline_record::layout;

/// The workflow for CI. It is the same for every repository, since the settings are in `loadline.toml`.
const WORKFLOW: &str = include_str!("init/workflow.yml");

/// Runs `cargo xtask init`.
///
/// # Errors
/// When the folder cannot be read or a file cannot be written.
pub fn run(arguments: &Init) -> Result<Exit> {
    let root = arguments.root.as_deref().unwrap_or(Path::new("."));
    let root = fs::canonicalize(root).map_err(|error| {
        Error::new(Exit::Usage, format!("cannot open --root {}: {error}", root.display()))
    })?;
    let repository = Repository::look_at(&root)?;
    for line in repository.found() {
        out::line(format_args!("found {line}"));
    }
    let (name, scenario) = scenario(&repository.host);
    let path = format!("loadline/scenarios/{name}.toml");
    let files = [
        (layout::NAME, project(&repository)),
        (&path, scenario),
        (".github/workflows/loadline.yml", WORKFLOW.to_owned()),
    ];
    for (path, text) in files {
        write(&root, path, &text, arguments.force)?;
    }
    ignore(&root, &repository)?;
    out::text(next(&repository, name));
    Ok(Exit::Clean)
}

/// Writes a file. An existing file is replaced only with `force`.
fn write(root: &Path, path: &str, text: &str, force: bool) -> Result<()> {
    let place = root.join(path);
    if place.exists() && !force {
        out::line(format_args!("kept  {path} (--force replaces it)"));
        return Ok(());
    }
    let folder = place.parent().context("a file lies in a folder")?;
    make_folder(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    replace(&place, text.as_bytes())?;
    out::line(format_args!("wrote {path}"));
    Ok(())
}

/// Makes git ignore the files that can be made again.
fn ignore(root: &Path, repository: &Repository) -> Result<()> {
    let line = format!("/{}", output(repository));
    let path = root.join(".gitignore");
    let mut bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error).context("cannot read .gitignore"),
    };
    let is_ignored = |pattern: &str| {
        let pattern = pattern.trim().trim_matches('/');
        !pattern.is_empty()
            && (output(repository) == pattern
                || output(repository).starts_with(&format!("{pattern}/")))
    };
    // The user's lines stay as they are, whatever their encoding.
    if String::from_utf8_lossy(&bytes).lines().any(is_ignored) {
        out::line(format_args!("kept  .gitignore (it names {line})"));
        return Ok(());
    }
    let gap = if bytes.is_empty() || bytes.ends_with(b"\n") { "" } else { "\n" };
    bytes.extend_from_slice(format!("{gap}{line}\n").as_bytes());
    replace(&path, &bytes)?;
    out::line(format_args!("wrote .gitignore: {line}"));
    Ok(())
}

/// The folder for sessions: inside Cargo's folder if there is one.
fn output(repository: &Repository) -> &'static str {
    if repository.has_cargo { "target/loadline" } else { ".loadline" }
}

fn project(repository: &Repository) -> String {
    let build = match &repository.host {
        Host::Rust { .. } => {
            "build = [\"cargo\", \"build\", \"--release\"] # before anything is measured\n"
        }
        _ => {
            "# build = [\"make\"]         # what makes your programs, before anything is measured\n"
        }
    };
    format!(
        "format = 1
scenarios = \"loadline/scenarios\" # one question a file
baselines = \"loadline/baselines\" # what is accepted; written by `loadline baseline`, read in review
output = \"{}\" # sessions and artifacts; can be made again
{build}# budget_seconds = 120     # how long measuring may take while series are undecided
",
        output(repository)
    )
}

/// The name and the text of the first scenario.
fn scenario(host: &Host) -> (&'static str, String) {
    match host {
        Host::Rust { program } => {
            ("my-program", of_command(&format!("[\"target/release/{program}\", \"{{n}}\"]"), ""))
        }
        Host::Python { interpreter, script } => {
            let command = format!("[\"{interpreter}\", \"{script}\", \"{{n}}\"]");
            ("my-program", of_command(&command, "environment = { PYTHONHASHSEED = \"0\" }\n"))
        }
        Host::Modules(modules) => {
            let list: Vec<String> = modules.iter().map(|m| format!("    {m:?},\n")).collect();
            let modules = format!("modules = [\n{}]\n", list.concat());
            ("unload-modules", of_modules("these modules", &modules))
        }
        Host::Nothing => ("unload-modules", of_modules("modules", "")),
    }
}

fn of_command(command: &str, environment: &str) -> String {
    format!(
        "format = 1
question = \"Does our program stay linear in the number of modules it loads and unloads?\"
expectation = \"Linear in both.\"
# Started once for each N; it should load N modules and unload them again.
command = {command}
{environment}inherit = [\"PATH\", \"HOME\"]
# Without phase lines everything is one phase, `run`. Once the program prints `loadline:phase=load`
# and `loadline:phase=unload` (flushed) where these begin, judge them apart:
# judge = [\"load/task-clock\", \"unload/task-clock\"]
judge = [\"run/task-clock\"]
observe = [\"run/page-faults\", \"run/wall-time\"]
processes = 5
ladder = {{ from = 64, to = 4096, factor = 2 }}
"
    )
}

fn of_modules(which: &str, modules: &str) -> String {
    format!(
        "format = 1
question = \"Does unloading {which}, the oldest first, stay linear in N?\"
expectation = \"Not with unwind tables where libgcc is 12 or older, or where LLVM's libunwind unwinds.\"
lifecycle = \"unload-oldest-first\"
{modules}judge = [\"load/task-clock\", \"unload/task-clock\"]
observe = [\"load/page-faults\", \"load/resident-bytes\", \"unload/wall-time\"]
processes = 5
ladder = {{ from = 64, to = 4096, factor = 2 }}
# What has to hold, measured beside it: the same without unwind tables.
control = {{ set = {{ tables = \"strip\" }} }}
"
    )
}

fn next(repository: &Repository, name: &str) -> String {
    let first = match repository.host {
        Host::Rust { .. } | Host::Python { .. } => format!(
            "next: have the program load as many modules as its argument says (loadline/scenarios/{name}.toml), then\n"
        ),
        Host::Modules(_) | Host::Nothing => "next:\n".to_owned(),
    };
    format!(
        "{first}    {PROGRAM} regress                                  # measures and judges
    {PROGRAM} baseline --reason \"first capture\"        # accepts what it costs now
    git add loadline.toml loadline .github .gitignore    # and commit both
"
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use loadline_scenario::Scenario;

    use super::*;

    #[test]
    fn lines_of_the_user_stay_as_they_are() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join(".gitignore");
        fs::write(&path, b"caf\xe9").unwrap();
        let repository = Repository { has_cargo: false, host: Host::Nothing };
        for _ in 0..2 {
            ignore(folder.path(), &repository).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"caf\xe9\n/.loadline\n");
        }
    }

    /// Loadline can read the files that it writes for each kind of repository.
    #[test]
    fn every_starting_point_can_be_read() {
        let hosts = [
            Host::Rust { program: "host".into() },
            Host::Python { interpreter: "python3".into(), script: "host.py".into() },
            Host::Modules(vec!["plugins/a.wasm".into()]),
            Host::Nothing,
        ];
        for host in hosts {
            let (name, text) = scenario(&host);
            let parsed = Scenario::parse_with(name, &text, &BTreeMap::new());
            assert!(parsed.is_ok(), "{host:?}: {}", parsed.unwrap_err());
            let folder = tempfile::TempDir::new().unwrap();
            let repository = Repository { has_cargo: true, host };
            fs::write(folder.path().join(layout::NAME), project(&repository)).unwrap();
            let layout = layout::Layout::read(folder.path()).unwrap().unwrap();
            assert_eq!(layout.scenarios, Path::new("loadline/scenarios"));
            assert_eq!(layout.build.is_empty(), !matches!(repository.host, Host::Rust { .. }));
        }
    }
}
