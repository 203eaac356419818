//! The builds that `regress` measures: this workspace's runner, and with `--against` or
//! `--against-wasmtime` another one, built from a tree of its own.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::another_wasmtime::{Wasmtime, wasmtime_version};
use crate::cli::Regress;
use crate::exit::{Exit, ended};
use crate::interrupt::Interrupt;
use crate::out;
use crate::project::Project;
use crate::runner::{Runner, Surroundings, build_in};
use crate::trees::{Checkout, Tree, commit, commit_of};
use crate::yard::{Yard, keep};

/// The runners of one session.
#[derive(Debug)]
pub struct Builds {
    /// The one that is judged.
    pub now: Runner,
    /// The one it is judged against, where there is one.
    pub before: Option<Before>,
    /// Where copies of them lie, until the session ends.
    _folder: Option<tempfile::TempDir>,
    /// The other revision of somebody's own repository, until the session ends.
    _checkout: Option<Checkout>,
}

/// The build that another is judged against.
#[derive(Debug)]
pub struct Before {
    /// What people call it.
    pub name: String,
    /// The argument that asks for it again.
    pub argument: String,
    /// The program.
    pub runner: Runner,
    /// Its tree, where commands are of that revision as well; the project's own if none.
    pub root: Option<PathBuf>,
}

