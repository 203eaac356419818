//! The structure of a scenario file, which serde fills.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use serde::Deserialize;

use crate::metric::collector::Collector;
use crate::metric::series_name::SeriesName;
use crate::renamed::old_words;
use crate::scenario::error::{FORMAT, ScenarioError};
use crate::scenario::known_issue::KnownGrowth;
use crate::scenario::scaling::Scaling;
use crate::scenario::{Control, Suite};
use crate::unwinder::Unwinder;
use crate::workload::corpus::{HostFunction, LoadFrom, Tables, TypeSharing};
use crate::workload::load_order::{OperationKind, UnloadOrder, UnloadThread};
use crate::workload::modules::{Engines, Limit, Profiler};
use crate::workload::n_counts::NCounts;
use crate::workload::registration::Registration;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScenarioFile {
    pub(super) format: u32,
    pub(super) group: Option<String>,
    #[serde(default)]
    pub(super) suite: Suite,
    pub(super) question: String,
    pub(super) expectation: String,
    pub(super) command: Option<Vec<String>>,
    #[serde(default)]
    pub(super) directory: PathBuf,
    #[serde(default)]
    pub(super) environment: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) inherit: Vec<String>,
    #[serde(default)]
    pub(super) exit_code: i32,
    pub(super) check: Option<String>,
    #[serde(default)]
    pub(super) acknowledge: bool,
    pub(super) unit: Option<String>,
    pub(super) registration: Option<Registration>,
    pub(super) load_order: Option<LoadOrderName>,
    pub(super) order: Option<UnloadOrder>,
    pub(super) loaded_modules: Option<NonZeroUsize>,
    pub(super) batch: Option<NonZeroUsize>,
    pub(super) batches: Option<NonZeroUsize>,
    pub(super) operation: Option<OperationKind>,
    pub(super) operation_every: Option<NonZeroUsize>,
    pub(super) n_counts: Option<NCounts>,
    pub(super) count: Option<NonZeroUsize>,
    #[serde(default)]
    pub(super) engines: Engines,
    #[serde(default)]
    pub(super) profiler: Profiler,
    #[serde(default)]
    pub(super) unwinds_before_unload: usize,
    pub(super) unwind_every: Option<NonZeroUsize>,
    #[serde(default = "one")]
    pub(super) threads: NonZeroUsize,
    #[serde(default = "same")]
    pub(super) unload_thread: UnloadThread,
    #[serde(default)]
    pub(super) load_from: LoadFrom,
    #[serde(default)]
    pub(super) tables: Tables,
    #[serde(default = "sixty_four")]
    pub(super) call_every: NonZeroUsize,
    pub(super) artifact: Option<GeneratedFile>,
    pub(super) modules: Option<Vec<PathBuf>>,
    pub(super) recipe: Option<PathBuf>,
    pub(super) judge: Vec<SeriesName>,
    #[serde(default)]
    pub(super) observe: Vec<SeriesName>,
    #[serde(default = "five")]
    pub(super) repetitions: usize,
    pub(super) sizes: SizesFile,
    pub(super) callgrind_sizes: Option<SizesFile>,
    pub(super) count_with: Option<Vec<Collector>>,
    #[serde(default = "two_minutes")]
    pub(super) timeout_seconds: u64,
    #[serde(default = "twenty_seconds")]
    pub(super) budget_seconds: u64,
    pub(super) extrapolate_to: Option<usize>,
    pub(super) limit: Option<Limit>,
    pub(super) unwinder: Option<Unwinder>,
    pub(super) control: Option<Control>,
    #[serde(default)]
    pub(super) known_issue: Vec<KnownGrowth>,
    pub(super) scaling: Option<Scaling>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum LoadOrderName {
    HoldAll,
    UnloadNewestFirst,
    UnloadOldestFirst,
    UnloadRandom,
    Churn,
    Batches,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GeneratedFile {
    pub(super) functions: Option<NonZeroUsize>,
    pub(super) exported: Option<NonZeroUsize>,
    pub(super) types: Option<usize>,
    pub(super) type_sharing: Option<TypeSharing>,
    pub(super) data_segments: Option<usize>,
    pub(super) body_size: Option<usize>,
    pub(super) host_function: Option<HostFunction>,
    pub(super) core_modules: Option<NonZeroUsize>,
    pub(super) seed: Option<u64>,
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "sizes are { from, to, factor } or a list of N")]
pub(super) enum SizesFile {
    Doubling(Doubling),
    Listed(Vec<usize>),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Doubling {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) factor: usize,
}

pub(super) const fn one() -> NonZeroUsize {
    NonZeroUsize::MIN
}

const fn same() -> UnloadThread {
    UnloadThread::Same
}

const fn sixty_four() -> NonZeroUsize {
    const { NonZeroUsize::new(64).expect("sixty-four is not zero") }
}

const fn five() -> usize {
    5
}

const fn two_minutes() -> u64 {
    120
}

const fn twenty_seconds() -> u64 {
    20
}

pub(super) fn read(text: &str) -> Result<ScenarioFile, ScenarioError> {
    #[derive(Deserialize)]
    struct FormatOnly {
        format: u32,
    }
    // Reads the format first, because this version would call the keys of a newer file mistakes.
    let format: FormatOnly = toml::from_str(text).map_err(syntax)?;
    match format.format {
        FORMAT => {}
        found @ 1 => {
            let table = text.parse().map_err(syntax)?;
            return Err(ScenarioError::OldFormat { found, renamed: old_words(&table) });
        }
        found => return Err(ScenarioError::Format { found }),
    }
    let file: ScenarioFile = toml::from_str(text).map_err(syntax)?;
    debug_assert_eq!(file.format, FORMAT);
    Ok(file)
}

pub(super) fn syntax(error: toml::de::Error) -> ScenarioError {
    ScenarioError::Syntax(error.to_string().trim_end().to_owned())
}
