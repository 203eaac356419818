//! A checked scenario: what is asked of loading and unloading, over which N, and what is expected.
//!
//! [`Scenario::parse`] is the only way from a file's text to the trusted type. Reading the file and
//! saying where it lies is the caller's part.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::known::KnownGrowth;
use crate::metric::{Metric, SeriesName};
use crate::modules::Limit;
use crate::sample::Means;
use crate::scaling::Scaling;
use crate::scenario_file;
use crate::subject::Subject;
use crate::unwinder::Unwinder;
use crate::variant::Variant;

/// The format of scenario files this version reads.
pub const FORMAT: u32 = 1;

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

/// Why a scenario's text is no scenario.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// Not TOML, or not these keys; the text names line and column.
    #[error("{0}")]
    Syntax(String),
    /// Made for another version of this tool.
    #[error(
        "format {found} is not known to this version, which reads format {FORMAT} (update loadline)"
    )]
    Format {
        /// The format the file names.
        found: u32,
    },
    /// A field whose value cannot be.
    #[error("{field}: {problem}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// A change that cannot be made.
    #[error("cannot set {key}={value}: {problem}")]
    Set {
        /// The field to change.
        key: String,
        /// The value asked for.
        value: String,
        /// Why not.
        problem: String,
    },
}

pub(crate) fn wrong(field: &'static str, problem: impl Into<String>) -> ScenarioError {
    ScenarioError::Field { field, problem: problem.into() }
}

impl Scenario {
    /// The scenario `name` from its file's text, as written.
    ///
    /// # Errors
    /// When the text is not TOML, has unknown or missing keys, or values that cannot be measured.
    pub fn parse(name: &str, text: &str) -> Result<Scenario, ScenarioError> {
        let scenario = scenario_file::parse(name, text)?;
        scenario.check()?;
        Ok(scenario)
    }

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

