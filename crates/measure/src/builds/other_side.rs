//! The other side of a comparison: its runner, and its tree where programs are compared as well.

use loadline_record::{Error, Exit, Result};
use std::path::PathBuf;

use loadline_scenario::{Corpus, Modules, Scenario, Unwinder, Workload};

use crate::builds::trees::Changes;
use crate::process::runner::Runner;
use crate::project::files;
use crate::project::folders::Project;

/// The side that the judged side is compared with.
#[derive(Debug, Clone)]
pub struct Before {
    /// The name that reports print for this side.
    pub name: String,
    /// The command-line argument that selects this side.
    pub argument: String,
    /// The runner of this side.
    pub runner: Runner,
    /// The checkout whose commands and files this side uses. `None` means the project's own files.
    pub tree: Option<Project>,
    /// The files in which the project's own tree differs from this side.
    pub changes: Changes,
}

impl Before {
    /// Returns this side with its runner under another unwinder.
    ///
    /// # Errors
    /// When this machine does not have that unwinder.
    pub fn under(&self, unwinder: &Unwinder) -> Result<Before> {
        Ok(Before { runner: self.runner.under(unwinder)?, ..self.clone() })
    }

    /// The project that holds this side's files of `scenario`. Files that a recipe fetched exist in the
    /// user's own project only.
    pub fn project<'a>(&'a self, own: &'a Project, scenario: &Scenario) -> &'a Project {
        self.tree.as_ref().filter(|_| scenario.recipe.is_none()).unwrap_or(own)
    }

    /// Returns `scenario` as this side runs it, with the command or module files of this side's scenario
    /// file. Sizes, repetitions and the judged series are the same for both sides.
    pub fn scenario(&self, scenario: &Scenario) -> Scenario {
        self.own_scenario(scenario).unwrap_or_else(|_| scenario.clone())
    }

    /// Says why this side runs `scenario` by the project's own scenario file. `None` where this side's own
    /// file is used.
    pub fn why_not_its_own(&self, scenario: &Scenario) -> Option<String> {
        let why = self.own_scenario(scenario).err()?;
        let (full_name, name) = (scenario.full_name(), &self.name);
        Some(format!("{full_name}: {name} is measured with today's scenario file: {why}"))
    }

    fn own_scenario(&self, scenario: &Scenario) -> Result<Scenario, String> {
        let Some(tree) = &self.tree else { return Ok(scenario.clone()) };
        let mut changes = scenario.settings.clone();
        changes.extend(scenario.variant.0.clone());
        let theirs = tree.scenario_there(&scenario.name, &changes)?;
        let workload = match (&scenario.workload, theirs.workload) {
            (Workload::Command(_), Workload::Command(command)) => Workload::Command(command),
            (Workload::Modules(ours), Workload::Modules(theirs)) => {
                let is_of_files = matches!(ours.corpus, Corpus::Files(_));
                let corpus = match theirs.corpus {
                    Corpus::Files(files) if is_of_files => Corpus::Files(files),
                    _ => ours.corpus.clone(),
                };
                Workload::Modules(Modules { corpus, ..ours.clone() })
            }
            _ => scenario.workload.clone(),
        };
        let scenario = Scenario { workload, recipe: theirs.recipe, ..scenario.clone() };
        Ok(scenario)
    }

    /// The digest of the files that this side's runs of `scenario` read. `None` where they read no files.
    ///
    /// # Errors
    /// When the files that the scenario names do not exist.
    pub fn digest(&self, own: &Project, scenario: &Scenario) -> Result<Option<String>> {
        let theirs = self.scenario(scenario);
        let read = files::read(self.project(own, &theirs), theirs);
        read.map(|read| read.digest).map_err(|error| self.failed("cannot use", error))
    }

    /// Turns the error of an attempt at this side into one that names the side. The exit code says that the
    /// side could not be measured, since a broken commit is not a usage mistake.
    pub fn failed(&self, attempt: &str, error: Error) -> Error {
        failed(&self.name, attempt, error)
    }

    /// The recipe file that fetches the modules of `scenario` on this side.
    pub fn recipe(&self, scenario: &Scenario) -> Option<PathBuf> {
        Some(self.tree.as_ref()?.root.join(self.scenario(scenario).recipe?))
    }
}

/// Turns the error of an attempt at the side called `name` into one that names that side.
pub fn failed(name: &str, attempt: &str, error: Error) -> Error {
    match error.exit() {
        Exit::Interrupted => error,
        _ => Error::new(Exit::CouldNotMeasure, format!("{attempt} {name}: {error:#}")),
    }
}
