//! What is kept of a run under callgrind: the cost of each symbol in each phase, one JSON file a run
//! in the session's folder.

use crate::{Context, Result};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use loadline_callgrind::{Profile, Symbol};
use loadline_scenario::Phase;
use serde::{Deserialize, Serialize};

use crate::files::atomic::replace;

/// Of how many symbols of a phase, the costliest, the way to them is kept.
const WITH_PATH: usize = 40;

/// The costs of one run, by phase.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SavedProfile {
    /// Symbols that cost anything themselves, the costliest first.
    pub phases: BTreeMap<Phase, Vec<SavedSymbol>>,
}

/// What one symbol cost in one phase, in instructions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SavedSymbol {
    /// The file name of the program or library it lies in.
    pub object: String,
    /// Its name, demangled.
    pub function: String,
    /// Of its own instructions.
    pub own: u64,
    /// With what it called, at most.
    pub inclusive: u64,
    /// How often it was called.
    pub calls: u64,
    /// Who calls it, from the root down; kept of the costliest alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub path: Vec<String>,
    /// What its callers' calls cost, by the caller; kept of the costliest alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub callers: BTreeMap<String, u64>,
}

impl SavedProfile {
    /// What is kept of the profiles of a run, by callgrind's names of phases.
    pub fn of(profiles: &BTreeMap<String, Profile>) -> SavedProfile {
        let phases = profiles.iter().filter_map(|(name, profile)| {
            let phase: Phase = name.parse().ok()?;
            Some((phase, symbols(profile)))
        });
        SavedProfile { phases: phases.collect() }
    }

    /// All instructions of `phase`; of `total`, those of loading and unloading. `None` where a part
    /// was not counted.
    pub fn total(&self, phase: Phase) -> Option<u64> {
        let own = |phase: Phase| {
            let symbols = self.phases.get(&phase)?;
            Some(symbols.iter().map(|symbol| symbol.own).sum::<u64>())
        };
        match phase {
            Phase::Total => Some(own(Phase::Load)? + own(Phase::Unload)?),
            phase => own(phase),
        }
    }

    /// The symbol of that name in `phase`, where it cost anything.
    pub fn find(&self, phase: Phase, object: &str, function: &str) -> Option<&SavedSymbol> {
        let symbols = self.phases.get(&phase)?;
        symbols.iter().find(|symbol| symbol.object == object && symbol.function == function)
    }

    /// Reads the file that [`SavedProfile::write`] wrote.
    ///
    /// # Errors
    /// When it is not there or damaged.
    pub fn read(path: &Path) -> Result<SavedProfile> {
        let shown = path.display();
        let text = fs::read(path).with_context(|| format!("cannot read {shown}"))?;
        serde_json::from_slice(&text).with_context(|| format!("{shown} is no profile"))
    }

    /// Reads the files of a scenario, each with its N; `None` where one is missing or damaged.
    pub fn read_all(files: &[(usize, PathBuf)]) -> Option<Vec<(usize, SavedProfile)>> {
        files.iter().map(|(n, path)| Some((*n, SavedProfile::read(path).ok()?))).collect()
    }

    /// Writes it to `path`, whole or not at all.
    ///
    /// # Errors
    /// When the folder does not take the file.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec(self).context("cannot write a profile")?;
        replace(path, &text)
    }
}

/// The folder of a session's profiles.
pub fn folder(session: &Path) -> PathBuf {
    session.join("profiles")
}

fn symbols(profile: &Profile) -> Vec<SavedSymbol> {
    let costs = profile.costs(0);
    let mut callers: HashMap<&Symbol, BTreeMap<String, u64>> = HashMap::new();
    for call in profile.calls(0) {
        let of_callee = callers.entry(call.callee).or_default();
        *of_callee.entry(call.caller.function.clone()).or_default() += call.cost;
    }
    let symbol = |(place, cost): (usize, loadline_callgrind::Cost<'_>)| {
        let path = || -> Vec<String> {
            let callers = profile.path_to(cost.symbol, 0);
            callers.iter().map(|caller| caller.symbol.function.clone()).collect()
        };
        let Symbol { function, .. } = cost.symbol;
        SavedSymbol {
            object: cost.symbol.object_name().to_owned(),
            function: function.clone(),
            own: cost.own,
            inclusive: cost.inclusive,
            calls: cost.calls,
            path: if place < WITH_PATH { path() } else { Vec::new() },
            callers: match callers.get(cost.symbol) {
                Some(callers) if place < WITH_PATH => callers.clone(),
                _ => BTreeMap::new(),
            },
        }
    };
    costs.into_iter().filter(|cost| cost.own > 0).enumerate().map(symbol).collect()
}
