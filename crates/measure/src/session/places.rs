//! Where the sessions of one `regress` are measured: one for each unwinder, without the scenarios that
//! both sides of a comparison run alike.

use loadline_record::Result;
use loadline_scenario::{Absent, Environment};

use crate::builds::against::Builds;
use crate::builds::other_side::Before;
use crate::builds::same_program;
use crate::process::runner::Runner;
use crate::process::unwinders::Pass;
use crate::project::folders::Project;
use crate::project::selection;
use crate::session::bench::Bench;

/// Where one session is measured.
#[derive(Debug)]
pub struct Place {
    /// What is measured there.
    pub pass: Pass,
    now: Runner,
    /// The side it is compared with.
    pub before: Option<Before>,
    /// The machine, and what cannot be counted there.
    pub described: (Environment, Vec<Absent>),
}

impl Place {
    /// What it is measured with.
    pub fn bench<'a>(&'a self, project: &'a Project) -> Bench<'a> {
        Bench { project, runner: &self.now, before: self.before.as_ref() }
    }
}

/// The passes with what the files of their scenarios hold; what has to be skipped goes to `left_out`.
///
/// # Errors
/// When files are not there, or nothing is left.
pub fn with_files(
    project: &Project,
    passes: Vec<Pass>,
    left_out: &mut Vec<String>,
) -> Result<Vec<Pass>> {
    let mut ready = Vec::new();
    for pass in passes {
        let (scenarios, skipped) = selection::read(project, pass.scenarios)?;
        let skipped = skipped.into_iter().filter(|sentence| !left_out.contains(sentence));
        left_out.extend(skipped.collect::<Vec<_>>());
        if !scenarios.is_empty() {
            ready.push(Pass { scenarios, ..pass });
        }
    }
    if ready.is_empty() { Err(selection::nothing_left(left_out)) } else { Ok(ready) }
}

/// Where the scenarios of each pass are measured that the two sides do not run alike, and what is
/// said of the others.
///
/// # Errors
/// When a side cannot be compared, or the machine not be described.
pub fn of(
    project: &Project,
    passes: Vec<Pass>,
    builds: &Builds,
) -> Result<(Vec<Place>, Vec<String>)> {
    let (mut places, mut same) = (Vec::new(), Vec::new());
    for mut pass in passes {
        let now = builds.now.under(&pass.unwinder)?;
        let before = builds.before.as_ref().map(|before| before.under(&pass.unwinder));
        let before = before.transpose()?;
        if let Some(before) = &before {
            let compared = same_program::compare(project, &now, before, pass.scenarios)?;
            same.extend(compared.sentences());
            pass.scenarios = compared.differ;
        }
        if pass.scenarios.is_empty() {
            continue;
        }
        let bench = Bench { project, runner: &now, before: before.as_ref() };
        // Of all before any is measured: what cannot be preloaded is found before minutes are spent.
        let described = bench.describe()?;
        places.push(Place { pass, now, before, described });
    }
    Ok((places, same))
}
