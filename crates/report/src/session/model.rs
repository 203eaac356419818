//! The facts of a report as plain data, shared by all its forms. Every form reads this data, and `--format
//! json` writes it unchanged. `docs/report.schema.json` describes the data; change the two together.

use loadline_scenario::{Environment, SeriesName};
use serde::Serialize;

mod changes;
mod fitted;
pub mod functions;
mod known;

pub use changes::{ChangedFile, Changes, Commit};
pub use fitted::Fitted;
pub use functions::{FunctionCost, FunctionFacts, FunctionStanding};
pub use known::{KnownIssueFacts, KnownStatus};

/// The version of the JSON that `--format json` writes. The version rises when a field is removed or changes
/// its meaning. A new field does not change it.
pub const FORMAT: u32 = 2;

/// The facts of a session.
#[derive(Debug, Clone, Serialize)]
pub struct Facts {
    /// The version of this format, [`FORMAT`].
    pub format: u32,
    /// The version of the program that made the report.
    pub loadline: String,
    /// The result of the session.
    pub result: Ending,
    /// Where and when the session was measured.
    pub session: SessionFacts,
    /// The machine and the build.
    pub environment: Environment,
    /// The build that was measured in turn with this one, and that this one is judged against.
    pub against: Option<BuildFacts>,
    /// The metrics that cannot be counted here.
    pub not_counted: Vec<NotCounted>,
    /// The sizes that the machine's limits left out, and other remarks on the session, one sentence each.
    pub remarks: Vec<String>,
    /// The self-checks: whether the session saw known growth.
    pub self_checks: Vec<CheckFacts>,
    /// The scenarios, in the order of the session.
    pub scenarios: Vec<ScenarioFacts>,
    /// Runs that failed, one sentence each.
    pub failures: Vec<String>,
}

/// The result of a session.
#[derive(Debug, Clone, Serialize)]
pub struct Ending {
    /// What the session found, in one sentence.
    pub headline: String,
    /// The exit code.
    pub exit_code: u8,
    /// The meaning of the exit code.
    pub status: &'static str,
    /// How many series have each verdict.
    pub summary: String,
    /// Whether a self-check failed, so that the session gives no verdict.
    pub is_self_check_failed: bool,
    /// The command or advice to follow next.
    pub next: String,
}

/// The saved session.
#[derive(Debug, Clone, Serialize)]
pub struct SessionFacts {
    /// The path of the raw samples.
    pub samples: String,
    /// When the session began, as RFC 3339 in UTC.
    pub started: String,
    /// The seed that decided the order of runs.
    pub seed: u64,
    /// The part of a suite that the session measured, as `1/4`.
    pub shard: Option<String>,
    /// How long the session took, in seconds.
    pub seconds: Option<f64>,
    /// The command that prints this report again.
    pub again: String,
}

/// The other build of a comparison.
#[derive(Debug, Clone, Serialize)]
pub struct BuildFacts {
    /// The name of the build for people.
    pub name: String,
    /// The argument that selects this build again.
    pub argument: String,
    /// The environment that the build was made with.
    pub environment: Environment,
}

/// Metrics that cannot be counted for one common reason.
#[derive(Debug, Clone, Serialize)]
pub struct NotCounted {
    /// The names of the metrics.
    pub metrics: Vec<String>,
    /// Why the metrics cannot be counted.
    pub reason: String,
    /// What to do about that.
    pub remedy: String,
}

/// The result of one self-check on known growth.
#[derive(Debug, Clone, Serialize)]
pub struct CheckFacts {
    /// The metric of the known growth.
    pub metric: String,
    /// Whether the growth was seen.
    pub outcome: CheckOutcome,
    /// The result as a sentence.
    pub sentence: String,
}

/// Whether the known growth was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckOutcome {
    /// The known growth was seen, and no growth was seen in linear work.
    Passed,
    /// The session cannot tell.
    Undecided,
    /// Known growth was missed, or growth was seen in linear work. No verdict counts.
    Failed,
}

/// The facts of one scenario.
#[derive(Debug, Clone, Serialize)]
pub struct ScenarioFacts {
    /// The full name: the name, and the differences from the file.
    pub full_name: String,
    /// The question that the scenario asks.
    pub question: String,
    /// The answer that is expected.
    pub expectation: String,
    /// The scenario's file, from the repository's root.
    pub file: String,
    /// The baseline file, if there is one.
    pub baseline_file: Option<String>,
    /// The command that measures the scenario again.
    pub command: String,
    /// Whether the scenario runs a program of the repository, with its own Wasmtime or none.
    pub is_command: bool,
    /// The sizes.
    pub sizes: Vec<usize>,
    /// The repetitions. Each repetition runs a fresh process per size.
    pub repetitions: usize,
    /// How long the scenario's runs took, in seconds.
    pub seconds: Option<f64>,
    /// What changed in the repository since the baseline or the other build, for a scenario that regressed.
    pub changes: Option<Changes>,
    /// The series: first the judged ones, then the informational ones.
    pub series: Vec<SeriesFacts>,
    /// The functions whose own cost grows beyond linear, the largest growth first.
    pub functions: Vec<FunctionFacts>,
}

