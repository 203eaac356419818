//! The sessions of one `regress`: one for each unwinder, without the scenarios in which both sides run the
//! same program.

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

/// One session of `regress`: an unwinder, its scenarios, and the machine's description.
#[derive(Debug)]
pub struct Place {
    /// The unwinder and the scenarios that are measured under it.
    pub pass: Pass,
    now: Runner,
    /// The side to compare with.
    pub before: Option<Before>,
    /// The environment, and the metrics that cannot be counted there.
    pub described: (Environment, Vec<Absent>),
}

impl Place {
    /// The bench on which this session is measured.
    pub fn bench<'a>(&'a self, project: &'a Project) -> Bench<'a> {
        Bench { project, runner: &self.now, before: self.before.as_ref() }
    }
}

/// Returns the passes with the digests of their scenarios' files. Sentences about skipped scenarios go to
/// `left_out`.
///
/// # Errors
/// When files are missing, or nothing is left.
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

/// The sessions for the scenarios of each pass in which the two sides differ. Also returns sentences about
/// the other scenarios.
///
/// # Errors
/// When a side cannot be compared, or the machine cannot be described.
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
        // Every pass is described before any is measured, so a failing preload is found before minutes are
        // spent.
        let described = bench.describe()?;
        places.push(Place { pass, now, before, described });
    }
    Ok((places, same))
}
