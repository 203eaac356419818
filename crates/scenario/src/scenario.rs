//! A checked scenario: what is asked of loading and unloading, over which N, and what is expected.
//!
//! [`Scenario::parse`] is the only way from a file's text to the trusted type. Reading the file and
//! saying where it lies is the caller's part.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::artifact::{Corpus, HostFunction, LoadFrom, Tables};
use crate::axis::Axis;
use crate::command::Command;
use crate::expiry::{self, Expiry};
use crate::lifecycle::{Action, Lifecycle};
use crate::metric::{Metric, Phase, SeriesName};
use crate::registration::Registration;
use crate::sample::Means;
use crate::scaling::Scaling;
use crate::scenario_file;
use crate::unwinder::Unwinder;

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

/// What one run does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// Loads and drops N modules.
    Modules(Modules),
    /// Runs a program that does whatever it does with N.
    Command(Command),
    /// Registers and deregisters N unwind tables.
    Registration(Registration),
    /// Does work of known growth, for the gate to prove that it can see.
    Planted(Planted),
}

impl Subject {
    /// Whether it is part of the gate's own proof rather than somebody's question.
    pub fn is_planted(&self) -> bool {
        matches!(self, Subject::Planted(_))
    }

    /// Whether a run may have this phase. A lifecycle has no phase `work` or `run`, and registers by
    /// loading; a command may mark any but `total`, which is `load` and `unload` together for it as
    /// well.
    fn may_have(&self, phase: Phase) -> bool {
        match self {
            Subject::Modules(_) => {
                !matches!(phase, Phase::Work | Phase::Run | Phase::Register | Phase::Deregister)
            }
            Subject::Registration(registration) => match phase {
                Phase::Register | Phase::Deregister => true,
                Phase::Unwind => registration.unwinds > 0,
                _ => false,
            },
            Subject::Command(_) => true,
            Subject::Planted(_) => phase == Phase::Work,
        }
    }

    /// One of what N counts, as a reader is told it.
    pub fn unit(&self) -> &'static str {
        match self {
            Subject::Modules(modules) => modules.axis.unit(),
            Subject::Registration(_) => "table",
            Subject::Command(_) | Subject::Planted(_) => "module",
        }
    }

    /// Whether a run may have counted this metric.
    fn may_count(&self, metric: Metric) -> bool {
        metric != Metric::Reported || matches!(self, Subject::Command(_))
    }
}

/// Loading and dropping N modules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modules {
    /// Where the artifacts come from.
    pub corpus: Corpus,
    /// What is done about their unwind tables.
    pub tables: Tables,
    /// How they reach Wasmtime.
    pub load_from: LoadFrom,
    /// In which order they come and go.
    pub lifecycle: Lifecycle,
    /// One module in so many is instantiated and called.
    pub call_every: NonZeroUsize,
    /// What N is. Resolved by [`Modules::at`] before a run is asked for, and left out then, as is
    /// the rest where it is the default: so runners of older sources understand the request.
    #[serde(default, skip_serializing_if = "Axis::is_modules")]
    pub axis: Axis,
    /// How many modules there are where N is something else.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: NonZeroUsize,
    /// Whether modules share an engine.
    #[serde(default, skip_serializing_if = "Engines::is_one")]
    pub engines: Engines,
    /// Who is told of each image that is loaded.
    #[serde(default, skip_serializing_if = "Profiler::is_none")]
    pub profiler: Profiler,
}

const fn one() -> NonZeroUsize {
    NonZeroUsize::MIN
}

fn is_one(number: &NonZeroUsize) -> bool {
    *number == NonZeroUsize::MIN
}

/// What the system allows a process so many of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Limit {
    /// Mappings: `vm.max_map_count`.
    Mappings,
    /// Open descriptors: `RLIMIT_NOFILE`.
    Descriptors,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Limit::Mappings => "mappings",
            Limit::Descriptors => "descriptors",
        })
    }
}

/// Whether modules share an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Engines {
    /// One engine for all.
    #[default]
    One,
    /// One for each module: made when it is loaded, and gone with it.
    Each,
}

impl Engines {
    fn is_one(&self) -> bool {
        *self == Engines::One
    }
}

/// Who is told of each image that Wasmtime loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profiler {
    /// Nobody.
    #[default]
    None,
    /// Linux perf, by a line for each function in a file called `perf-PID.map`.
    PerfMap,
}

impl Profiler {
    fn is_none(&self) -> bool {
        *self == Profiler::None
    }
}