/// One series of a scenario.
#[derive(Debug, Clone, Serialize)]
pub struct SeriesFacts {
    /// The phase and the metric.
    pub name: SeriesName,
    /// `ns`, `bytes` or `count`.
    pub unit: &'static str,
    /// The noun for one of the items that N counts, such as `module` or `row`.
    pub one: String,
    /// The verdict on the series.
    pub verdict: Word,
    /// The series' equal part of the time of the runs that counted it, in seconds.
    pub seconds: Option<f64>,
    /// The reference that the series was judged against.
    pub against: Against,
    /// The scaling exponent: how the cost grew with the last doubling of N. `None` for a flat curve.
    pub exponent: Option<Interval>,
    /// The scaling exponent of the reference.
    pub other_exponent: Option<Interval>,
    /// The share of the cost at the largest N that grows faster than on the other side.
    pub growth: Option<Interval>,
    /// What the growth is like: `N`, `√N`, `a factor log N`.
    pub growth_like: Option<String>,
    /// The probability of such growth by accident, adjusted for all series of the session.
    pub p: Option<f64>,
    /// The factor by which the cost changed at every N, not counting growth.
    pub factor: Option<Interval>,
    /// The superlinear share of the cost at the largest N: the part that grows faster than N log N by its own
    /// curve.
    pub superlinear_share: Option<f64>,
    /// The N at which the superlinear part overtakes the rest, if it is quadratic.
    pub crossover: Option<f64>,
    /// For an undecided series, the smallest share that would have been found.
    pub smallest_detectable: Option<f64>,
    /// How many times as fast several threads are as one thread, if that was judged.
    pub speed_up: Option<Interval>,
    /// The speed-up of the control.
    pub control_speed_up: Option<Interval>,
    /// What the verdict means for a user, as a sentence.
    pub consequence: Option<String>,
    /// The figures behind the verdict, one sentence each; empty for a series that passes.
    pub evidence: Vec<String>,
    /// Why there is no verdict, or none that is sure.
    pub doubt: Option<Doubt>,
    /// Further remarks for the reader, one sentence each.
    pub notes: Vec<String>,
    /// The known issue that accepts or accepted the growth of the series.
    pub known_issue: Option<KnownIssueFacts>,
    /// The cost of all N modules, one row per size.
    pub costs: Vec<SizeFacts>,
    /// The fitted curve between the sizes, for charts.
    #[serde(skip)]
    pub fitted: Fitted,
    /// The fitted curve of the other side, for charts.
    #[serde(skip)]
    pub other_fitted: Fitted,
    /// The place in the repository that a reader should look at.
    pub place: Place,
}

/// The verdict on a series, or why it has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// The growth is the accepted growth.
    Holds,
    /// The growth is less than the accepted growth.
    Improved,
    /// The growth is more than the accepted growth.
    Regressed,
    /// Growth is neither shown nor excluded.
    Inconclusive,
    /// There is nothing to judge the series against.
    NoBaseline,
    /// The curve is superlinear, but there is nothing to judge it against.
    NotGated,
    /// The metric cannot be counted here.
    NotJudged,
    /// Other scenarios are compared with this control; its time alone proves nothing.
    Control,
    /// Runs failed.
    Failed,
    /// The series is informational.
    Observed,
}

impl Word {
    /// Returns the word in files.
    pub const fn name(self) -> &'static str {
        match self {
            Word::Holds => "holds",
            Word::Improved => "improved",
            Word::Regressed => "regressed",
            Word::Inconclusive => "inconclusive",
            Word::NoBaseline => "no-baseline",
            Word::NotGated => "not-gated",
            Word::NotJudged => "not-judged",
            Word::Control => "control",
            Word::Failed => "failed",
            Word::Observed => "observed",
        }
    }

    /// Whether the series needs attention now.
    pub const fn is_red(self) -> bool {
        matches!(self, Word::Regressed | Word::Failed)
    }

    /// Whether the series grows otherwise than before.
    pub const fn is_changed(self) -> bool {
        matches!(self, Word::Regressed | Word::Improved)
    }

    /// Whether the series stayed undecided.
    pub const fn is_open(self) -> bool {
        matches!(self, Word::Inconclusive | Word::NoBaseline | Word::NotGated)
    }
}

/// The reference that a series was judged against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Against {
    /// The kind of the reference.
    pub kind: AgainstKind,
    /// The name of the reference: the full name of the control or of the scenario on one thread, or the build's
    /// name.
    pub name: Option<String>,
}

