//! `cargo xtask init`: looks at a repository, writes files to start from, and runs what it found once.

mod changes;
mod detect;
mod found;
mod marks;
mod programs;
mod texts;
mod trial;

use std::fs;
use std::path::{Path, PathBuf};

use loadline_record::{Error, Exit, PROGRAM, Result};

use crate::cli::Init;
use crate::verbs::init::changes::Changes;
use crate::verbs::init::detect::{Host, Repository};
use loadline_measure::out;
use loadline_record::layout::{self, Layout};

/// Runs `cargo xtask init`.
///
/// # Errors
/// When there is nothing to measure, a file cannot be written, or the first run fails. Then the files are as
/// they were.
pub fn run(arguments: &Init) -> Result<Exit> {
    let root = arguments.root.as_deref().unwrap_or(Path::new("."));
    let root = fs::canonicalize(root).map_err(|error| {
        Error::new(Exit::Usage, format!("cannot open --root {}: {error}", root.display()))
    })?;
    let known = if arguments.force { None } else { Layout::read(&root)? };
    let scenarios =
        known.map_or_else(|| PathBuf::from(texts::SCENARIOS), |layout| layout.scenarios);
    let mut changes = Changes::new(&root, arguments.force);
    if arguments.command.is_empty() && !arguments.force && has_scenario(&root.join(&scenarios)) {
        out::line(format_args!("kept  {} (it has scenarios)", scenarios.display()));
        changes.add(texts::WORKFLOW_PATH, texts::WORKFLOW)?;
        return Ok(Exit::Clean);
    }
    let repository = Repository::look_at(&root, &arguments.command)?;
    for line in repository.found() {
        out::line(format_args!("found {line}"));
    }
    let (name, text) = texts::scenario(&repository.host, texts::LARGEST);
    let path = scenarios.join(format!("{name}.toml")).display().to_string();
    changes.add(layout::NAME, &texts::project(&repository))?;
    let is_new = changes.add(&path, &text)?;
    changes.add(texts::WORKFLOW_PATH, texts::WORKFLOW)?;
    changes.ignore(texts::output(&repository))?;
    if is_new && !arguments.no_run {
        match trial::run(&root, name) {
            Ok(Some(trial)) => {
                out::line(&trial);
                let (_, text) = texts::scenario(&repository.host, trial.largest());
                changes.rewrite(&path, &text)?;
            }
            Ok(None) => {}
            Err(error) => {
                changes.undo()?;
                return Err(refused(&error, &repository.host));
            }
        }
    }
    out::text(next(name));
    Ok(Exit::Clean)
}

fn has_scenario(folder: &Path) -> bool {
    let mut entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.any(|entry| entry.path().extension().is_some_and(|ending| ending == "toml"))
}

/// The error of a first run that failed.
fn refused(error: &Error, host: &Host) -> Error {
    let remedy = match host {
        Host::Program(_) => {
            format!("name the program: {PROGRAM} init -- COMMAND {{n}}; --no-run keeps the files")
        }
        Host::Modules(_) => "--no-run keeps the files".to_owned(),
    };
    let text = format!("the first run failed, so no file was changed: {error:#} ({remedy})");
    Error::new(error.exit(), text)
}

fn next(name: &str) -> String {
    format!(
        "next:
    {PROGRAM} regress                                  # measures {name} and judges
    {PROGRAM} baseline --reason \"first capture\"        # accepts what it costs now
    git add loadline.toml loadline .github .gitignore    # and commit both
"
    )
}
