//! Builds the runners that `regress` measures. The first is this workspace's runner. With `--against` or
//! `--against-wasmtime` the second one is built from a tree of its own.

use loadline_record::{Context, Error, Exit, Machine, Result};
use std::path::{Path, PathBuf};

use crate::builds::build_dir::{BuildDir, keep};
use crate::builds::other_side::{Before, failed};
use crate::builds::trees::{Changes, Tree, changes, commit, commit_of};
use crate::builds::wasmtime::{Wasmtime, wasmtime_version};
use crate::out;
use crate::process::cargo::build_runner;
use crate::process::interrupt::Interrupt;
use crate::process::runner::Runner;
use crate::project::folders::Project;

/// The options that say which builds `regress` measures and compares.
#[derive(Debug, Clone, Default)]
pub struct OtherAsked {
    /// The git revision to compare with.
    pub against: Option<String>,
    /// The other Wasmtime on which the same sources are built.
    pub against_wasmtime: Option<String>,
    /// The workspace whose runner is measured. `None` means this program's own workspace.
    pub sources: Option<PathBuf>,
}

/// The runners of one session. Their files exist until this value is dropped.
#[derive(Debug)]
pub struct Builds {
    /// The runner that is judged.
    pub now: Runner,
    /// The side it is compared with, if there is a comparison.
    pub before: Option<Before>,
    /// Keeps the files of both runners until the session ends.
    _places: Places,
}

/// The folders that hold runners and trees. Dropping this value removes them.
#[derive(Debug, Default)]
struct Places {
    _copies: Option<tempfile::TempDir>,
    _tree: Option<Tree>,
    _build_dir: Option<BuildDir>,
}

impl Builds {
    /// Makes the builds of a session that measures this workspace's runner alone.
    ///
    /// # Errors
    /// When the runner does not build.
    pub fn one(project: &Project, machine: &Machine, interrupt: &Interrupt) -> Result<Builds> {
        let now = Runner::build(project, machine, interrupt)?;
        Ok(Builds { now, before: None, _places: Places::default() })
    }

    /// Builds the runners that `arguments` ask for, to be run with these settings.
    ///
    /// # Errors
    /// A usage error when the revision or the Wasmtime does not exist. Any other error when a build fails.
    pub fn make(
        project: &Project,
        asked: &OtherAsked,
        machine: &Machine,
        interrupt: &Interrupt,
    ) -> Result<Builds> {
        if project.is_installed && asked.sources.is_none() {
            return Builds::of_programs(project, asked, machine, interrupt);
        }
        let sources = sources(project, asked)?;
        let other = Other::read(&sources, asked)?;
        if other.is_none() && asked.sources.is_none() {
            return Builds::one(project, machine, interrupt);
        }
        let build_dir = BuildDir::open(&project.against(), interrupt)?;
        let copies = tempfile::TempDir::with_prefix_in("session-", &build_dir.folder);
        let copies =
            copies.with_context(|| format!("cannot write in {}", build_dir.folder.display()))?;
        // Both paths have the same length, so they take the same space on a new process's stack.
        let (one, two) = (copies.path().join("one"), copies.path().join("two"));
        let program = match (&asked.sources, commit_of(&sources)) {
            (None, _) => build_runner(&sources, None, false),
            (Some(_), None) => build_dir.build(&sources, false),
            (Some(_), Some(commit)) => build_dir.build_once(&commit, &sources),
        };
        interrupt.check()?;
        let kept = program.and_then(|program| keep(&program, &one));
        let now = kept.map_err(|error| {
            Error::new(Exit::CouldNotMeasure, format!("cannot build the runner: {error:#}"))
        })?;
        let now = Runner::at(now, machine, interrupt)?;
        let mut places = Places { _copies: Some(copies), ..Places::default() };
        let Some(other) = other else { return Ok(Builds { now, before: None, _places: places }) };
        let parts =
            OtherRunner { project, sources: &sources, build_dir: &build_dir, now, interrupt };
        let built = parts.build(&other, &two, machine);
        let (now, before, tree) =
            built.map_err(|error| failed(&other.name(), "cannot build the runner of", error))?;
        (places._tree, places._build_dir) = (Some(tree), Some(build_dir));
        Ok(Builds { now, before: Some(before), _places: places })
    }

    /// Uses the installed runner for both sides. With `--against`, the other side runs another revision of
    /// the project's own programs.
    fn of_programs(
        project: &Project,
        asked: &OtherAsked,
        machine: &Machine,
        interrupt: &Interrupt,
    ) -> Result<Builds> {
        if let Some(asked) = &asked.against_wasmtime {
            let text = format!(
                "cannot use --against-wasmtime {asked}: an installed runner has the Wasmtime it was built with (--sources DIR names a clone of Loadline to build another in)"
            );
            return Err(Error::new(Exit::Usage, text));
        }
        let builds = Builds::one(project, machine, interrupt)?;
        let Some(other) = Other::read(&project.root, asked)? else { return Ok(builds) };
        let Other::Revision { commit, .. } = &other else { return Ok(builds) };
        let build_dir = BuildDir::open(&project.against(), interrupt)?;
        let mut tree = Tree::at(&build_dir.tree())?;
        let made = tree.check_out(&project.root, commit).and_then(|()| {
            let theirs = project.checked_out(&tree.workspace, &build_dir.programs())?;
            theirs.build(interrupt).map(|()| theirs)
        });
        let theirs = made.map_err(|error| failed(&other.name(), "cannot build", error))?;
        let changes = changes(&project.root, commit)?;
        let before = other.side(builds.now.clone(), Some(theirs), changes);
        let _places = Places { _copies: None, _tree: Some(tree), _build_dir: Some(build_dir) };
        Ok(Builds { before: Some(before), _places, ..builds })
    }
}

