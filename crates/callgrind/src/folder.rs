//! Reads all dumps of one run, and adds them up to one [`Profile`] per phase.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::{Path, PathBuf};

use crate::invocation::BASE;
use crate::profile::{Mismatch, Profile};
use crate::reader::{FormatError, Parts};

/// The reason why the dumps of a run cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// The folder or a file in it cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The path of the folder or file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file has another format, or is damaged.
    #[error("cannot read {}: {source}", path.display())]
    Format {
        /// The path of the file.
        path: PathBuf,
        /// What is wrong with the file, and where.
        source: FormatError,
    },
    /// The costs in a dump do not add up to the sums that it states.
    #[error(
        "{} is incomplete: its costs add up to {found:?}, but it states {stated:?} (was the disk full, or did the run end early?)",
        path.display()
    )]
    Torn {
        /// The path of the dump.
        path: PathBuf,
        /// The sums of its costs, one entry per event.
        found: Vec<u64>,
        /// The sums that the dump states. Empty if it states none.
        stated: Vec<u64>,
    },
    /// Dumps are numbered from 1, and one number is missing.
    #[error(
        "{} has no dump number {number} (was the disk full, or was a file deleted?)",
        folder.display()
    )]
    Missing {
        /// The folder.
        folder: PathBuf,
        /// The number of the first dump that is missing.
        number: u64,
    },
    /// Two dumps cannot be added up.
    #[error("{}: {source}", path.display())]
    Sum {
        /// The file that does not fit those before it.
        path: PathBuf,
        /// The reason why they cannot be added up.
        source: Mismatch,
    },
    /// The folder has no dump that the program asked for.
    #[error(
        "{} has no dump with a name: the program did not notify callgrind of the end of a phase",
        folder.display()
    )]
    NoPhase {
        /// The folder.
        folder: PathBuf,
    },
    /// The folder has no dump at all.
    #[error(
        "{} has no dump: callgrind did not run, or was killed before it wrote one",
        folder.display()
    )]
    Nothing {
        /// The folder.
        folder: PathBuf,
    },
    /// A process ended so abruptly that callgrind could not write its counts.
    #[error("a process was killed before callgrind could write {}", path.display())]
    Killed {
        /// The file that is empty.
        path: PathBuf,
    },
    /// callgrind counted nothing in a phase.
    #[error(
        "callgrind counted nothing in phase {phase} (was it started with --collect-atstart=no?)"
    )]
    Empty {
        /// The name of the phase.
        phase: String,
    },
}

/// Reads every file in `folder`, and adds up the dumps of the same name: one profile per phase, over all
/// threads. Dumps that callgrind made by itself when the program ended are left out.
///
/// # Errors
/// When the program asked for no dump, or a dump is damaged, torn or missing. When a phase has no cost at
/// all, because callgrind does not report options that make it count nothing.
pub fn profiles(folder: &Path) -> Result<BTreeMap<String, Profile>, FolderError> {
    let mut phases = BTreeMap::new();
    let mut numbers = BTreeSet::new();
    for path in files(folder)? {
        let mut n_parts = 0;
        let file = File::open(&path).map_err(|source| read_error(&path, source))?;
        for part in Parts::of(BufReader::new(file)) {
            let part = part.map_err(|source| {
                let path = path.clone();
                FolderError::Format { path, source }
            })?;
            n_parts += 1;
            numbers.extend(part.number);
            // callgrind states wrong sums only at the program's end.
            let is_torn = match part.phase() {
                Some(_) => !part.is_whole(),
                None => part.stated.is_none(),
            };
            if is_torn {
                let found = part.profile.totals().to_vec();
                let stated = part.stated.unwrap_or_default();
                return Err(FolderError::Torn { path, found, stated });
            }
            let Some(phase) = part.phase() else { continue };
            match phases.get_mut(phase) {
                None => drop(phases.insert(phase.to_owned(), part.profile)),
                Some(sum) => Profile::add(sum, &part.profile).map_err(|source| {
                    let path = path.clone();
                    FolderError::Sum { path, source }
                })?,
            }
        }
        // callgrind makes an empty file of the name that it was given.
        if n_parts == 0 && path.file_name() != Some(OsStr::new(BASE)) {
            return Err(FolderError::Torn { path, found: Vec::new(), stated: Vec::new() });
        }
    }
    if let Some(number) = numbers.last().and_then(|last| (1..*last).find(|n| !numbers.contains(n)))
    {
        return Err(FolderError::Missing { folder: folder.to_owned(), number });
    }
    if phases.is_empty() {
        return Err(FolderError::NoPhase { folder: folder.to_owned() });
    }
    let empty = phases.iter().find(|(_, profile)| profile.totals().iter().all(|cost| *cost == 0));
    match empty {
        Some((phase, _)) => Err(FolderError::Empty { phase: phase.clone() }),
        None => Ok(phases),
    }
}

