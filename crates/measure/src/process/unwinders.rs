//! Finds the unwinders of this machine, says how to get the others, and decides which scenarios are measured
//! under which unwinder.
//!
//! This module does not decide whether a library is the active unwinder. The measured process says so
//! (`Runner::check_preload`, `proof.rs`).

use loadline_record::{Error, Exit, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use loadline_scenario::{Scenario, Unwinder, Workload};

/// A function that every LLVM libunwind exports, and no other unwinder. Wasmtime uses it for the same check
/// (wasmtime 48, `runtime/vm/sys/unix/unwind.rs`).
const LLVM_SYMBOL: &[u8] = b"__unw_add_dynamic_fde";

/// How to install LLVM's libunwind.
const GET_LLVM: &str = "LLVM's libunwind is not installed (Debian and Ubuntu: the package libunwind-N of an LLVM from 14 to 19, not libunwind8; Fedora: llvm-libunwind)";

/// The library to preload for `asked`. `None` where the runner uses that unwinder anyway.
///
/// # Errors
/// When the library does not exist, or is not a file.
pub fn library(asked: &Unwinder) -> Result<Option<PathBuf>> {
    let refuse = |problem: String| {
        Err(Error::new(Exit::Usage, format!("cannot use unwinder {asked}: {problem}")))
    };
    let path = match asked {
        Unwinder::Host => return Ok(None),
        // On Apple's systems, the system's own unwinder is LLVM's.
        Unwinder::Llvm if cfg!(target_vendor = "apple") => return Ok(None),
        _ if !cfg!(target_os = "linux") => {
            return refuse("preloading works on Linux only".to_owned());
        }
        Unwinder::Llvm => match newest_llvm() {
            Some(path) => path,
            None => return refuse(GET_LLVM.to_owned()),
        },
        Unwinder::Library(path) => path.clone(),
    };
    match path.canonicalize() {
        Ok(path) if path.is_file() => Ok(Some(path)),
        Ok(_) => refuse("is not a file".to_owned()),
        Err(error) => refuse(format!("{error} (host, llvm, or the file of a library)")),
    }
}

/// The unwinders of this machine, each library once. They are the machine's own, the newest LLVM libunwind,
/// and the libraries in `folder`, the project's folder for unwinders.
pub fn here(folder: &Path) -> Vec<Unwinder> {
    let mut found = vec![Unwinder::Host, Unwinder::Llvm];
    let mut private = Vec::new();
    libraries_in(folder, DEEPEST, &mut private);
    private.sort();
    found.extend(private.into_iter().map(Unwinder::Library));
    found.retain(|unwinder| library(unwinder).is_ok());
    distinct(found)
}

/// Removes unwinders that mean the same library as an earlier one.
pub fn distinct(unwinders: Vec<Unwinder>) -> Vec<Unwinder> {
    let mut seen = BTreeSet::new();
    let is_new = |unwinder: &Unwinder| match library(unwinder) {
        Ok(library) => seen.insert(library),
        // The later measurement reports the error.
        Err(_) => true,
    };
    unwinders.into_iter().filter(is_new).collect()
}

/// Says how to get each unwinder family that is not in `families`, one sentence each. Packages are unpacked
/// into `folder`.
pub fn missing(families: &[&str], folder: &Path) -> Vec<String> {
    if !cfg!(target_os = "linux") {
        return Vec::new();
    }
    // Unpacking provides another libgcc without replacing the system's.
    let unpack = format!(
        "apt-get download libgcc-s1 where the release has it, dpkg-deb -x FILE.deb {}/libgcc-N",
        folder.display()
    );
    let is_missing = |family: &str| !families.contains(&family);
    let mut sentences = Vec::new();
    if is_missing("llvm") {
        sentences.push(format!("llvm is missing: {GET_LLVM}"));
    }
    if is_missing("libgcc-tree") {
        sentences.push(format!(
            "libgcc-tree is missing: libgcc 13 or newer, as in Debian 13 ({unpack})"
        ));
    }
    if is_missing("libgcc-list") {
        sentences.push(format!(
            "libgcc-list is missing: libgcc 12 or older, as in Debian 12 ({unpack})"
        ));
    }
    sentences
}

/// The depth below the project's folder at which a package unpacks its library, at most.
const DEEPEST: usize = 6;

/// Finds libraries with the file names of unwinders.
fn libraries_in(folder: &Path, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let is_unwinder = ["libgcc_s.so.1", "libunwind.so.1"]
            .iter()
            .any(|name| entry.file_name().to_str() == Some(name));
        if is_unwinder {
            found.push(path);
        } else if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            libraries_in(&path, depth - 1, found);
        }
    }
}

