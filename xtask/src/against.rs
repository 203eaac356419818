//! The builds that `regress` measures: this workspace's runner, and with `--against` or
//! `--against-wasmtime` another one, built from a tree of its own.
//!
//! The other build has a target directory of its own as well, `target/against/build`. Two trees in
//! one target directory would be mistaken for each other: Cargo names the output of a workspace's
//! crates by their path within the workspace and tells old from new by the time of the files. What
//! comes from the registry, Wasmtime above all, is the same for both and is linked over.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use xshell::{Shell, cmd};

use crate::cli::Regress;
use crate::exit::{Exit, ended};
use crate::interrupt::Interrupt;
use crate::project::Project;
use crate::runner::{Runner, Surroundings, build_in};

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
                eprintln!("building the runner of {name}");
                tree.check_out(&sources, commit)?;
                Ok(tree.workspace.clone())
            }),
            Other::Wasmtime { source, .. } => {
                eprintln!("building the runner of {name}");
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
        project.build(&root).map_err(|error| {
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

/// Where another Wasmtime comes from.
#[derive(Debug, PartialEq, Eq)]
enum Wasmtime {
    /// The registry, at this version.
    Version(String),
    /// A checkout.
    Checkout(PathBuf),
    /// A commit of its repository.
    Commit(String),
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

impl Wasmtime {
    fn parse(asked: &str) -> Result<Wasmtime, String> {
        if let Some(folder) = asked.strip_prefix("path:") {
            let folder = Path::new(folder).canonicalize().map_err(|error| error.to_string())?;
            if !folder.join("crates/wasmtime/Cargo.toml").is_file() {
                return Err("it is no checkout of Wasmtime's repository".to_owned());
            }
            return Ok(Wasmtime::Checkout(folder));
        }
        if let Some(commit) = asked.strip_prefix("git:") {
            let is_hash = commit.len() >= 7 && commit.bytes().all(|b| b.is_ascii_hexdigit());
            let problem = "git: wants the hash of a commit (git rev-parse shows it)";
            return if is_hash {
                Ok(Wasmtime::Commit(commit.to_owned()))
            } else {
                Err(problem.into())
            };
        }
        let parts: Vec<&str> = asked.split('.').collect();
        let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if parts.len() == 3 && parts.iter().all(is_number) {
            return Ok(Wasmtime::Version(asked.to_owned()));
        }
        Err("it is no version such as 48.0.8, no path:DIR and no git:COMMIT".to_owned())
    }

    /// What the workspace's manifest says about Wasmtime's crates.
    fn dependencies(&self) -> Result<[(&'static str, toml::Table); 3], std::num::ParseIntError> {
        let entry = |key: &str, value: String| {
            toml::Table::from_iter([(key.to_owned(), toml::Value::String(value))])
        };
        let of = |name: &'static str, folder: &str, version: &dyn Fn() -> String| {
            let table = match self {
                Wasmtime::Version(_) => entry("version", version()),
                Wasmtime::Checkout(checkout) => {
                    entry("path", checkout.join(folder).to_string_lossy().into_owned())
                }
                Wasmtime::Commit(commit) => {
                    let mut table = entry("git", REPOSITORY.to_owned());
                    table.extend(entry("rev", commit.clone()));
                    table
                }
            };
            (name, table)
        };
        let (wasmtime, cranelift) = match self {
            Wasmtime::Version(version) => (format!("={version}"), cranelift_version(version)?),
            _ => (String::new(), String::new()),
        };
        Ok([
            of("wasmtime", "crates/wasmtime", &|| wasmtime.clone()),
            of("cranelift-codegen", "cranelift/codegen", &|| cranelift.clone()),
            of("cranelift-native", "cranelift/native", &|| cranelift.clone()),
        ])
    }
}

/// Where Wasmtime is developed.
const REPOSITORY: &str = "https://github.com/bytecodealliance/wasmtime";

/// The release of Cranelift that goes with Wasmtime X.Y.Z: `=0.(X + 87).Z` (48.0.8 and 0.135.8, as
/// the manifests of Wasmtime's releases have it from version 1 on; Y has always been 0).
fn cranelift_version(wasmtime: &str) -> Result<String, std::num::ParseIntError> {
    let (major, rest) = wasmtime.split_once('.').unwrap_or((wasmtime, "0"));
    let patch = rest.rsplit('.').next().unwrap_or("0");
    Ok(format!("=0.{}.{patch}", major.parse::<u64>()? + 87))
}

/// The version of Wasmtime that Cargo has settled on for the workspace `tree`.
fn wasmtime_version(tree: &Path) -> Option<String> {
    let lock: toml::Table = fs::read_to_string(tree.join("Cargo.lock")).ok()?.parse().ok()?;
    let packages = lock.get("package")?.as_array()?;
    let wasmtime = packages
        .iter()
        .find(|package| package.get("name").and_then(toml::Value::as_str) == Some("wasmtime"))?;
    Some(wasmtime.get("version")?.as_str()?.to_owned())
}

/// Git in `folder`, free of what a hook that started us may have set.
macro_rules! git {
    ($shell:expr, $folder:expr, $($arguments:tt)*) => {{
        $shell.change_dir($folder);
        cmd!($shell, $($arguments)*)
            .quiet()
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .env_remove("GIT_INDEX_FILE")
    }};
}

/// The commit that `asked` means in the repository of `sources`.
///
/// # Errors
/// When there is no such revision.
pub fn commit(sources: &Path, asked: &str) -> anyhow::Result<String> {
    let shell = Shell::new().context("cannot start a shell")?;
    let wanted = format!("{asked}^{{commit}}");
    let read = git!(shell, sources, "git rev-parse --verify {wanted}").ignore_stderr().read();
    match read {
        Ok(commit) if !asked.starts_with('-') && commit.len() >= 40 => Ok(commit),
        _ => {
            let shown = sources.display();
            let text = format!(
                "cannot use --against {asked}: there is no such revision in {shown} (git fetch brings what is elsewhere)"
            );
            Err(ended(Exit::Usage, text))
        }
    }
}

/// The commit that the files of `sources` are, unless one of them has been changed since.
fn commit_of(sources: &Path) -> Option<String> {
    let shell = Shell::new().ok()?;
    let changes = git!(shell, sources, "git status --porcelain").ignore_stderr().read().ok()?;
    if changes.is_empty() { commit(sources, "HEAD").ok() } else { None }
}

/// A revision's sources, gone when this is dropped.
#[derive(Debug)]
pub struct Checkout {
    tree: Tree,
    _folder: tempfile::TempDir,
}

impl Checkout {
    /// Checks `commit` out in a folder of its own under `folder`.
    ///
    /// # Errors
    /// When that cannot be written, or git refuses.
    pub fn of(project: &Project, commit: &str, folder: &Path) -> anyhow::Result<Checkout> {
        let shown = folder.display();
        fs::create_dir_all(folder).with_context(|| format!("cannot make folder {shown}"))?;
        let place = tempfile::TempDir::with_prefix_in("revision-", folder);
        let place = place.with_context(|| format!("cannot write in {shown}"))?;
        let mut tree = Tree::at(&place.path().join("tree"))?;
        tree.check_out(&project.workspace, commit)?;
        Ok(Checkout { tree, _folder: place })
    }

    /// The workspace in it.
    pub fn workspace(&self) -> &Path {
        &self.tree.workspace
    }
}

/// A tree of sources, gone when this is dropped.
#[derive(Debug)]
struct Tree {
    place: PathBuf,
    /// The workspace in it.
    workspace: PathBuf,
    /// Where git knows it as a worktree.
    repository: Option<PathBuf>,
}

impl Tree {
    /// An empty place: what a killed session left there is taken away.
    fn at(place: &Path) -> anyhow::Result<Tree> {
        if place.exists() {
            fs::remove_dir_all(place)
                .with_context(|| format!("cannot remove {}", place.display()))?;
        }
        let (place, workspace) = (place.to_owned(), place.to_owned());
        Ok(Tree { place, workspace, repository: None })
    }

    fn check_out(&mut self, sources: &Path, commit: &str) -> anyhow::Result<()> {
        let shell = Shell::new().context("cannot start a shell")?;
        self.repository = Some(sources.to_owned());
        let place = &self.place;
        let said = git!(shell, sources, "git worktree prune").run();
        let said = said.and_then(|()| {
            // A hook of the repository may do anything; it has nothing to do with this tree.
            git!(
                shell,
                sources,
                "git -c core.hooksPath=/dev/null worktree add --quiet --detach --force {place} {commit}"
            )
            .run()
        });
        said.with_context(|| format!("cannot make a worktree of {commit}"))?;
        let prefix = git!(shell, sources, "git rev-parse --show-prefix").read()?;
        self.workspace = self.place.join(prefix);
        Ok(())
    }

    /// The workspace as it is, on another Wasmtime.
    fn copy_with(&mut self, sources: &Path, wasmtime: &Wasmtime) -> anyhow::Result<()> {
        let shown = self.place.display();
        for entry in ["Cargo.toml", "Cargo.lock", ".cargo", "crates", "xtask"] {
            copy(&sources.join(entry), &self.place.join(entry))
                .with_context(|| format!("cannot copy {entry} to {shown}"))?;
        }
        let path = self.place.join("Cargo.toml");
        let text = fs::read_to_string(&path)?;
        let text = on_wasmtime(&text, wasmtime).context("cannot change Cargo.toml")?;
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // What cannot be removed is removed by the next session, or by `cargo clean`.
        let _ = fs::remove_dir_all(&self.place);
        if let (Some(repository), Ok(shell)) = (&self.repository, Shell::new()) {
            let _ = git!(shell, repository, "git worktree prune").run();
        }
    }
}

/// The workspace manifest `text` with other requirements for Wasmtime's crates.
fn on_wasmtime(text: &str, wasmtime: &Wasmtime) -> anyhow::Result<String> {
    let mut manifest: toml::Table = text.parse()?;
    let workspace = manifest.get_mut("workspace").and_then(toml::Value::as_table_mut);
    let dependencies = workspace.and_then(|table| table.get_mut("dependencies")?.as_table_mut());
    let dependencies = dependencies.context("it has no [workspace.dependencies]")?;
    for (name, source) in wasmtime.dependencies()? {
        let entry = dependencies.get_mut(name).and_then(toml::Value::as_table_mut);
        let entry = entry.with_context(|| format!("it does not require {name}"))?;
        for key in ["version", "path", "git", "rev"] {
            entry.remove(key);
        }
        entry.extend(source);
    }
    Ok(manifest.to_string())
}

/// Copies a file or folder with everything in it, if it is there.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    if !from.exists() {
        return Ok(());
    }
    if !from.is_dir() {
        to.parent().map_or(Ok(()), fs::create_dir_all)?;
        return fs::copy(from, to).map(drop);
    }
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        copy(&from.join(&name), &to.join(&name))?;
    }
    Ok(())
}

/// `target/against`: where other builds are made, one at a time.
#[derive(Debug)]
struct Yard {
    folder: PathBuf,
    /// The project's own Cargo folder, from which libraries are taken.
    target: PathBuf,
    _lock: File,
}

impl Yard {
    /// Waits for its turn.
    fn open(project: &Project, interrupt: &Interrupt) -> anyhow::Result<Yard> {
        let target = project.target();
        let folder = target.join("against");
        let shown = folder.display();
        fs::create_dir_all(&folder).with_context(|| format!("cannot make folder {shown}"))?;
        let lock = File::create(folder.join("lock"))
            .with_context(|| format!("cannot write in {shown}"))?;
        let mut has_waited = false;
        while let Err(fs::TryLockError::WouldBlock) = lock.try_lock() {
            if !has_waited {
                eprintln!("waiting for another session's build in {shown}");
            }
            has_waited = true;
            interrupt.check()?;
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        Ok(Yard { folder, target, _lock: lock })
    }

    /// The runner of a commit, built in the workspace that `lay_out` makes unless it has been built
    /// before. `cargo clean` forgets it.
    fn build_once(
        &self,
        commit: &str,
        lay_out: impl FnOnce() -> anyhow::Result<PathBuf>,
    ) -> anyhow::Result<PathBuf> {
        let built = self.folder.join("built").join(format!("{commit}-{:016x}", toolchain()?));
        let program = built.join(format!("loadline-runner{}", std::env::consts::EXE_SUFFIX));
        if program.is_file() {
            return Ok(program);
        }
        let workspace = lay_out()?;
        let fresh = keep(&self.build(&workspace)?, &self.folder.join("fresh"))?;
        fs::create_dir_all(&built)?;
        fs::rename(&fresh, &program)
            .with_context(|| format!("cannot move a runner to {}", built.display()))?;
        Ok(program)
    }

    /// Builds the runner of `workspace`; the program, until the next build.
    fn build(&self, workspace: &Path) -> anyhow::Result<PathBuf> {
        let build = self.folder.join("build");
        let (from, to) = (self.target.join("debug"), build.join("debug"));
        forget_workspace_crates(&to)?;
        // A build that has to compile Wasmtime again is slow, not wrong.
        if let Err(error) = link_libraries(&from, &to) {
            eprintln!("cannot take libraries over from {}: {error}", from.display());
        }
        build_in(workspace, Some(&build))
    }
}

/// What decides beside its sources how a runner is built: the compiler and the flags for it.
fn toolchain() -> anyhow::Result<u64> {
    let shell = Shell::new().context("cannot start a shell")?;
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let mut hasher = DefaultHasher::new();
    cmd!(shell, "{rustc} -vV").quiet().read()?.hash(&mut hasher);
    let prefixes = ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "CARGO_PROFILE_", "CARGO_BUILD_"];
    let is_flag = |name: &str| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let flags = std::env::vars_os().filter(|(name, _)| is_flag(&name.to_string_lossy()));
    std::collections::BTreeMap::from_iter(flags).hash(&mut hasher);
    Ok(hasher.finish())
}

/// Copies `program` into `folder`: what stands in Cargo's own place changes with the next build.
fn keep(program: &Path, folder: &Path) -> anyhow::Result<PathBuf> {
    let name = program.file_name().context("the program has no name")?;
    let kept = folder.join(name);
    copy(program, &kept)
        .with_context(|| format!("cannot copy {} to {}", program.display(), kept.display()))?;
    ensure!(kept.is_file(), "{} has vanished", program.display());
    Ok(kept)
}

/// Whether Cargo made `name`, of the form `crate-hash`, for a crate of a workspace like this one.
fn is_of_workspace(name: &str) -> bool {
    name.starts_with("loadline") || name.starts_with("xtask")
}

/// Takes away what tells Cargo that the workspace's crates are built: they were, of another tree.
fn forget_workspace_crates(folder: &Path) -> std::io::Result<()> {
    let Ok(entries) = fs::read_dir(folder.join(".fingerprint")) else { return Ok(()) };
    for entry in entries {
        let entry = entry?;
        if is_of_workspace(&entry.file_name().to_string_lossy()) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Takes over from the Cargo profile folder `from` every library that `to` does not have.
///
/// Libraries are linked: rustc replaces them and never writes into one. Everything small is copied
/// with its time, by which Cargo tells whether it is up to date; what makes a library count as
/// built comes last.
fn link_libraries(from: &Path, to: &Path) -> std::io::Result<()> {
    let (marks, known) = (from.join(".fingerprint"), to.join(".fingerprint"));
    if !marks.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(&known)?;
    fs::create_dir_all(to.join("deps"))?;
    let mut missing = Vec::new();
    for entry in fs::read_dir(&marks)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if !is_of_workspace(&name) && !known.join(&name).exists() {
            missing.push(name);
        }
    }
    let hashes: std::collections::BTreeSet<&str> =
        missing.iter().filter_map(|name| name.rsplit('-').next()).collect();
    for entry in fs::read_dir(from.join("deps"))? {
        let name = entry?.file_name();
        let shown = name.to_string_lossy();
        let stem = shown.split('.').next().unwrap_or(&shown);
        if stem.rsplit('-').next().is_some_and(|hash| hashes.contains(hash)) {
            let (original, link) = (from.join("deps").join(&name), to.join("deps").join(&name));
            // What is there belongs to a build that was not finished.
            let _ = fs::remove_file(&link);
            if fs::hard_link(&original, &link).is_err() {
                copy_with_time(&original, &link)?;
            }
        }
    }
    for name in &missing {
        copy_with_time(&from.join("build").join(name), &to.join("build").join(name))?;
    }
    for name in &missing {
        let part = known.join(format!(".part-{name}"));
        copy_with_time(&marks.join(name), &part)?;
        fs::rename(&part, known.join(name))?;
    }
    Ok(())
}

/// Copies a file or folder, if it is there; the copies are as old as the originals.
fn copy_with_time(from: &Path, to: &Path) -> std::io::Result<()> {
    copy(from, to)?;
    let mut pending = vec![PathBuf::new()];
    while let Some(place) = pending.pop() {
        let (original, copied) = (from.join(&place), to.join(&place));
        if original.is_dir() {
            for entry in fs::read_dir(&original)? {
                pending.push(place.join(entry?.file_name()));
            }
        } else if original.is_file() {
            let times = fs::FileTimes::new().set_modified(fs::metadata(&original)?.modified()?);
            File::options().write(true).open(&copied)?.set_times(times)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn workspace() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
    }

    /// Ours are 48.0.8 and 0.135.8; the difference is the same for every release.
    #[test]
    fn cranelift_goes_with_wasmtime() {
        assert_eq!(cranelift_version("48.0.8").unwrap(), "=0.135.8");
        assert_eq!(cranelift_version("1.0.0").unwrap(), "=0.88.0");
        let ours = wasmtime_version(workspace()).unwrap();
        let manifest = fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
        let cranelift = cranelift_version(&ours).unwrap();
        assert!(manifest.contains(&format!("cranelift-native = {{ version = \"{cranelift}\"")));
    }

    #[test]
    fn another_wasmtime_keeps_the_features() {
        let manifest = fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
        let required = |source: &Wasmtime, name: &str| {
            let manifest: toml::Table = on_wasmtime(&manifest, source).unwrap().parse().unwrap();
            let required = manifest["workspace"]["dependencies"][name].as_table().unwrap().clone();
            assert!(required.contains_key("default-features"));
            let of = |key: &str| required.get(key)?.as_str().map(str::to_owned);
            ["version", "path", "git", "rev"].map(of)
        };
        let some = |text: &str| Some(text.to_owned());
        let version = Wasmtime::Version("49.0.1".to_owned());
        assert_eq!(required(&version, "wasmtime"), [some("=49.0.1"), None, None, None]);
        assert_eq!(required(&version, "cranelift-codegen"), [some("=0.136.1"), None, None, None]);
        let checkout = Wasmtime::Checkout(PathBuf::from("/w"));
        let path = some("/w/cranelift/native");
        assert_eq!(required(&checkout, "cranelift-native"), [None, path, None, None]);
        let commit = Wasmtime::Commit("1234567".to_owned());
        let git = [None, None, some(REPOSITORY), some("1234567")];
        assert_eq!(required(&commit, "wasmtime"), git);
    }

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

    /// Libraries are taken over once, with the time by which Cargo knows them; a workspace's own
    /// crates never are.
    #[test]
    fn libraries_are_taken_over_and_workspace_crates_are_not() {
        let folder = tempfile::TempDir::new().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let files = [
            ".fingerprint/anyhow-11/lib-anyhow",
            "build/anyhow-11/output",
            "deps/libanyhow-11.rlib",
            "deps/anyhow-11.d",
            ".fingerprint/loadline-loader-22/lib",
            "deps/libloadline_loader-22.rlib",
        ];
        let long_ago = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1 << 30);
        for file in files {
            fs::create_dir_all(from.join(file).parent().unwrap()).unwrap();
            let file = File::create(from.join(file)).unwrap();
            file.set_modified(long_ago).unwrap();
        }
        link_libraries(&from, &to).unwrap();
        for file in files {
            let modified = fs::metadata(to.join(file)).and_then(|file| file.modified()).ok();
            let expected = (!file.contains("loadline")).then_some(long_ago);
            assert_eq!(modified, expected, "{file}");
        }
        // What has been built here since is not replaced.
        fs::write(to.join(files[2]), "newer").unwrap();
        fs::write(to.join(".fingerprint/anyhow-11/lib-anyhow"), "newer").unwrap();
        link_libraries(&from, &to).unwrap();
        assert_eq!(fs::read(to.join(files[1])).unwrap(), b"");
        assert_eq!(fs::read(to.join(".fingerprint/anyhow-11/lib-anyhow")).unwrap(), b"newer");
        forget_workspace_crates(&from).unwrap();
        assert!(!from.join(files[4]).exists() && from.join(files[0]).exists());
    }
}