/// The kinds of references that a series is judged against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgainstKind {
    /// A committed baseline.
    Baseline,
    /// Another scenario of the same session.
    Control,
    /// The growth that the scenario states.
    Expectation,
    /// Another build, measured in turn with this one.
    Build,
    /// The same work on one thread, measured in the same session.
    OneThread,
    /// No reference.
    Nothing,
}

/// An estimate with its 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// The estimate.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// Why a finding is missing or unsure.
#[derive(Debug, Clone, Serialize)]
pub struct Doubt {
    /// The reason.
    pub reason: String,
    /// How to resolve the doubt.
    pub remedy: Option<String>,
}

/// The cost at one N, in the series' unit.
#[derive(Debug, Clone, Serialize)]
pub struct SizeFacts {
    /// N.
    pub n: u64,
    /// The cost of all N modules: the median of the repetitions.
    pub cost: f64,
    /// The cost per module.
    pub per_module: f64,
    /// The cost of one more module, between the previous N and this one; `None` at the first N.
    pub next_module: Option<f64>,
    /// The 95 % interval of the true cost of all N modules: lower and upper end.
    pub interval: Option<(f64, f64)>,
    /// The cost of the fitted curve.
    pub fitted: Option<f64>,
    /// The reading of each repetition.
    pub samples: Vec<f64>,
    /// The cost of all N modules on the other side.
    pub other_cost: Option<f64>,
    /// The cost of one more module on the other side.
    pub other_next_module: Option<f64>,
}

/// A line in a file of the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file, from the repository's root.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

impl Facts {
    /// Describes the machine and the build in one line. A program of the repository brings its own Wasmtime.
    pub fn environment_line(&self) -> String {
        let is_own = !self.scenarios.is_empty() && self.scenarios.iter().all(|s| s.is_command);
        self.environment.line_of(is_own)
    }

    /// Lists every judged series with its scenario. These series decide the gate.
    pub fn judged(&self) -> impl Iterator<Item = (&ScenarioFacts, &SeriesFacts)> {
        self.scenarios.iter().flat_map(|s| s.judged().map(move |series| (s, series)))
    }
}

impl ScenarioFacts {
    /// Lists the judged series of the scenario. These series decide the gate.
    pub fn judged(&self) -> impl Iterator<Item = &SeriesFacts> {
        self.series.iter().filter(|series| series.verdict != Word::Observed)
    }

    /// Picks the function to name first in a phase. New functions come first, then those with a known cause,
    /// then the largest growth.
    pub fn culprit(&self, phase: &str) -> Option<&FunctionFacts> {
        let of_phase = self.functions.iter().filter(|function| function.phase == phase);
        of_phase.min_by_key(|function| {
            (function.standing != FunctionStanding::Regressed, function.cause.is_none())
        })
    }
}

impl SeriesFacts {
    /// Whether the known issue of the series is no longer seen, so that a note asks to remove its entry.
    pub fn is_gone(&self) -> bool {
        let status = self.known_issue.as_ref().map(|known| known.status);
        let note = self.notes.last().map(String::as_str).unwrap_or_default();
        status == Some(KnownStatus::NoLongerSeen) && note.starts_with("known issue no longer seen")
    }

    /// Whether the cost does not rise with N. Only such a series without an exponent is flat.
    pub fn is_flat(&self) -> bool {
        is_flat(self.costs.iter().map(|size| Some(size.cost)))
    }

    /// Returns the factor by which the cost of a passing series changed at every N, if it did.
    pub fn constant_change(&self) -> Option<&Interval> {
        let is_compared = matches!(self.against.kind, AgainstKind::Baseline | AgainstKind::Build);
        let factor = self.factor.as_ref().filter(|_| is_compared && self.verdict == Word::Holds)?;
        (factor.low > 1.10 || factor.high < 1.0 / 1.10).then_some(factor)
    }

    /// Whether the cost on the other side does not rise with N.
    pub fn was_flat(&self) -> bool {
        is_flat(self.costs.iter().map(|size| size.other_cost))
    }

    /// Names the side that the costs are shown with: `baseline`, `control`, `before` or `one thread`.
    pub fn other_name(&self) -> &'static str {
        match self.against.kind {
            AgainstKind::Baseline => "baseline",
            AgainstKind::Build => "before",
            AgainstKind::OneThread => "one thread",
            AgainstKind::Control | AgainstKind::Expectation | AgainstKind::Nothing => "control",
        }
    }
}

/// Whether costs are known and do not rise by more than a tenth from the smallest N to the largest.
pub fn is_flat(costs: impl DoubleEndedIterator<Item = Option<f64>>) -> bool {
    let mut known = costs.flatten();
    known.next().is_some_and(|first| known.next_back().is_some_and(|last| last <= first * 1.1))
}