/// The newest LLVM libunwind in the folders that distributions use.
fn newest_llvm() -> Option<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir("/usr/lib").into_iter().flatten().flatten() {
        let name = entry.file_name();
        let version = name.to_str().and_then(|name| name.strip_prefix("llvm-")?.parse().ok());
        versions.extend(version.map(|version| (version, entry.path().join("lib"))));
    }
    versions.sort_by(|a, b| b.cmp(a));
    let multiarch = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    let others =
        [multiarch.as_str(), "/usr/lib64", "/usr/lib", "/usr/local/lib"].map(PathBuf::from);
    let folders = versions.into_iter().map(|(_, folder)| folder).chain(others);
    folders.map(|folder| folder.join("libunwind.so.1")).find(|path| is_llvm(path))
}

fn is_llvm(path: &Path) -> bool {
    std::fs::read(path)
        .is_ok_and(|bytes| bytes.windows(LLVM_SYMBOL.len()).any(|window| window == LLVM_SYMBOL))
}

/// The scenarios that are measured under one unwinder, in a session of their own.
#[derive(Debug)]
pub struct Pass {
    /// The unwinder.
    pub unwinder: Unwinder,
    /// The scenarios.
    pub scenarios: Vec<Scenario>,
}

/// Divides `scenarios` by unwinder. A scenario whose file names an unwinder is measured under that one alone.
/// Every other scenario is measured under each of `asked`. Also returns what was left out, one sentence each.
/// Without `may_leave_out`, a scenario that would be left out is an error.
///
/// # Errors
/// When this machine does not have a needed unwinder, or when nothing is left to measure.
pub fn passes(
    scenarios: &[Scenario],
    asked: &[Unwinder],
    may_leave_out: bool,
) -> Result<(Vec<Pass>, Vec<String>)> {
    for unwinder in asked {
        library(unwinder)?;
    }
    let mut passes: Vec<Pass> = Vec::new();
    let mut left_out = Vec::new();
    let scenarios: Vec<&Scenario> = scenarios.iter().collect();
    let (scenarios, elsewhere): (Vec<&Scenario>, Vec<&Scenario>) =
        scenarios.into_iter().partition(|scenario| can_be_here(scenario));
    for scenario in elsewhere {
        let why = "it registers unwind tables itself, which works on Linux with glibc only";
        let sentence = format!("{}: left out: {why}", scenario.full_name());
        if !may_leave_out {
            return Err(Error::new(Exit::Usage, sentence));
        }
        left_out.push(sentence);
    }
    let mut put = |unwinder: &Unwinder, scenario: &Scenario| {
        let is_same = |pass: &&mut Pass| library(&pass.unwinder).ok() == library(unwinder).ok();
        match passes.iter_mut().find(is_same) {
            Some(pass) => pass.scenarios.push(scenario.clone()),
            None => {
                let (unwinder, scenarios) = (unwinder.clone(), vec![scenario.clone()]);
                passes.push(Pass { unwinder, scenarios });
            }
        }
    };
    for unwinder in asked {
        let without = scenarios.iter().filter(|scenario| scenario.unwinder.is_none());
        without.for_each(|scenario| put(unwinder, scenario));
    }
    for scenario in scenarios {
        let Some(own) = &scenario.unwinder else { continue };
        match library(own) {
            Ok(_) => put(own, scenario),
            Err(error) if may_leave_out => {
                left_out.push(format!("{}: left out: {error:#}", scenario.full_name()));
            }
            Err(error) => return Err(error.context(scenario.full_name())),
        }
    }
    match left_out.first() {
        Some(first) if passes.is_empty() => {
            Err(Error::new(Exit::NothingSelected, format!("nothing is left to measure: {first}")))
        }
        _ => Ok((passes, left_out)),
    }
}

/// Whether this system can run the scenario at all.
fn can_be_here(scenario: &Scenario) -> bool {
    cfg!(all(target_os = "linux", target_env = "gnu"))
        || !matches!(scenario.workload, Workload::Registration(_))
}

