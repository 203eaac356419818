//! The build dir: the folder in which the other side of a comparison is built.
//!
//! Only one session at a time uses it. It has a Cargo folder of its own, which is kept. Two trees must not
//! share one Cargo folder. Cargo names the output of a workspace's crates by their path within the workspace,
//! and decides by file times what to rebuild. It would mistake one tree for the other.

use loadline_record::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use xshell::{Shell, cmd};

use crate::builds::trees::copy;
use crate::out;
use crate::process::cargo::{build_runner, cargo};
use crate::process::interrupt::Interrupt;
use loadline_record::atomic::{make_folder, options};

/// The build dir, held by this session until it is dropped.
#[derive(Debug)]
pub struct BuildDir {
    /// The path of the build dir.
    pub folder: PathBuf,
    _lock: File,
}

impl BuildDir {
    /// Opens the build dir `folder`, and waits while another session uses it.
    ///
    /// # Errors
    /// When the folder cannot be written, or the program is interrupted.
    pub fn open(folder: &Path, interrupt: &Interrupt) -> Result<BuildDir> {
        let shown = folder.display();
        make_folder(folder).with_context(|| format!("cannot make folder {shown}"))?;
        let lock = options().write(true).create(true).truncate(true).open(folder.join("lock"));
        let lock = lock.with_context(|| format!("cannot write in {shown}"))?;
        let mut has_waited = false;
        while let Err(fs::TryLockError::WouldBlock) = lock.try_lock() {
            if !has_waited {
                out::note(format_args!("waiting for another session's build in {shown}"));
            }
            has_waited = true;
            interrupt.check()?;
            std::thread::sleep(std::time::Duration::from_millis(200));
        }
        Ok(BuildDir { folder: folder.to_owned(), _lock: lock })
    }

    /// The path at which the other revision is checked out.
    pub fn tree(&self) -> PathBuf {
        self.folder.join("tree")
    }

    /// The Cargo folder for the other side's programs.
    pub fn programs(&self) -> PathBuf {
        self.folder.join("build")
    }

    /// Returns the runner of `commit`, and builds it unless an earlier session built it in the same way.
    /// `workspace` is the checkout of `commit`. `cargo clean` removes the kept runners.
    ///
    /// # Errors
    /// When the runner does not build, or cannot be kept.
    pub fn build_once(&self, commit: &str, workspace: &Path) -> Result<PathBuf> {
        let built = self.folder.join("built").join(format!("{commit}-{}", way_of(workspace)?));
        let program = built.join(format!("loadline-runner{}", std::env::consts::EXE_SUFFIX));
        if program.is_file() {
            return Ok(program);
        }
        let fresh = keep(&self.build(workspace, false)?, &self.folder.join("fresh"))?;
        make_folder(&built)?;
        fs::rename(&fresh, &program)
            .with_context(|| format!("cannot move a runner to {}", built.display()))?;
        Ok(program)
    }

    /// Builds the runner of `workspace` and returns its path, which stays valid until the next build.
    /// `any_rust` ignores the Rust versions that dependencies ask for.
    ///
    /// # Errors
    /// When the runner does not build.
    pub fn build(&self, workspace: &Path, any_rust: bool) -> Result<PathBuf> {
        let build = self.programs();
        forget_workspace_crates(workspace, &build)?;
        build_runner(workspace, Some(&build), any_rust)
    }
}

/// Removes the output of the crates of `workspace` from Cargo's `folder`. That output comes from another
/// tree, and may be younger than this tree's files.
fn forget_workspace_crates(workspace: &Path, folder: &Path) -> Result<()> {
    if !folder.is_dir() {
        return Ok(());
    }
    let shell = Shell::new().context("cannot start a shell")?;
    shell.change_dir(workspace);
    let cargo = cargo();
    let said = cmd!(shell, "{cargo} metadata --no-deps --format-version 1")
        .quiet()
        .read()
        .context("cannot ask Cargo for the packages")?;
    let said: serde_json::Value = serde_json::from_str(&said).context("cargo metadata")?;
    let packages = said["packages"].as_array().into_iter().flatten();
    let names = packages.filter_map(|package| package["name"].as_str());
    let packages: Vec<&str> = names.flat_map(|name| ["--package", name]).collect();
    let clean = cmd!(shell, "{cargo} clean --quiet {packages...}");
    let clean = clean.env("CARGO_TARGET_DIR", folder).env("CARGO_BUILD_BUILD_DIR", folder);
    clean.quiet().run().context("cannot remove what was built from another tree")
}