/// Work of known growth in phase `work`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planted {
    /// Which resource is spent.
    pub work: PlantedWork,
    /// The share of the cost at `largest` that grows with N², in percent; the rest grows with N.
    pub quadratic_percent: u8,
    /// The N at which that share is reached.
    pub largest: NonZeroUsize,
}

/// What planted work spends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlantedWork {
    /// Instructions and the time they take.
    Cpu,
    /// Fresh pages, each touched once.
    Pages,
    /// Allocations, each freed at once; one unit is one allocation.
    Allocations,
}

impl Planted {
    /// The units of work that N asks for: `(1 − q)·N + q·N²/largest` of 1,000 units a module, where
    /// q is the quadratic share at `largest`, rounded down.
    pub fn units(&self, modules: usize) -> u64 {
        const UNITS_PER_MODULE: u128 = 1_000;
        let (n, largest) = (modules as u128, self.largest.get() as u128);
        let quadratic = u128::from(self.quadratic_percent.min(100));
        let linear = (100 - quadratic) * n * UNITS_PER_MODULE / 100;
        let quadratic = quadratic * n * n * UNITS_PER_MODULE / (100 * largest);
        u64::try_from(linear + quadratic).unwrap_or(u64::MAX)
    }
}

/// What was changed from a scenario's file: field and value, sorted by field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Variant(pub BTreeMap<String, String>);

/// The variant or scenario that must hold whenever this one is asked.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Control {
    /// This scenario with some fields changed.
    Set(BTreeMap<String, String>),
    /// Another scenario as written.
    Scenario(String),
}

/// Growth beyond linear that is known, why, and until when it is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownGrowth {
    /// The series it shows in.
    pub series: Vec<SeriesName>,
    /// The unwinders it shows under: `libgcc-list`, `libgcc-tree`, `llvm`, `other` or `any`.
    pub unwinders: Vec<String>,
    /// The fields, with their values, it depends on; it is not expected once one is changed.
    #[serde(default)]
    pub when: BTreeMap<String, String>,
    /// The growth expected.
    pub class: GrowthClass,
    /// The mechanism, as one sentence.
    pub reason: String,
    /// Where it is reported or described.
    pub link: String,
    /// Until when it is accepted, as [`Expiry`] reads it.
    pub until: String,
}