/// The single unwinder of a command that compares within one session. It is `asked`, or the one that all of
/// `scenarios` name.
///
/// # Errors
/// When the scenarios need different unwinders, or this machine does not have the unwinder.
pub fn only(scenarios: &[Scenario], asked: &Unwinder) -> Result<Unwinder> {
    let (mut passes, _) = passes(scenarios, std::slice::from_ref(asked), false)?;
    match (passes.pop(), passes.pop()) {
        (Some(pass), None) => Ok(pass.unwinder),
        (Some(one), Some(other)) => {
            let (a, b) = (&one.scenarios[0], &other.scenarios[0]);
            let text = format!(
                "{} is measured under {}, {} under {}: name scenarios of one unwinder",
                b.full_name(),
                other.unwinder,
                a.full_name(),
                one.unwinder
            );
            Err(Error::new(Exit::Usage, text))
        }
        (None, _) => Ok(asked.clone()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use loadline_record::fixtures::scenario;

    /// The full names of the scenarios of each pass, with the unwinder of the pass.
    fn divided(scenarios: &[Scenario], asked: &[Unwinder]) -> Vec<(String, Vec<String>)> {
        let (passes, _) = passes(scenarios, asked, true).unwrap();
        let full_names = |pass: &Pass| pass.scenarios.iter().map(Scenario::full_name).collect();
        passes.iter().map(|pass| (pass.unwinder.to_string(), full_names(pass))).collect()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_scenario_is_measured_under_what_its_file_names() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("libunwind.so.1");
        std::fs::write(&path, LLVM_SYMBOL).unwrap();
        let other = Unwinder::Library(path.clone());
        let own = Scenario { unwinder: Some(other.clone()), ..scenario("strip") };
        let both = [scenario("keep"), own.clone()];
        let (shown, kept) = (path.display().to_string(), vec![both[0].full_name()]);
        let of_own = vec![own.full_name()];
        let expected = [("host".to_owned(), kept.clone()), (shown.clone(), of_own)];
        assert_eq!(divided(&both, &[Unwinder::Host]), expected);
        // An unwinder that is both asked for and named by a file gets one session.
        let all = vec![both[0].full_name(), own.full_name()];
        let expected = [("host".to_owned(), kept), (shown, all)];
        assert_eq!(divided(&both, &[Unwinder::Host, other.clone()]), expected);
        assert_eq!(only(&[own], &Unwinder::Host).unwrap(), other);
        let error = only(&both, &Unwinder::Host).unwrap_err().to_string();
        assert!(error.contains("name scenarios of one unwinder"), "{error}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_not_here_is_left_out_and_named_or_refused() {
        let gone = Unwinder::Library("/nowhere/libunwind.so.1".into());
        let own = Scenario { unwinder: Some(gone), ..scenario("strip") };
        let both = [scenario("keep"), own.clone()];
        let (passes_made, left_out) = passes(&both, &[Unwinder::Host], true).unwrap();
        assert_eq!(passes_made.len(), 1);
        let full_name = own.full_name();
        assert!(left_out[0].starts_with(&format!("{full_name}: left out: ")), "{left_out:?}");
        assert!(passes(&both, &[Unwinder::Host], false).is_err());
        assert!(passes(&[own], &[Unwinder::Host], true).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn private_libraries_are_found_where_packages_unpack_them() {
        let root = tempfile::TempDir::new().unwrap();
        let folder = root.path().join("libgcc-14/usr/lib/x86_64-linux-gnu");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("libgcc_s.so.1"), "").unwrap();
        std::fs::write(folder.join("libatomic.so.1"), "").unwrap();
        let found = here(root.path());
        assert_eq!(found.first(), Some(&Unwinder::Host));
        assert_eq!(found.last(), Some(&Unwinder::Library(folder.join("libgcc_s.so.1"))));
    }

    #[test]
    fn what_is_missing_is_named_with_its_package() {
        let all = ["libgcc-list", "libgcc-tree", "llvm"];
        let missing = |families: &[&str]| missing(families, Path::new("target/unwinders"));
        assert_eq!(missing(&all), Vec::<String>::new());
        if cfg!(target_os = "linux") {
            assert!(missing(&["libgcc-list"])[0].contains("libunwind-N"));
            assert!(missing(&["llvm"])[0].contains("target/unwinders/libgcc-N"));
        }
    }
}
