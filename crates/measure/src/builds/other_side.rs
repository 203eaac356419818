//! The other side of a comparison: its runner, and its tree where programs are compared as well.

use loadline_record::{Error, Exit, Result};
use std::path::PathBuf;

use loadline_scenario::{Corpus, Modules, Scenario, Subject, Unwinder};

use crate::builds::trees::Changes;
use crate::process::runner::Runner;
use crate::project::files;
use crate::project::folders::Project;

/// The side that another is judged against.
#[derive(Debug, Clone)]
pub struct Before {
    /// What people call it.
    pub name: String,
    /// The argument that asks for it again.
    pub argument: String,
    /// The program that carries out its runs.
    pub runner: Runner,
    /// Its tree, where commands and files are of that revision as well; the project's own if none.
    pub tree: Option<Project>,
    /// The files in which the project's own tree differs from it.
    pub changes: Changes,
}

impl Before {
    /// The same under another unwinder.
    ///
    /// # Errors
    /// When that is not here.
    pub fn under(&self, unwinder: &Unwinder) -> Result<Before> {
        Ok(Before { runner: self.runner.under(unwinder)?, ..self.clone() })
    }

    /// Where the files of `scenario` lie. What was fetched by a recipe lies in the project alone.
    pub fn project<'a>(&'a self, own: &'a Project, scenario: &Scenario) -> &'a Project {
        self.tree.as_ref().filter(|_| scenario.recipe.is_none()).unwrap_or(own)
    }

    /// `scenario` as this side carries it out: with the command or the modules that its own file
    /// names. Sizes, rounds and what is judged are the same for both sides.
    pub fn scenario(&self, scenario: &Scenario) -> Scenario {
        self.own_scenario(scenario).unwrap_or_else(|_| scenario.clone())
    }

    /// Why `scenario` is carried out as the project's own file says, where this side has none.
    pub fn why_not_its_own(&self, scenario: &Scenario) -> Option<String> {
        let why = self.own_scenario(scenario).err()?;
        let (title, name) = (scenario.title(), &self.name);
        Some(format!("{title}: {name} is measured by today's scenario file: {why}"))
    }

    fn own_scenario(&self, scenario: &Scenario) -> Result<Scenario, String> {
        let Some(tree) = &self.tree else { return Ok(scenario.clone()) };
        let mut changes = scenario.settings.clone();
        changes.extend(scenario.variant.0.clone());
        let theirs = tree.scenario_there(&scenario.name, &changes)?;
        let subject = match (&scenario.subject, theirs.subject) {
            (Subject::Command(_), Subject::Command(command)) => Subject::Command(command),
            (Subject::Modules(ours), Subject::Modules(theirs)) => {
                let is_of_files = matches!(ours.corpus, Corpus::Files(_));
                let corpus = match theirs.corpus {
                    Corpus::Files(files) if is_of_files => Corpus::Files(files),
                    _ => ours.corpus.clone(),
                };
                Subject::Modules(Modules { corpus, ..ours.clone() })
            }
            _ => scenario.subject.clone(),
        };
        let scenario = Scenario { subject, recipe: theirs.recipe, ..scenario.clone() };
        Ok(scenario)
    }

    /// What the files hold that this side's runs of `scenario` read.
    ///
    /// # Errors
    /// When there are none where the scenario says.
    pub fn digest(&self, own: &Project, scenario: &Scenario) -> Result<Option<String>> {
        let theirs = self.scenario(scenario);
        let read = files::read(self.project(own, &theirs), theirs);
        read.map(|read| read.digest).map_err(|error| self.failed("cannot use", error))
    }

    /// `error` of an attempt at this side. A commit that cannot be measured is no mistake of the
    /// user, whatever is wrong with it.
    pub fn failed(&self, attempt: &str, error: Error) -> Error {
        failed(&self.name, attempt, error)
    }

    /// The file of the recipe by which the modules of `scenario` are fetched on this side.
    pub fn recipe(&self, scenario: &Scenario) -> Option<PathBuf> {
        Some(self.tree.as_ref()?.root.join(self.scenario(scenario).recipe?))
    }
}

/// `error` of an attempt at the side called `name`.
pub fn failed(name: &str, attempt: &str, error: Error) -> Error {
    match error.exit() {
        Exit::Interrupted => error,
        _ => Error::new(Exit::CouldNotMeasure, format!("{attempt} {name}: {error:#}")),
    }
}