/// The name of the profile of everything that a program and its child processes do, from start to end.
pub const WHOLE: &str = "run";

/// Reads every file that callgrind wrote into `folder` with [`command_options`](crate::command_options), for
/// any number of processes. The profile [`WHOLE`] is the sum of all dumps. A dump that a process asked for by
/// name is also added to the profile of that name. A dump without a name in a folder within `folder` is added
/// to the profile of that folder's name.
///
/// # Errors
/// When there is no dump, a dump is damaged or torn, or a process was killed.
pub fn programs(folder: &Path) -> Result<BTreeMap<String, Profile>, FolderError> {
    let mut profiles = BTreeMap::new();
    add_programs(&mut profiles, folder, None)?;
    let entries = fs::read_dir(folder).map_err(|source| read_error(folder, source))?;
    for entry in entries {
        let path = entry.map_err(|source| read_error(folder, source))?.path();
        let name = path.file_name().and_then(OsStr::to_str).map(str::to_owned);
        if path.is_dir() {
            add_programs(&mut profiles, &path, name.as_deref())?;
        }
    }
    if profiles.is_empty() {
        return Err(FolderError::Nothing { folder: folder.to_owned() });
    }
    Ok(profiles)
}

/// Adds the dumps in `folder`. A dump without a name of its own is added under `name`.
fn add_programs(
    profiles: &mut BTreeMap<String, Profile>,
    folder: &Path,
    name: Option<&str>,
) -> Result<(), FolderError> {
    for path in files(folder)? {
        if path.metadata().is_ok_and(|file| file.len() == 0) {
            return Err(FolderError::Killed { path });
        }
        let file = File::open(&path).map_err(|source| read_error(&path, source))?;
        for part in Parts::of(BufReader::new(file)) {
            let part = part.map_err(|source| FolderError::Format { path: path.clone(), source })?;
            let is_last = part.trigger.as_deref() == Some("Program termination");
            // callgrind states wrong sums only at the program's end.
            if part.stated.is_none() || !(is_last || part.is_whole()) {
                let found = part.profile.totals().to_vec();
                let stated = part.stated.unwrap_or_default();
                return Err(FolderError::Torn { path, found, stated });
            }
            let phase = part.phase().or(name).filter(|phase| *phase != WHOLE);
            for name in [Some(WHOLE), phase].into_iter().flatten() {
                let empty = || Profile::of_events(part.profile.events().to_vec());
                let sum = profiles.entry(name.to_owned()).or_insert_with(empty);
                let added = sum.add(&part.profile);
                added.map_err(|source| FolderError::Sum { path: path.clone(), source })?;
            }
        }
    }
    Ok(())
}

/// The folder's files, sorted, so that errors are the same each time.
fn files(folder: &Path) -> Result<Vec<PathBuf>, FolderError> {
    let entries = fs::read_dir(folder).map_err(|source| read_error(folder, source))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> =
        paths.collect::<io::Result<_>>().map_err(|source| read_error(folder, source))?;
    paths.retain(|path| path.is_file());
    paths.sort();
    Ok(paths)
}