    fn check(&self) -> Result<(), ScenarioError> {
        check_ladder("ladder", &self.ladder)?;
        check_ladder("callgrind_ladder", &self.callgrind_ladder)?;
        if !(1..=100).contains(&self.processes) {
            return Err(wrong("processes", format!("{} is not within 1 to 100", self.processes)));
        }
        if self.timeout.is_zero() || self.timeout > Duration::from_secs(24 * 3600) {
            return Err(wrong("timeout_seconds", "is not within 1 to 86400"));
        }
        if self.budget > Duration::from_secs(24 * 3600) {
            return Err(wrong("budget_seconds", "is more than 86400"));
        }
        if self.horizon.is_some_and(|n| n == 0 || n > LARGEST_MODULES) {
            return Err(wrong("horizon", format!("is not within 1 to {LARGEST_MODULES}")));
        }
        if let Some(group) = &self.group
            && (group.is_empty() || !group.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
        {
            return Err(wrong("group", format!("{group:?} is not of small letters and hyphens")));
        }
        match &self.subject {
            Subject::Modules(modules) => modules.check()?,
            _ if self.limit.is_some() => return Err(wrong("limit", "is met by modules alone")),
            _ => {}
        }
        let is_sized = matches!(&self.subject, Subject::Modules(m) if !m.axis.is_modules());
        if self.limit.is_some() && is_sized {
            return Err(wrong("limit", "is met by more modules, not by larger ones"));
        }
        if self.judge.is_empty() {
            return Err(wrong("judge", "names no series, so nothing could ever turn red"));
        }
        for series in &self.judge {
            if !series.metric.may_be_judged() {
                return Err(wrong(
                    "judge",
                    format!(
                        "{series} follows the machine more than the program (move it to observe)"
                    ),
                ));
            }
        }
        let mut seen = Vec::new();
        for series in self.series() {
            if seen.contains(&series) {
                return Err(wrong("judge", format!("{series} stands twice in judge and observe")));
            }
            if !self.subject.may_have(series.phase) {
                return Err(wrong(
                    "judge",
                    format!("{series}: no run of this kind has this phase"),
                ));
            }
            if !self.subject.may_count(series.metric) {
                return Err(wrong("judge", format!("{series}: only a command reports counts")));
            }
            seen.push(series);
        }
        self.known_growth.iter().try_for_each(
            |KnownGrowth { unwinders, link, until, .. }| {
                KnownGrowth::check("known_growth", unwinders, link, until)
            },
        )?;
        self.check_scaling()
    }
}

fn check_ladder(field: &'static str, rungs: &[usize]) -> Result<(), ScenarioError> {
    let (Some(first), Some(last)) = (rungs.first(), rungs.last()) else {
        return Err(wrong(field, "has no rung"));
    };
    if *first == 0 {
        return Err(wrong(field, "N = 0 loads nothing (begin at 1 or more)"));
    }
    if !rungs.is_sorted_by(|a, b| a < b) {
        return Err(wrong(field, "N must rise from rung to rung"));
    }
    if *last > LARGEST_MODULES {
        return Err(wrong(field, format!("N = {last} is more than {LARGEST_MODULES}")));
    }
    if rungs.len() < FEWEST_RUNGS || last / first < SMALLEST_RATIO {
        let n = rungs.len();
        let problem = format!(
            "{n} rungs from {first} to {last} are too few to tell a growth: at least {FEWEST_RUNGS} rungs over a ratio of {SMALLEST_RATIO}"
        );
        return Err(wrong(field, problem));
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::metric::Phase;

    pub(crate) const EXAMPLE: &str = r#"
format = 1
question = "Does dropping the oldest module first stay linear in N?"
expectation = "Quadratic while libgcc keeps its objects in a list."
lifecycle = "unload-oldest-first"
judge = ["load/page-faults", "unload/task-clock"]
observe = ["unload/instructions"]
ladder = { from = 64, to = 4096, factor = 2 }
control = { set = { tables = "strip" } }
artifact = { functions = 4, type_sharing = "own" }

[[known_growth]]
series = ["unload/task-clock"]
unwinders = ["libgcc-list"]
when = { tables = "keep" }
class = "quadratic"
reason = "deregistration walks a list"
link = "https://github.com/bytecodealliance/wasmtime/issues/10084"
until = "wasmtime 52"
"#;

    pub(crate) fn with(changes: &[(&str, &str)]) -> Result<Scenario, ScenarioError> {
        let changes = changes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Scenario::parse_with("example", EXAMPLE, &changes)
    }

    fn replaced(from: &str, to: &str) -> String {
        assert!(EXAMPLE.contains(from), "the example has no {from}");
        let error = Scenario::parse("example", &EXAMPLE.replace(from, to));
        error.expect_err("the change makes it no scenario").to_string()
    }

    #[test]
    fn the_example_reads() {
        let scenario = Scenario::parse("example", EXAMPLE).expect("a scenario");
        assert_eq!(scenario.ladder, [64, 128, 256, 512, 1024, 2048, 4096]);
        assert_eq!(scenario.processes, 5);
        assert_eq!(scenario.title(), "example");
        assert_eq!(
            scenario.metrics_by(Means::Clock),
            [Metric::PageFaults, Metric::Instructions, Metric::TaskClock]
        );
    }

    #[test]
    fn what_is_counted_exactly_need_not_be_named() {
        let scenario = Scenario::parse("example", EXAMPLE).expect("a scenario");
        let entries = SeriesName::new(Phase::Unload, Metric::FrameEntriesDeregistered);
        let left_over = SeriesName::new(Phase::Unload, Metric::AliveBytes);
        assert!(scenario.judge.contains(&entries) && scenario.observe.contains(&left_over));
        assert_eq!(scenario.means(), [Means::Clock, Means::Count, Means::Callgrind]);
        let named = EXAMPLE.replace("\"unload/instructions\"", &format!("\"{entries}\""));
        let scenario = Scenario::parse("example", &named).expect("a scenario");
        assert!(!scenario.judge.contains(&entries), "it is shown only, as the file says");
        let none = EXAMPLE.replace("format = 1", "format = 1\nexact = []");
        let scenario = Scenario::parse("example", &none).expect("a scenario");
        assert_eq!(scenario.means(), [Means::Clock]);
        assert!(replaced("format = 1", "format = 1\nexact = [\"clock\"]").contains("not exact"));
    }

    #[test]
    fn what_n_is_decides_what_is_counted() {
        let larger = EXAMPLE.replace("format = 1", "format = 1\naxis = \"functions\"\ncount = 16");
        let scenario = Scenario::parse("example", &larger).expect("a scenario");
        let counts = |metric| scenario.judge.contains(&SeriesName::new(Phase::Load, metric));
        assert!(counts(Metric::Allocations) && !counts(Metric::MappingsMade));
        assert_eq!(scenario.subject.unit(), "function");
    }

    #[test]
    fn what_no_run_could_do_is_refused() {
        let shared = "artifact = { functions = 4, host_function = \"shared-type\" }";
        let with = |line: &str| replaced("format = 1", &format!("format = 1\n{line}"));
        let cases = [
            (with("activity = \"trap\""), "host_function = \"shared-type\""),
            (with("activity = \"instantiate\""), "an artifact.host_function"),
            (with("activity = \"dance\""), "activity"),
            (with("activity_every = 4"), "none is named"),
            (with("limit = \"patience\""), "limit"),
            (with("axis = \"functions\"\nlimit = \"mappings\""), "not by larger ones"),
            (with("count = 4"), "is N itself"),
            (with("batches = 4"), "belongs to lifecycle"),
            (with("group = \"No Group\""), "small letters"),
            (with("suite = \"some\""), "suite"),
            (with("axis = \"core-modules\"\nactivity = \"trap\""), "shared-type"),
        ];
        for (message, expected) in cases {
            assert!(message.contains(expected), "{message:?} does not say {expected:?}");
        }
        let host = EXAMPLE.replace("artifact = { functions = 4, type_sharing = \"own\" }", shared);
        let trapping = host.replace("format = 1", "format = 1\nactivity = \"trap\"");
        assert!(Scenario::parse("example", &trapping).is_ok());
        let components = host.replace("format = 1", "format = 1\naxis = \"core-modules\"");
        let error = Scenario::parse("example", &components).expect_err("components import nothing");
        assert!(error.to_string().contains("not for components"), "{error}");
        let churning = trapping.replace("\"unload-oldest-first\"", "\"churn\"\nresidents = 4");
        let error = Scenario::parse("example", &churning).expect_err("not all are resident");
        assert!(error.to_string().contains("resident at some time"), "{error}");
        let files = EXAMPLE
            .replace(
                "artifact = { functions = 4, type_sharing = \"own\" }",
                "modules = [\"a.wasm\"]",
            )
            .replace("format = 1", "format = 1\naxis = \"functions\"");
        let error = Scenario::parse("example", &files).expect_err("files are as they are");
        assert!(error.to_string().contains("needs generated modules"), "{error}");
    }

    #[test]
    fn an_unwinder_can_be_named_and_makes_no_variant() {
        let session = Scenario::parse("example", EXAMPLE).expect("a scenario");
        assert_eq!(session.unwinder, None);
        let named = EXAMPLE.replace("format = 1", "format = 1\nunwinder = \"llvm\"");
        let named = Scenario::parse("example", &named).expect("a scenario");
        assert_eq!(named.unwinder, Some(Unwinder::Llvm));
        // What is measured stays the same; the key of its baseline has the unwinder by itself.
        let set = with(&[("unwinder", "/lib/libgcc_s.so.1")]).expect("it can be set");
        assert!(set.variant.is_as_written());
        assert_eq!(set.unwinder, Some(Unwinder::Library("/lib/libgcc_s.so.1".into())));
        let message = replaced("format = 1", "format = 1\nunwinder = \"\"");
        assert!(message.contains("host, llvm, or the path of a library"), "{message}");
    }

    #[test]
    fn mistakes_are_named_with_their_place() {
        let cases = [
            (replaced("format = 1", "format = 2"), "format 2 is not known"),
            (replaced("question", "qestion"), "qestion"),
            (replaced("unload/task-clock", "unload/task-clok"), "unknown metric \"task-clok\""),
            (replaced("load/page-faults", "load/wall-time"), "move it to observe"),
            (replaced("from = 64", "from = 0"), "loads nothing"),
            (replaced("from = 64", "from = 2048"), "too few"),
            (replaced("{ from = 64, to = 4096, factor = 2 }", "[1, 2, 4, 3, 9]"), "must rise"),
            (replaced("{ from = 64, to = 4096, factor = 2 }", "[nan, 1]"), "ladder"),
            (replaced("factor = 2", "factor = 1"), "does not rise"),
            (replaced("functions = 4", "functions = 0"), "nonzero"),
            (
                replaced("lifecycle = \"unload-oldest-first\"", "lifecycle = \"churn\""),
                "needs a window",
            ),
            (replaced("https://", "ftp://"), "link"),
            (replaced("wasmtime 52", "next year"), "until"),
        ];
        for (message, expected) in cases {
            assert!(message.contains(expected), "{message:?} does not say {expected:?}");
        }
        assert!(Scenario::parse("empty", "").is_err());
        let half = &EXAMPLE[..EXAMPLE.len() / 2];
        assert!(Scenario::parse("truncated", half).is_err());
    }
}