impl Builds {
    /// This workspace's runner alone.
    ///
    /// # Errors
    /// When it does not build.
    pub fn one(
        project: &Project,
        surroundings: &Surroundings,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Builds> {
        let now = Runner::build(project, surroundings, interrupt)?;
        Ok(Builds { now, before: None, _folder: None, _checkout: None })
    }

    /// Builds what `arguments` ask for, to run in these surroundings.
    ///
    /// # Errors
    /// When a revision or Wasmtime is not there (usage), or a build fails: the other one's with
    /// [`Exit::DoesNotBuild`].
    pub fn make(
        project: &Project,
        arguments: &Regress,
        surroundings: &Surroundings,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Builds> {
        if project.is_installed && arguments.sources.is_none() {
            return Builds::of_revisions(project, arguments, surroundings, interrupt);
        }
        let sources = sources(project, arguments)?;
        let other = Other::read(&sources, arguments)?;
        if other.is_none() && arguments.sources.is_none() {
            return Builds::one(project, surroundings, interrupt);
        }
        let yard = Yard::open(project, interrupt)?;
        let folder = tempfile::TempDir::with_prefix_in("session-", &yard.folder);
        let folder =
            folder.with_context(|| format!("cannot write in {}", yard.folder.display()))?;
        // Of one length: what a path takes on a new process's stack is the same for both.
        let (one, two) = (folder.path().join("one"), folder.path().join("two"));
        let program = match (&arguments.sources, commit_of(&sources)) {
            (None, _) => build_in(&sources, None),
            (Some(_), None) => yard.build(&sources),
            (Some(_), Some(commit)) => yard.build_once(&commit, || Ok(sources.clone())),
        };
        interrupt.check()?;
        let kept = program.and_then(|program| keep(&program, &one));
        let now = kept.map_err(|error| {
            ended(Exit::CouldNotMeasure, format!("cannot build the runner: {error:#}"))
        })?;
        let now = Runner::at(now, surroundings, interrupt)?;
        let Some(other) = other else {
            let (folder, _checkout) = (Some(folder), None);
            return Ok(Builds { now, before: None, _folder: folder, _checkout });
        };
        let name = other.name();
        let mut tree = Tree::at(&yard.folder.join("tree"))?;
        let program = match &other {
            Other::Revision { commit, .. } => yard.build_once(commit, || {
                out::note(format_args!("building the runner of {name}"));
                tree.check_out(&sources, commit)?;
                Ok(tree.workspace.clone())
            }),
            Other::Wasmtime { source, .. } => {
                out::note(format_args!("building the runner of {name}"));
                tree.copy_with(&sources, source).and_then(|()| yard.build(&tree.workspace))
            }
        };
        interrupt.check()?;
        let kept = program.and_then(|program| keep(&program, &two));
        let program = kept.map_err(|error| {
            let text = format!("cannot build the runner of {name}: {error:#}");
            ended(Exit::DoesNotBuild, text)
        })?;
        let runner = Runner::at(program, surroundings, interrupt)?;
        let argument = other.argument();
        let folder = Some(folder);
        let version = |tree: &Path| wasmtime_version(tree).unwrap_or_default();
        if other.is_judged(&version(&sources), &version(&tree.workspace)) {
            let name = format!("wasmtime {}", version(&sources));
            let before = Before { name, argument, runner: now, root: None };
            let (now, before) = (runner, Some(before));
            return Ok(Builds { now, before, _folder: folder, _checkout: None });
        }
        let before = Some(Before { name, argument, runner, root: None });
        Ok(Builds { now, before, _folder: folder, _checkout: None })
    }

    /// The installed runner, and with `--against` another revision of the project's own programs
    /// beside it.
    fn of_revisions(
        project: &Project,
        arguments: &Regress,
        surroundings: &Surroundings,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Builds> {
        if let Some(asked) = &arguments.against_wasmtime {
            let text = format!(
                "cannot use --against-wasmtime {asked}: an installed runner has the Wasmtime it was built with (--sources DIR names a clone of Loadline to build another in)"
            );
            return Err(ended(Exit::Usage, text));
        }
        let builds = Builds::one(project, surroundings, interrupt)?;
        let Some(other) = Other::read(&project.workspace, arguments)? else { return Ok(builds) };
        let Other::Revision { commit, .. } = &other else { return Ok(builds) };
        let (name, argument, runner) = (other.name(), other.argument(), builds.now.clone());
        let checkout = Checkout::of(project, commit, &project.target().join("against"))?;
        let root = checkout.workspace().to_owned();
        let built = project.build(&root, interrupt);
        interrupt.check()?;
        built.map_err(|error| {
            ended(Exit::DoesNotBuild, format!("cannot build {name}: {error:#}"))
        })?;
        let before = Some(Before { name, argument, runner, root: Some(root) });
        Ok(Builds { before, _checkout: Some(checkout), ..builds })
    }
}

fn sources(project: &Project, arguments: &Regress) -> anyhow::Result<PathBuf> {
    let Some(sources) = &arguments.sources else { return Ok(project.workspace.clone()) };
    let usage = |problem: &str| {
        ended(Exit::Usage, format!("cannot use --sources {}: {problem}", sources.display()))
    };
    let sources = sources.canonicalize().map_err(|error| usage(&error.to_string()))?;
    if !sources.join("crates/runner").is_dir() {
        return Err(usage("it has no crates/runner (the workspace's own folder is wanted)"));
    }
    Ok(sources)
}

/// What this workspace's runner is compared with.
#[derive(Debug)]
enum Other {
    Revision { asked: String, commit: String },
    Wasmtime { asked: String, source: Wasmtime },
}

impl Other {
    fn read(sources: &Path, arguments: &Regress) -> anyhow::Result<Option<Other>> {
        if let Some(asked) = &arguments.against {
            let commit = commit(sources, asked)?;
            return Ok(Some(Other::Revision { asked: asked.clone(), commit }));
        }
        let Some(asked) = &arguments.against_wasmtime else { return Ok(None) };
        let source = Wasmtime::parse(asked).map_err(|problem| {
            ended(Exit::Usage, format!("cannot use --against-wasmtime {asked}: {problem}"))
        })?;
        Ok(Some(Other::Wasmtime { asked: asked.clone(), source }))
    }

    fn name(&self) -> String {
        match self {
            Other::Revision { asked, commit } => format!("{asked} ({})", &commit[..10]),
            Other::Wasmtime { asked, .. } => format!("wasmtime {asked}"),
        }
    }

    fn argument(&self) -> String {
        match self {
            Other::Revision { asked, .. } => format!("--against {asked}"),
            Other::Wasmtime { asked, .. } => format!("--against-wasmtime {asked}"),
        }
    }

    /// Whether the other build is the newer one, and so the one that is judged. A checkout or a
    /// commit is somebody's work on what will be released.
    fn is_judged(&self, ours: &str, theirs: &str) -> bool {
        let numbers = |version: &str| -> Vec<u64> {
            version.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect()
        };
        match self {
            Other::Revision { .. } => false,
            Other::Wasmtime { source: Wasmtime::Version(_), .. } => {
                numbers(theirs) >= numbers(ours)
            }
            Other::Wasmtime { .. } => true,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_newer_wasmtime_is_judged() {
        let other = |source| Other::Wasmtime { asked: String::new(), source };
        let release = other(Wasmtime::Version(String::new()));
        assert!(release.is_judged("48.0.8", "48.0.10"));
        assert!(release.is_judged("48.0.8", "48.0.8"));
        assert!(!release.is_judged("48.0.8", "47.1.9"));
        let commit = other(Wasmtime::Commit(String::new()));
        assert!(commit.is_judged("48.0.8", "47.0.0"));
        let revision = Other::Revision { asked: String::new(), commit: String::new() };
        assert!(!revision.is_judged("48.0.8", "49.0.0"));
    }
}
