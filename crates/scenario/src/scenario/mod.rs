//! A checked scenario: what is asked of loading and unloading, over which N, and what is expected.
//!
//! `parse.rs` makes it from a file's text. Reading the file and saying where it lies is the caller's
//! part.

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

use crate::metric::collector::Means;
use crate::metric::name::Metric;
use crate::metric::series_name::SeriesName;
use crate::scenario::known_issue::KnownGrowth;
use crate::scenario::scaling::Scaling;
use crate::scenario::variant::Variant;
use crate::subject::Subject;
use crate::subject::modules::Limit;
use crate::unwinder::Unwinder;

/// The fewest sizes a growth can be judged from.
pub const FEWEST_RUNGS: usize = 5;

/// The smallest ratio of the largest to the smallest N that a growth can be judged from.
pub const SMALLEST_RATIO: usize = 8;

/// The largest N a ladder may name: an engine's type index and the counters stay far from wrapping.
pub const LARGEST_MODULES: usize = 1 << 24;

/// One question: what is loaded and dropped in which order, and what is judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// The file's name without its ending.
    pub name: String,
    /// Which scenarios it can be named together with; none for one that stands alone.
    pub group: Option<String>,
    /// Whether it is measured when no scenario is named.
    pub suite: Suite,
    /// What of the subject was changed from the file by `--set`; empty for the scenario as written.
    pub variant: Variant,
    /// What else was changed by `--set`, field and value: how it is measured and judged.
    pub settings: BTreeMap<String, String>,
    /// The question, as one sentence.
    pub question: String,
    /// What is expected to happen, for a reader.
    pub expectation: String,
    /// What one run does.
    pub subject: Subject,
    /// The unwinder it is about, whatever a session is measured under; `None`: the session's.
    pub unwinder: Option<Unwinder>,
    /// The recipe by which its modules are fetched, from the root of the repository; without them it
    /// is skipped.
    pub recipe: Option<PathBuf>,
    /// What the files hold that it names, by a digest; `None` where it names none, or nobody has read
    /// them yet.
    pub digest: Option<String>,
    /// The series that can turn CI red: those the file names, then what is counted exactly of every
    /// lifecycle.
    pub judge: Vec<SeriesName>,
    /// The series that are shown only.
    pub observe: Vec<SeriesName>,
    /// Fresh processes per rung.
    pub processes: usize,
    /// The rungs: N, strictly rising.
    pub ladder: Vec<usize>,
    /// The rungs under callgrind.
    pub callgrind_ladder: Vec<usize>,
    /// How long one run may take before it is ended.
    pub timeout: Duration,
    /// How long measuring may take in all while series are undecided.
    pub budget: Duration,
    /// The N that matters to whoever asks; growth is foretold up to there.
    pub horizon: Option<usize>,
    /// A limit of the system that ends it at some N, which is foretold and gone to.
    pub limit: Option<Limit>,
    /// What must hold whenever this scenario is asked: the same without the trap.
    pub control: Option<Control>,
    /// Growth beyond linear that is known and expected.
    pub known_growth: Vec<KnownGrowth>,
    /// Whether it is to be done faster by several threads.
    pub scaling: Option<Scaling>,
}

/// When a scenario is measured that nobody has named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Suite {
    /// Always.
    #[default]
    Default,
    /// Only where all scenarios are asked for: it takes long, or is another's close relative.
    Complete,
}

/// The variant or scenario that must hold whenever this one is asked.
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
    pub fn title(&self) -> String {
        match self.variant.to_string() {
            variant if variant.is_empty() => self.name.clone(),
            variant => format!("{}:{variant}", self.name),
        }
    }

    /// Every metric that has to be counted for the series judged and observed.
    pub fn metrics(&self) -> Vec<Metric> {
        let wanted = |metric: &Metric| self.series().any(|s| s.metric == *metric);
        Metric::ALL.into_iter().filter(wanted).collect()
    }

    /// Those of them that runs by `means` count.
    pub fn metrics_by(&self, means: Means) -> Vec<Metric> {
        self.metrics().into_iter().filter(|metric| self.means_of(*metric) == means).collect()
    }

    /// By which means `metric` is counted here. A command's instructions are counted by callgrind.
    /// All else that only the command itself can count is counted in runs by the clock.
    pub fn means_of(&self, metric: Metric) -> Means {
        match self.subject {
            Subject::Command(_) if metric.means() != Means::Callgrind => Means::Clock,
            Subject::Command(_) => Means::Callgrind,
            Subject::Modules(_) | Subject::Registration(_) | Subject::Planted(_) => metric.means(),
        }
    }

    /// The means by which runs are needed.
    pub fn means(&self) -> Vec<Means> {
        let needed = |means: &Means| !self.metrics_by(*means).is_empty();
        Means::ALL.into_iter().filter(needed).collect()
    }

    /// The rungs that are measured by `means`: under callgrind, which takes fifty times as long,
    /// smaller ones.
    pub fn ladder_by(&self, means: Means) -> &[usize] {
        match means {
            Means::Clock | Means::Count => &self.ladder,
            Means::Callgrind => &self.callgrind_ladder,
        }
    }

    /// The series judged, then those observed.
    pub fn series(&self) -> impl Iterator<Item = SeriesName> {
        self.judge.iter().chain(&self.observe).copied()
    }
}
