//! A checked scenario: what is loaded and unloaded, over which N, and what is expected.
//!
//! `parse.rs` makes a scenario from a file's text. The caller reads the file and reports its path.

mod change;
mod check;
pub(crate) mod error;
mod exact;
mod expectation;
mod file;
pub(crate) mod known_issue;
mod parse;
mod related;
pub(crate) mod scaling;
pub(crate) mod variant;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::metric::collector::Collector;
use crate::metric::name::Metric;
use crate::metric::series_name::SeriesName;
use crate::scenario::known_issue::KnownGrowth;
use crate::scenario::scaling::Scaling;
use crate::scenario::variant::Variant;
use crate::unwinder::Unwinder;
use crate::workload::Workload;
use crate::workload::modules::Limit;

/// The fewest sizes from which growth can be judged.
pub const FEWEST_SIZES: usize = 5;

/// The smallest ratio of the largest to the smallest N from which growth can be judged.
pub const SMALLEST_RATIO: usize = 8;

/// The largest N that a scenario may name. Up to it, an engine's type indices and the counters stay far from
/// overflow.
pub const LARGEST_MODULES: usize = 1 << 24;

/// One question: what is loaded and dropped in which order, and what is judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// The file's name without its ending.
    pub name: String,
    /// The group of scenarios that can be named together with this one. `None` if there is no group.
    pub group: Option<String>,
    /// Whether it is measured when no scenario is named.
    pub suite: Suite,
    /// The changes of `--set` to the workload. Empty for the scenario as written.
    pub variant: Variant,
    /// The other changes of `--set`, field to value. They concern how the scenario is measured and judged.
    pub settings: BTreeMap<String, String>,
    /// The question, as one sentence.
    pub question: String,
    /// The expected result, for readers.
    pub expectation: String,
    /// What one run does.
    pub workload: Workload,
    /// The noun for one of N, if the file names one.
    pub unit: Option<String>,
    /// The unwinder that the scenario is about. `None` means the session's unwinder.
    pub unwinder: Option<Unwinder>,
    /// The recipe that fetches the scenario's modules, relative to the root of the repository. Without the
    /// modules, the scenario is skipped.
    pub recipe: Option<PathBuf>,
    /// The digest of the contents of the files that the scenario names. `None` if it names none, or they have
    /// not been read yet.
    pub digest: Option<String>,
    /// The series that can turn CI red: those that the file names, then the exactly counted series of every
    /// load order.
    pub judge: Vec<SeriesName>,
    /// The series that are informational.
    pub observe: Vec<SeriesName>,
    /// The number of repetitions: fresh processes per size.
    pub repetitions: usize,
    /// The sizes: N, strictly rising.
    pub sizes: Vec<usize>,
    /// The sizes under callgrind. Empty for a command whose file names none: a session chooses them.
    pub callgrind_sizes: Vec<usize>,
    /// The time after which one run is ended.
    pub timeout: Duration,
    /// The time that measuring may take in all while series are undecided.
    pub budget: Duration,
    /// The N that matters to the user. Growth is extrapolated up to it.
    pub extrapolate_to: Option<usize>,
    /// A limit of the system that ends the scenario at some N. Loadline extrapolates this N and checks it.
    pub limit: Option<Limit>,
    /// The control: the same work without the pitfall, which must scale linearly.
    pub control: Option<Control>,
    /// The known issues: growth beyond linear that is expected.
    pub known_issue: Vec<KnownGrowth>,
    /// Whether several threads must do the work faster.
    pub scaling: Option<Scaling>,
}

/// When a scenario is measured that the user has not named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Suite {
    /// Always.
    #[default]
    Default,
    /// Only when all scenarios are requested, because it takes long or is similar to another one.
    Complete,
}

/// The variant or scenario that must scale linearly whenever this one is measured.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Control {
    /// This scenario with some fields changed.
    Set(BTreeMap<String, String>),
    /// Another scenario as written.
    Scenario(String),
}

impl Scenario {
    /// The scenario's name with its variant: `unload-oldest-first:tables=strip`.
    pub fn full_name(&self) -> String {
        match self.variant.to_string() {
            variant if variant.is_empty() => self.name.clone(),
            variant => format!("{}:{variant}", self.name),
        }
    }

    /// The noun for one of N, for readers: `row` or `module`.
    pub fn unit(&self) -> &str {
        self.unit.as_deref().unwrap_or_else(|| self.workload.unit())
    }

    /// All metrics of the judged and observed series.
    pub fn metrics(&self) -> Vec<Metric> {
        let wanted = |metric: &Metric| self.series().any(|s| s.metric == *metric);
        Metric::ALL.into_iter().filter(wanted).collect()
    }

    /// The metrics of this scenario that the collector `collector` counts.
    pub fn metrics_by(&self, collector: Collector) -> Vec<Metric> {
        self.metrics()
            .into_iter()
            .filter(|metric| self.collector_of(*metric) == collector)
            .collect()
    }

    /// The collector that counts `metric` here. callgrind counts a command's instructions. Runs by the clock
    /// count all other metrics of a command.
    pub fn collector_of(&self, metric: Metric) -> Collector {
        match self.workload {
            Workload::Command(_) if metric.collector() != Collector::Callgrind => Collector::Clock,
            Workload::Command(_) => Collector::Callgrind,
            Workload::Modules(_) | Workload::Registration(_) | Workload::SelfCheck(_) => {
                metric.collector()
            }
        }
    }

    /// The collectors that this scenario needs.
    pub fn collectors(&self) -> Vec<Collector> {
        let needed = |collector: &Collector| !self.metrics_by(*collector).is_empty();
        Collector::ALL.into_iter().filter(needed).collect()
    }

    /// The sizes that are measured with the collector `collector`. callgrind takes fifty times as long, so its
    /// sizes are smaller.
    pub fn sizes_by(&self, collector: Collector) -> &[usize] {
        match collector {
            Collector::Clock | Collector::Count => &self.sizes,
            Collector::Callgrind => &self.callgrind_sizes,
        }
    }

    /// The judged series, followed by the observed series.
    pub fn series(&self) -> impl Iterator<Item = SeriesName> {
        self.judge.iter().chain(&self.observe).copied()
    }
}