fn read_error(path: &Path, source: io::Error) -> FolderError {
    FolderError::Read { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn dump(trigger: &str, cost: u64, stated: u64) -> String {
        format!("desc: Trigger: {trigger}\nevents: Ir\nfn=f\n0 {cost}\ntotals: {stated}\n")
    }

    fn read(dumps: &[String]) -> Result<BTreeMap<String, u64>, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(BASE), "").unwrap();
        for (index, dump) in dumps.iter().enumerate() {
            fs::write(folder.path().join(format!("out.{index}")), dump).unwrap();
        }
        let profiles = profiles(folder.path()).map_err(|error| {
            error.to_string().replace(&folder.path().display().to_string(), "folder")
        })?;
        Ok(profiles.into_iter().map(|(k, v)| (k, v.instructions().unwrap())).collect())
    }

    #[test]
    fn dumps_of_the_same_name_add_up() {
        let load = || dump("Client Request: load", 10, 10);
        let unload = dump("Client Request: unload", 7, 7);
        let nonsense = dump("Program termination", 3, u64::MAX);
        let phases = read(&[load(), unload, load(), nonsense]).unwrap();
        let phases: Vec<(&str, u64)> = phases.iter().map(|(k, v)| (k.as_str(), *v)).collect();
        assert_eq!(phases, [("load", 20), ("unload", 7)]);
    }

    /// A full disk ends a file at any byte: before its name, within it, or before its first byte.
    #[test]
    fn a_dump_torn_in_its_header_is_not_left_out() {
        let whole = dump("Client Request: load", 10, 10);
        for cut in ["", "version: 1\n", "part: 2\ndesc: Trigger: Client Req", "events: Ir\n"] {
            let error = read(&[whole.clone(), cut.to_owned()]).unwrap_err();
            assert!(error.starts_with("folder/out.1 is incomplete"), "{cut:?}: {error}");
        }
    }

    #[test]
    fn a_dump_that_is_missing_is_not_left_out() {
        let numbered = |n: u64| format!("part: {n}\n{}", dump("Client Request: load", 10, 10));
        assert!(read(&[numbered(1), numbered(2), numbered(2)]).is_ok());
        let error = read(&[numbered(1), numbered(3)]).unwrap_err();
        assert!(error.starts_with("folder has no dump number 2"), "{error}");
        let error = read(&[numbered(2)]).unwrap_err();
        assert!(error.starts_with("folder has no dump number 1"), "{error}");
    }

    #[test]
    fn what_says_nothing_is_an_error() {
        let error = |dumps: &[String]| read(dumps).unwrap_err();
        let ended = dump("Program termination", 3, 3);
        assert!(error(&[]).starts_with("folder has no dump with a name"));
        assert!(error(&[ended]).starts_with("folder has no dump with a name"));
        let empty = dump("Client Request: load", 0, 0);
        assert!(error(&[empty]).starts_with("callgrind counted nothing in phase load"));
        let torn = dump("Client Request: load", 3, 4);
        assert!(
            error(&[torn])
                .contains("out.0 is incomplete: its costs add up to [3], but it states [4]")
        );
        let cut = "desc: Trigger: Client Request: load\nevents: Ir\nfn=f\n0 1\n".to_owned();
        assert!(error(&[cut]).contains("but it states []"));
        let other = "desc: Trigger: Client Request: load\nevents: Bc\nfn=f\n0 1\ntotals: 1\n";
        let sum = error(&[dump("Client Request: load", 1, 1), other.to_owned()]);
        assert!(sum.contains("out.1: cannot add profiles of different events: Ir and Bc"));
        assert_eq!(
            error(&["fn=f\nnonsense\n".to_owned()]),
            "cannot read folder/out.0: line 2: has no known form: \"nonsense\""
        );
    }

    #[test]
    fn dumps_of_programs_belong_to_their_name_or_folder() {
        let folder = tempfile::tempdir().unwrap();
        let write = |place: &str, trigger: &str, cost| {
            let path = folder.path().join(place);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, dump(trigger, cost, cost)).unwrap();
        };
        write("load/out.1.1", "dump", 10);
        write("load/out.2", "Program termination", 5);
        write("none/out.1.2", "Client Request: unload", 7);
        write("none/out.1", "Program termination", 2);
        write("out.3", "Program termination", 1);
        let counts = |folder: &Path| -> BTreeMap<String, u64> {
            let profiles = programs(folder).unwrap().into_iter();
            profiles.map(|(name, profile)| (name, profile.instructions().unwrap())).collect()
        };
        let expected = [("load", 15), ("none", 2), ("run", 25), ("unload", 7)];
        assert!(
            counts(folder.path()).iter().map(|(name, count)| (name.as_str(), *count)).eq(expected)
        );
        fs::write(folder.path().join("out.4"), "").unwrap();
        assert!(matches!(programs(folder.path()), Err(FolderError::Killed { .. })));
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(programs(empty.path()), Err(FolderError::Nothing { .. })));
    }
}
