//! Another Wasmtime to build the workspace on: its source, and the manifest that asks for it.

use loadline_record::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

/// The source of another Wasmtime.
#[derive(Debug, PartialEq, Eq)]
pub enum Wasmtime {
    /// A release of this version, from the registry.
    Version(String),
    /// A checkout at this path.
    Checkout(PathBuf),
    /// A commit of Wasmtime's repository.
    Commit(String),
}

impl Wasmtime {
    /// Reads `48.0.8`, `path:DIR` or `git:COMMIT`.
    ///
    /// # Errors
    /// When the text has none of these forms. The error text names the valid forms.
    pub fn parse(asked: &str) -> Result<Wasmtime, String> {
        if let Some(folder) = asked.strip_prefix("path:") {
            let folder = Path::new(folder).canonicalize().map_err(|error| error.to_string())?;
            if !folder.join("crates/wasmtime/Cargo.toml").is_file() {
                return Err("it is not a checkout of Wasmtime's repository".to_owned());
            }
            return Ok(Wasmtime::Checkout(folder));
        }
        if let Some(commit) = asked.strip_prefix("git:") {
            let is_hash = commit.len() >= 7 && commit.bytes().all(|b| b.is_ascii_hexdigit());
            let problem = "git: needs the hash of a commit (git rev-parse shows it)";
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
        Err("it is not a version such as 48.0.8, path:DIR or git:COMMIT".to_owned())
    }

    /// The entries for Wasmtime's crates in the workspace's manifest.
    fn dependencies(&self) -> Result<[(&'static str, toml::Table); 5], std::num::ParseIntError> {
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
            of(COHERENCE, "crates/jit-icache-coherence", &|| wasmtime.clone()),
            of(ENVIRON, "crates/environ", &|| wasmtime.clone()),
            of("cranelift-codegen", "cranelift/codegen", &|| cranelift.clone()),
            of("cranelift-native", "cranelift/native", &|| cranelift.clone()),
        ])
    }
}

/// Wasmtime's crate that makes new code visible to every CPU.
const COHERENCE: &str = "wasmtime-internal-jit-icache-coherence";

/// Wasmtime's crate that states Wasmtime's version. Older trees do not depend on it.
const ENVIRON: &str = "wasmtime-environ";

/// The repository in which Wasmtime is developed.
const REPOSITORY: &str = "https://github.com/bytecodealliance/wasmtime";

/// The release of Cranelift that goes with Wasmtime X.Y.Z is `=0.(X + 87).Z`, for example 0.135.8 with
/// 48.0.8. The manifests of Wasmtime's releases say so from version 1 on. Y has always been 0.
fn cranelift_version(wasmtime: &str) -> Result<String, std::num::ParseIntError> {
    let (major, rest) = wasmtime.split_once('.').unwrap_or((wasmtime, "0"));
    let patch = rest.rsplit('.').next().unwrap_or("0");
    Ok(format!("=0.{}.{patch}", major.parse::<u64>()? + 87))
}

/// The version of Wasmtime that Cargo has resolved for the workspace `tree`.
pub fn wasmtime_version(tree: &Path) -> Option<String> {
    let lock: toml::Table = fs::read_to_string(tree.join("Cargo.lock")).ok()?.parse().ok()?;
    let packages = lock.get("package")?.as_array()?;
    let wasmtime = packages
        .iter()
        .find(|package| package.get("name").and_then(toml::Value::as_str) == Some("wasmtime"))?;
    Some(wasmtime.get("version")?.as_str()?.to_owned())
}

/// Returns the workspace manifest `text` with other requirements for Wasmtime's crates.
///
/// # Errors
/// When `text` is not such a manifest.
pub fn on_wasmtime(text: &str, wasmtime: &Wasmtime) -> Result<String> {
    let mut manifest: toml::Table = text.parse()?;
    let workspace = manifest.get_mut("workspace").and_then(toml::Value::as_table_mut);
    let dependencies = workspace.and_then(|table| table.get_mut("dependencies")?.as_table_mut());
    let dependencies = dependencies.context("it has no [workspace.dependencies]")?;
    for (name, source) in wasmtime.dependencies()? {
        if name == ENVIRON && !dependencies.contains_key(name) {
            continue;
        }
        let entry = dependencies.get_mut(name);
        let entry = entry.with_context(|| format!("it does not require {name}"))?;
        if entry.is_str() {
            // Replaces the short form `wasmtime = "…"` by a table.
            *entry = toml::Value::Table(toml::Table::new());
        }
        let entry = entry.as_table_mut().with_context(|| {
            format!("its requirement of {name} is neither a version nor a table")
        })?;
        for key in ["version", "path", "git", "rev"] {
            entry.remove(key);
        }
        entry.extend(source);
    }
    Ok(manifest.to_string())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn workspace() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
    }

    /// 48.0.8 goes with 0.135.8; the difference is the same for every release.
    #[test]
    fn cranelift_goes_with_wasmtime() {
        assert_eq!(cranelift_version("48.0.8").unwrap(), "=0.135.8");
        assert_eq!(cranelift_version("1.0.0").unwrap(), "=0.88.0");
        let ours = wasmtime_version(workspace()).unwrap();
        let lock = fs::read_to_string(workspace().join("Cargo.lock")).unwrap();
        let cranelift = cranelift_version(&ours).unwrap().replace('=', "");
        let package = format!("name = \"cranelift-native\"\nversion = \"{cranelift}\"\n");
        assert!(lock.contains(&package), "{package}");
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
        assert_eq!(required(&version, "wasmtime-environ"), [some("=49.0.1"), None, None, None]);
        assert_eq!(required(&version, "cranelift-codegen"), [some("=0.136.1"), None, None, None]);
        // No crate may keep the requirement of the old release.
        let changed = on_wasmtime(&manifest, &version).unwrap();
        for ours in ["~48.", "~0.135"] {
            assert!(manifest.contains(ours) && !changed.contains(ours), "{changed}");
        }
        let checkout = Wasmtime::Checkout(PathBuf::from("/w"));
        let path = some("/w/cranelift/native");
        assert_eq!(required(&checkout, "cranelift-native"), [None, path, None, None]);
        let commit = Wasmtime::Commit("1234567".to_owned());
        let git = [None, None, some(REPOSITORY), some("1234567")];
        assert_eq!(required(&commit, "wasmtime"), git);
    }
}
