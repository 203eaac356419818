//! Saves the profile of a callgrind run: the cost of each function in each phase, one JSON file per run in
//! the session's folder.

use crate::{Context, Result};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use loadline_callgrind::{Function, Profile};
use loadline_scenario::Phase;
use serde::{Deserialize, Serialize};

use crate::files::atomic::replace;

/// The number of functions per phase, the costliest ones, that keep their call path.
const WITH_PATH: usize = 40;

/// The costs of one run by function, for each phase.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SavedProfile {
    /// The functions with a cost of their own, the costliest first.
    pub phases: BTreeMap<Phase, Vec<SavedFunction>>,
}

/// The cost of one function in one phase, in instructions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedFunction {
    /// The file name of the function's program or library.
    pub object: String,
    /// The name of the function, demangled.
    pub function: String,
    /// The function's own instructions.
    pub own: u64,
    /// The function's instructions including its callees, at most.
    pub inclusive: u64,
    /// How often the function was called.
    pub calls: u64,
    /// The call path from the root down. Only the costliest functions have one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
    /// The cost of the calls, by the caller's name. Only the costliest functions have it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub callers: BTreeMap<String, u64>,
}

impl SavedProfile {
    /// Reduces the profiles of a run to the saved costs. `profiles` is keyed by callgrind's name of each
    /// phase.
    pub fn of(profiles: &BTreeMap<String, Profile>) -> SavedProfile {
        let phases = profiles.iter().filter_map(|(name, profile)| {
            let phase: Phase = name.parse().ok()?;
            Some((phase, functions(profile)))
        });
        SavedProfile { phases: phases.collect() }
    }

    /// Sums all instructions of `phase`; for [`Phase::Total`], those of loading and unloading. Returns `None`
    /// if a needed phase was not counted.
    pub fn total(&self, phase: Phase) -> Option<u64> {
        let own = |phase: Phase| {
            let functions = self.phases.get(&phase)?;
            Some(functions.iter().map(|function| function.own).sum::<u64>())
        };
        match phase {
            Phase::Total => Some(own(Phase::Load)? + own(Phase::Unload)?),
            phase => own(phase),
        }
    }

    /// Finds the function in `phase`, if it cost anything.
    pub fn find(&self, phase: Phase, object: &str, function: &str) -> Option<&SavedFunction> {
        let functions = self.phases.get(&phase)?;
        functions.iter().find(|one| one.object == object && one.function == function)
    }

    /// Reads the file that [`SavedProfile::write`] wrote.
    ///
    /// # Errors
    /// Returns an error if the file is missing or damaged.
    pub fn read(path: &Path) -> Result<SavedProfile> {
        let shown = path.display();
        let text = fs::read(path).with_context(|| format!("cannot read {shown}"))?;
        serde_json::from_slice(&text).with_context(|| format!("{shown} is not a profile"))
    }

    /// Reads the files of a scenario, each with its N. Returns `None` if one is missing or damaged.
    pub fn read_all(files: &[(usize, PathBuf)]) -> Option<Vec<(usize, SavedProfile)>> {
        files.iter().map(|(n, path)| Some((*n, SavedProfile::read(path).ok()?))).collect()
    }

    /// Writes the profile to `path`, whole or not at all.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec(self).context("cannot write a profile")?;
        replace(path, &text)
    }
}

/// Returns the folder of a session's profiles.
pub fn folder(session: &Path) -> PathBuf {
    session.join("profiles")
}

fn functions(profile: &Profile) -> Vec<SavedFunction> {
    let costs = profile.costs(0);
    let mut callers: HashMap<&Function, BTreeMap<String, u64>> = HashMap::new();
    for call in profile.calls(0) {
        let of_callee = callers.entry(call.callee).or_default();
        *of_callee.entry(call.caller.name.clone()).or_default() += call.cost;
    }
    let function = |(place, cost): (usize, loadline_callgrind::Cost<'_>)| {
        let path = || -> Vec<String> {
            let callers = profile.path_to(cost.function, 0);
            callers.iter().map(|caller| caller.function.name.clone()).collect()
        };
        SavedFunction {
            object: cost.function.object_name().to_owned(),
            function: cost.function.name.clone(),
            own: cost.own,
            inclusive: cost.inclusive,
            calls: cost.calls,
            path: if place < WITH_PATH { path() } else { Vec::new() },
            callers: match callers.get(cost.function) {
                Some(callers) if place < WITH_PATH => callers.clone(),
                _ => BTreeMap::new(),
            },
        }
    };
    costs.into_iter().filter(|cost| cost.own > 0).enumerate().map(function).collect()
}