/// A growth beyond linear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrowthClass {
    /// At most N².
    Quadratic,
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

    /// The scenario `name` from its file's text, with `changes` (field, value) made to it. A field
    /// inside a table is named with a dot: `artifact.types`.
    ///
    /// # Errors
    /// As [`Scenario::parse`], and when a field is not there or does not take the value.
    pub fn parse_with(
        name: &str,
        text: &str,
        changes: &BTreeMap<String, String>,
    ) -> Result<Scenario, ScenarioError> {
        let as_written = Scenario::parse(name, text)?;
        let mut table: toml::Table = text.parse().map_err(scenario_file::syntax)?;
        let mut scenario = as_written.clone();
        let mut variant = Variant::default();
        let mut settings = BTreeMap::new();
        for (key, value) in changes {
            let refuse = |problem: String| ScenarioError::Set {
                key: key.clone(),
                value: value.clone(),
                problem,
            };
            set(&mut table, key, value).map_err(&refuse)?;
            let text = toml::to_string(&table).map_err(|e| refuse(e.to_string()))?;
            let changed = Scenario::parse(name, &text).map_err(|e| refuse(e.to_string()))?;
            // What leaves the subject as it was does not change its growth: no other variant.
            if changed.subject != scenario.subject {
                if value.contains(',') {
                    return Err(refuse(
                        "a variant's name holds no comma (write a scenario file of its own)"
                            .to_owned(),
                    ));
                }
                variant.0.insert(key.clone(), canonical(&changed, key, value));
            } else {
                settings.insert(key.clone(), value.clone());
            }
            scenario = changed;
        }
        scenario.variant = variant;
        scenario.settings = settings;
        Ok(scenario)
    }

    /// What is known to grow beyond linear in `series` under the unwinder family `unwinder`.
    pub fn known(&self, series: SeriesName, unwinder: &str) -> Option<&KnownGrowth> {
        self.known_growth.iter().find(|known| {
            known.series.contains(&series) && self.is_meant(&known.unwinders, &known.when, unwinder)
        })
    }

    /// The growth beyond linear that `series` is expected to have at most under the unwinder family
    /// `unwinder`; `None`: it is expected to be linear.
    pub fn expected(&self, series: SeriesName, unwinder: &str) -> Option<GrowthClass> {
        self.known(series, unwinder).map(|known| known.class)
    }

    /// Whether any series is expected to grow beyond linear under the unwinder family `unwinder`.
    pub fn grows_under(&self, unwinder: &str) -> bool {
        let mut series = self.known_growth.iter().flat_map(|known| &known.series);
        series.any(|series| self.expected(*series, unwinder).is_some())
    }

    /// Whether what is known under these `unwinders`, while fields have the values in `when`, is known
    /// of this scenario under the family `unwinder`.
    pub(crate) fn is_meant(
        &self,
        unwinders: &[String],
        when: &BTreeMap<String, String>,
        unwinder: &str,
    ) -> bool {
        unwinders.iter().any(|named| named == unwinder || named == "any")
            && when.iter().all(|(key, value)| self.still_has(key, value))
    }

    /// Whether the field `key` has not been changed away from `value`.
    fn still_has(&self, key: &str, value: &str) -> bool {
        self.variant.0.get(key).is_none_or(|changed| changed == value)
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

    /// By which means `metric` is counted here: a command counts itself whatever nobody else can,
    /// and all of it in runs by the clock.
    pub fn means_of(&self, metric: Metric) -> Means {
        match self.subject {
            Subject::Command(_) => Means::Clock,
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

impl Modules {
    /// Whether a sample of the modules is called. Nobody said what functions of files take and
    /// return, and what imports something is not instantiated by itself.
    pub fn are_called(&self) -> bool {
        match &self.corpus {
            Corpus::Generated(axes) => axes.host_function == HostFunction::None,
            Corpus::Files(_) => false,
        }
    }

    /// Refuses what no run could do.
    fn check(&self) -> Result<(), ScenarioError> {
        let is_made_first = matches!(self.load_from, LoadFrom::Pack | LoadFrom::Store);
        if self.profiler != Profiler::None && is_made_first {
            let problem = "is for modules that are loaded from bytes or file";
            return Err(wrong("profiler", problem));
        }
        if self.load_from == LoadFrom::Pack && self.engines == Engines::Each {
            let problem = "each is not for packs, which are made for one engine";
            return Err(wrong("engines", problem));
        }
        let generated = match &self.corpus {
            Corpus::Generated(axes) => Some(axes),
            Corpus::Files(_) => None,
        };
        if generated.is_none() && self.axis != Axis::Modules {
            let problem = "needs generated modules: those of files are as they are";
            return Err(wrong("axis", problem));
        }
        let is_component =
            self.axis == Axis::CoreModules || generated.is_some_and(|a| a.core_modules.is_some());
        let host_function = generated.map_or(HostFunction::None, |axes| axes.host_function);
        if is_component && host_function != HostFunction::None {
            let problem = "is not for components (leave core_modules or host_function out)";
            return Err(wrong("artifact.host_function", problem));
        }
        let Some(activity) = self.lifecycle.activity else { return Ok(()) };
        match activity.action {
            Action::Unwind | Action::Panic => {}
            Action::Backtrace | Action::Trap if host_function == HostFunction::SharedType => {}
            Action::Backtrace | Action::Trap => {
                let problem = "needs modules with artifact.host_function = \"shared-type\"";
                return Err(wrong("activity", problem));
            }
            Action::Instantiate if host_function != HostFunction::None => {}
            Action::Instantiate => {
                let problem = "instantiate needs modules with an artifact.host_function";
                return Err(wrong("activity", problem));
            }
        }
        Ok(())
    }
}

/// The families a `known_growth` may name, and `any`.
const UNWINDERS: [&str; 5] = ["libgcc-list", "libgcc-tree", "llvm", "other", "any"];

impl KnownGrowth {
    /// Refuses what nobody could accept anything by.
    pub(crate) fn check(
        field: &'static str,
        unwinders: &[String],
        link: &str,
        until: &str,
    ) -> Result<(), ScenarioError> {
        if let Some(unwinder) = unwinders.iter().find(|named| !UNWINDERS.contains(&named.as_str()))
        {
            let known = UNWINDERS.join(", ");
            let problem = format!("unknown unwinder {unwinder:?} (known: {known})");
            return Err(wrong(field, problem));
        }
        if !link.starts_with("https://") {
            return Err(wrong(field, "link must be an https:// address a reader can open"));
        }
        if Expiry::parse(until).is_none() {
            return Err(wrong(field, format!("until must be {}", expiry::FORMS)));
        }
        Ok(())
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

/// Puts `value` at the dotted `key`, as the TOML value it spells, or else as a string.
fn set(table: &mut toml::Table, key: &str, value: &str) -> Result<(), String> {
    let mut names = key.split('.').peekable();
    let mut inner = table;
    while let Some(name) = names.next() {
        if names.peek().is_none() {
            let parsed = format!("v = {value}").parse::<toml::Table>();
            let parsed = parsed.ok().and_then(|mut table| table.remove("v"));
            // What is a text stays one, even where the new text looks like a number.
            let is_text =
                key.starts_with("environment.") || inner.get(name).is_some_and(toml::Value::is_str);
            let typed = parsed.filter(|parsed| parsed.is_str() || !is_text);
            let value = typed.unwrap_or_else(|| toml::Value::String(value.to_owned()));
            inner.insert(name.to_owned(), value);
            return Ok(());
        }
        let next = inner.entry(name).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        inner = next.as_table_mut().ok_or_else(|| format!("{name} has no fields"))?;
    }
    Err("no field named".to_owned())
}

/// One spelling for each value, so that one variant has one name.
fn canonical(scenario: &Scenario, key: &str, value: &str) -> String {
    match (&scenario.subject, key) {
        (Subject::Modules(modules), "tables") => modules.tables.name().to_owned(),
        _ => value.to_owned(),
    }
}

impl Variant {
    /// Whether nothing was changed.
    pub fn is_as_written(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads `tables=strip,threads=2`; the empty text is the scenario as written.
    pub fn parse_changes(text: &str) -> Result<BTreeMap<String, String>, String> {
        let pairs = text.split(',').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| {
                let (key, value) = pair
                    .split_once('=')
                    .ok_or_else(|| format!("{pair:?} is not KEY=VALUE, as in tables=strip"))?;
                Ok((key.trim().to_owned(), value.trim().to_owned()))
            })
            .collect()
    }
}

/// `tables=strip,threads=2`; empty for the scenario as written.
impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> =
            self.0.iter().map(|(key, value)| format!("{key}={value}")).collect();
        f.pad(&pairs.join(","))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

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

    fn with(changes: &[(&str, &str)]) -> Result<Scenario, ScenarioError> {
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
    fn a_change_of_the_subject_makes_a_variant() {
        let stripped = with(&[("tables", "stripped")]).expect("tables can be stripped");
        assert_eq!(stripped.title(), "example:tables=strip");
        let shared = with(&[("artifact.type_sharing", "shared"), ("threads", "2")]);
        assert_eq!(
            shared.expect("both can be set").title(),
            "example:artifact.type_sharing=shared,threads=2"
        );
    }

    #[test]
    fn what_leaves_the_subject_alone_is_no_variant() {
        let same = with(&[("tables", "keep"), ("processes", "3"), ("ladder.to", "1024")]);
        let same = same.expect("all can be set");
        assert!(same.variant.is_as_written());
        assert_eq!(same.settings.keys().collect::<Vec<_>>(), ["ladder.to", "processes", "tables"]);
        assert_eq!((same.processes, same.ladder.last()), (3, Some(&1024)));
    }

    #[test]
    fn known_growth_depends_on_unwinder_and_fields() {
        let series = SeriesName::new(Phase::Unload, Metric::TaskClock);
        let kept = Scenario::parse("example", EXAMPLE).expect("a scenario");
        assert!(kept.known(series, "libgcc-list").is_some());
        assert!(kept.known(series, "libgcc-tree").is_none());
        let stripped = with(&[("tables", "strip")]).expect("tables can be stripped");
        assert!(stripped.known(series, "libgcc-list").is_none());
        assert_eq!(kept.expected(series, "libgcc-list"), Some(GrowthClass::Quadratic));
        assert_eq!(kept.expected(series, "llvm"), None);
        assert!(kept.grows_under("libgcc-list") && !kept.grows_under("libgcc-tree"));
        assert!(!stripped.grows_under("libgcc-list"));
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

    #[test]
    fn a_change_that_cannot_be_made_is_refused() {
        for change in
            [("tabels", "strip"), ("tables", "sometimes"), ("question.x", "1"), ("threads", "0")]
        {
            let error = with(&[change]).expect_err("cannot be set").to_string();
            assert!(error.contains(change.0), "{error}");
        }
    }
}
