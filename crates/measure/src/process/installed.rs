//! Finds a runner that is there already, and checks its version: named in the environment, next to an
//! installed program, or in the search path.

use loadline_record::{Error, Exit, Result, ensure};
use std::path::{Path, PathBuf};

use loadline_scenario::Environment;

/// The file name of the runner.
const RUNNER: &str = "loadline-runner";

/// This program's version. A runner of another version may understand requests differently.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The command that installs the runner.
fn remedy() -> String {
    let repository = env!("CARGO_PKG_REPOSITORY");
    format!(
        "cargo install --git {repository} {RUNNER} installs it, or in a clone cargo install --path crates/runner"
    )
}

/// The environment variable that names a runner which is used as it is, without a build.
const GIVEN: &str = "LOADLINE_RUNNER";

/// The runner that the environment names, where it names one.
///
/// # Errors
/// When no file has that name.
pub fn given() -> Result<Option<PathBuf>> {
    let Some(named) = std::env::var_os(GIVEN).filter(|named| !named.is_empty()) else {
        return Ok(None);
    };
    let program = Path::new(&named).canonicalize().ok().filter(|program| program.is_file());
    program.map(Some).ok_or_else(|| {
        let named = Path::new(&named).display();
        let text = format!(
            "{GIVEN} names {named}, which is not a program (name the runner, or unset {GIVEN})"
        );
        Error::new(Exit::Usage, text)
    })
}

/// The path of the installed runner.
///
/// # Errors
/// When there is no runner. The error names the command that installs it.
pub fn runner() -> Result<PathBuf> {
    let program = std::env::current_exe().and_then(|program| program.canonicalize());
    let folder = program.ok().and_then(|program| program.parent().map(Path::to_owned));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = folder.into_iter().chain(std::env::split_paths(&path));
    find(folders).ok_or_else(|| {
        let text = format!("cannot find {RUNNER} next to this program or in PATH ({})", remedy());
        Error::new(Exit::CouldNotMeasure, text)
    })
}

fn find(mut folders: impl Iterator<Item = PathBuf>) -> Option<PathBuf> {
    let name = format!("{RUNNER}{}", std::env::consts::EXE_SUFFIX);
    let found = folders.find_map(|folder| folder.join(&name).canonicalize().ok());
    found.filter(|program| program.is_file())
}

/// Checks that the runner at `program` has this program's version. `environment` is the runner's description
/// of itself.
///
/// # Errors
/// When the version is another one. The error names the command that installs the right one.
pub fn check_version(program: &Path, environment: &Environment) -> Result<()> {
    let theirs = &environment.loadline;
    ensure!(
        theirs == VERSION,
        "{} has version {theirs}, and this program has version {VERSION}; install the same version of both ({})",
        program.display(),
        remedy()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_first_folder_that_has_a_runner_counts() {
        let folder = tempfile::TempDir::new().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let places = ["none", "one", "two"].map(|name| root.join(name));
        for place in &places {
            std::fs::create_dir(place).unwrap();
        }
        assert_eq!(find(places.clone().into_iter()), None);
        let name = format!("{RUNNER}{}", std::env::consts::EXE_SUFFIX);
        for place in &places[1..] {
            std::fs::write(place.join(&name), "").unwrap();
        }
        assert_eq!(find(places.clone().into_iter()), Some(places[1].join(&name)));
    }

    #[test]
    fn another_version_is_refused_with_what_to_do() {
        let theirs = loadline_record::fixtures::environment();
        let text = check_version(Path::new("there"), &theirs).unwrap_err().to_string();
        assert!(text.starts_with("there has version ?, and this program has version "), "{text}");
        assert!(text.contains("cargo install"), "{text}");
        let ours = Environment { loadline: VERSION.to_owned(), ..theirs };
        assert!(check_version(Path::new("there"), &ours).is_ok());
    }
}