/// The inputs of building the other side's runner.
struct OtherRunner<'a> {
    project: &'a Project,
    sources: &'a Path,
    build_dir: &'a BuildDir,
    now: Runner,
    interrupt: &'a Interrupt,
}

impl OtherRunner<'_> {
    /// Builds the runner of the other side and keeps it in `folder`. Returns the runner that is judged, the
    /// side it is compared with, and the tree that the session needs.
    fn build(
        &self,
        other: &Other,
        folder: &Path,
        machine: &Machine,
    ) -> Result<(Runner, Before, Tree)> {
        let OtherRunner { sources, build_dir, now, interrupt, .. } = self;
        let mut tree = Tree::at(&build_dir.tree())?;
        let mut differences = Changes::default();
        let name = other.name();
        let program = match other {
            Other::Revision { commit, .. } => {
                tree.check_out(sources, commit)?;
                differences = changes(sources, commit)?;
                if !differences.touch_runner(sources) {
                    let theirs = self.tree_of_project(&tree)?;
                    let before = other.side(self.now.clone(), theirs, differences);
                    return Ok((self.now.clone(), before, tree));
                }
                out::note(format_args!("building the runner of {name}"));
                build_dir.build_once(commit, &tree.workspace)
            }
            Other::Wasmtime { source, .. } => {
                out::note(format_args!("building the runner of {name}"));
                tree.copy_with(sources, source)
                    .and_then(|()| build_dir.build(&tree.workspace, true))
            }
        };
        interrupt.check()?;
        let program = program.and_then(|program| keep(&program, folder))?;
        let runner = Runner::at(program, machine, interrupt)?;
        let version = |tree: &Path| wasmtime_version(tree).unwrap_or_default();
        if other.is_judged(&version(sources), &version(&tree.workspace)) {
            let name = format!("wasmtime {}", version(sources));
            let before = Before { name, ..other.side(now.clone(), None, differences) };
            return Ok((runner, before, tree));
        }
        let theirs = match other {
            Other::Revision { .. } => self.tree_of_project(&tree)?,
            Other::Wasmtime { .. } => None,
        };
        Ok((self.now.clone(), other.side(runner, theirs, differences), tree))
    }

    /// Builds the project inside `tree`. Returns `None` where the project lies outside the sources.
    fn tree_of_project(&self, tree: &Tree) -> Result<Option<Project>> {
        let Ok(place) = self.project.root.strip_prefix(self.sources) else { return Ok(None) };
        let root = tree.workspace.join(place);
        let theirs = self.project.checked_out(&root, &self.build_dir.programs())?;
        theirs.build(self.interrupt)?;
        Ok(Some(theirs))
    }
}

fn sources(project: &Project, asked: &OtherAsked) -> Result<PathBuf> {
    let Some(sources) = &asked.sources else { return Ok(project.workspace.clone()) };
    let usage = |problem: &str| {
        Error::new(Exit::Usage, format!("cannot use --sources {}: {problem}", sources.display()))
    };
    let sources = sources.canonicalize().map_err(|error| usage(&error.to_string()))?;
    if !sources.join("crates/runner").is_dir() {
        return Err(usage("it has no crates/runner (name the root folder of a clone of Loadline)"));
    }
    Ok(sources)
}

/// The other side of the comparison.
#[derive(Debug)]
enum Other {
    Revision { asked: String, commit: String },
    Wasmtime { asked: String, source: Wasmtime },
}

impl Other {
    fn read(sources: &Path, asked: &OtherAsked) -> Result<Option<Other>> {
        if let Some(asked) = &asked.against {
            let commit = commit(sources, asked)?;
            return Ok(Some(Other::Revision { asked: asked.clone(), commit }));
        }
        let Some(asked) = &asked.against_wasmtime else { return Ok(None) };
        let source = Wasmtime::parse(asked).map_err(|problem| {
            Error::new(Exit::Usage, format!("cannot use --against-wasmtime {asked}: {problem}"))
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

    /// The side to compare with, measured by `runner`.
    fn side(&self, runner: Runner, tree: Option<Project>, changes: Changes) -> Before {
        Before { name: self.name(), argument: self.argument(), runner, tree, changes }
    }

    /// Whether the other build is the one that is judged. A release is judged unless it is older than ours. A
    /// checkout or a commit of Wasmtime is always judged, since it is work on a future release.
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