/// A digest of what decides, apart from its sources, how the runner of `workspace` is built. It covers the
/// compiler and all its settings. The profile is part of the sources.
fn way_of(workspace: &Path) -> Result<String> {
    let shell = Shell::new().context("cannot start a shell")?;
    // A toolchain file in the workspace may name another compiler.
    shell.change_dir(workspace);
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let compiler =
        cmd!(shell, "{rustc} -vV").quiet().read().context("cannot ask rustc for its version")?;
    let mut way = blake3::Hasher::new();
    way.update(compiler.as_bytes());
    for (name, value) in settings(std::env::vars_os()) {
        way.update(format!("\0{name}=").as_bytes()).update(value.as_encoded_bytes());
    }
    for path in cargo_configs(workspace) {
        way.update(b"\0").update(&fs::read(&path).unwrap_or_default());
    }
    Ok(way.finalize().to_hex()[..16].to_owned())
}

/// The environment variables that change how Cargo, rustc and C compilers build. Variables that only choose
/// the output folder are left out.
fn settings(variables: impl Iterator<Item = (OsString, OsString)>) -> BTreeMap<String, OsString> {
    const PREFIXES: [&str; 12] = [
        "RUSTFLAGS",
        "RUSTC",
        "RUSTUP_TOOLCHAIN",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_PROFILE_",
        "CARGO_BUILD_",
        "CARGO_TARGET_",
        "CARGO_UNSTABLE_",
        "CC",
        "CXX",
        "CFLAGS",
        "CXXFLAGS",
    ];
    const PLACES: [&str; 4] = [
        "CARGO_TARGET_DIR",
        "CARGO_TARGET_TMPDIR",
        "CARGO_BUILD_TARGET_DIR",
        "CARGO_BUILD_BUILD_DIR",
    ];
    let named = variables.map(|(name, value)| (name.to_string_lossy().into_owned(), value));
    let is_setting = |name: &str| {
        PREFIXES.iter().any(|prefix| name.starts_with(prefix)) && !PLACES.contains(&name)
    };
    named.filter(|(name, _)| is_setting(name)).collect()
}

/// The configuration files that Cargo reads in `workspace`, and the files that they include.
fn cargo_configs(workspace: &Path) -> Vec<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo")));
    let folders = workspace.ancestors().map(|folder| folder.join(".cargo")).chain(home);
    let mut pending: Vec<PathBuf> =
        folders.flat_map(|folder| [folder.join("config.toml"), folder.join("config")]).collect();
    let mut found = Vec::new();
    while let Some(path) = pending.pop() {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        if found.contains(&path) {
            continue;
        }
        let table: toml::Table = text.parse().unwrap_or_default();
        let included = match table.get("include") {
            Some(toml::Value::Array(all)) => all.clone(),
            Some(one) => vec![one.clone()],
            None => Vec::new(),
        };
        let name = |one: &toml::Value| one.get("path").unwrap_or(one).as_str().map(str::to_owned);
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        pending.extend(included.iter().filter_map(name).map(|name| folder.join(name)));
        found.push(path);
    }
    found.sort();
    found
}

/// Copies `program` into `folder` and returns the copy's path. The next build replaces the program in Cargo's
/// own folder.
///
/// # Errors
/// When the program cannot be copied.
pub fn keep(program: &Path, folder: &Path) -> Result<PathBuf> {
    let name = program.file_name().context("the program has no name")?;
    let kept = folder.join(name);
    copy(program, &kept)
        .with_context(|| format!("cannot copy {} to {}", program.display(), kept.display()))?;
    ensure!(kept.is_file(), "{} has vanished", program.display());
    Ok(kept)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A kept runner is used again only if it would be built in the same way. Flags in any of Cargo's
    /// configuration files count, committed or not.
    #[test]
    fn flags_of_every_configuration_make_another_way() {
        let folder = tempfile::TempDir::new().unwrap();
        let workspace = folder.path().join("repository/workspace");
        let outer = folder.path().join("repository/.cargo");
        for folder in [&workspace, &outer] {
            fs::create_dir_all(folder).unwrap();
        }
        let way = || way_of(&workspace).unwrap();
        let plain = way();
        assert_eq!(way(), plain);
        fs::write(outer.join("config.toml"), "include = \"flags.toml\"\n").unwrap();
        let with_include = way();
        assert_ne!(with_include, plain);
        fs::write(outer.join("flags.toml"), "build.rustflags = [\"-Copt-level=1\"]\n").unwrap();
        assert_ne!(way(), with_include);
    }

    #[test]
    fn where_the_output_goes_is_no_setting() {
        let of = |names: &[&str]| -> Vec<String> {
            let variables = names.iter().map(|name| ((*name).into(), "x".into()));
            settings(variables).into_keys().collect()
        };
        let set =
            ["CARGO_PROFILE_DEV_LTO", "CARGO_TARGET_X86_64_LINUX_RUSTFLAGS", "CC", "RUSTFLAGS"];
        assert_eq!(of(&set), set);
        let others = ["CARGO_TARGET_DIR", "CARGO_BUILD_BUILD_DIR", "CARGO_MANIFEST_DIR", "HOME"];
        assert_eq!(of(&others), [""; 0]);
    }
}
