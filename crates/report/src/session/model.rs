//! The facts of a report, once and for all its forms: plain data that every rendering reads, and that
//! `--format json` writes as it stands. `docs/report.schema.json` describes it; the two change together.

use loadline_scenario::{Environment, SeriesName};
use serde::Serialize;

/// The version of what `--format json` writes. It rises when a field goes or means something else; a
/// field that is added leaves it as it is.
pub const FORMAT: u32 = 1;

/// All that a session amounts to.
#[derive(Debug, Clone, Serialize)]
pub struct Facts {
    /// [`FORMAT`].
    pub format: u32,
    /// The version of the program that made the report.
    pub loadline: String,
    /// How it ends.
    pub result: Ending,
    /// Where and when it was measured.
    pub session: SessionFacts,
    /// The machine and the build.
    pub environment: Environment,
    /// The build that was measured in turn, and judged against.
    pub against: Option<BuildFacts>,
    /// The metrics that nothing here can count.
    pub not_counted: Vec<NotCounted>,
    /// Rungs that the machine's limits left out, and other remarks on the session, one sentence each.
    pub remarks: Vec<String>,
    /// Whether growth that was planted was seen.
    pub teeth: Vec<Tooth>,
    /// What was measured, in the order of the session.
    pub scenarios: Vec<ScenarioFacts>,
    /// Runs that failed, one sentence each.
    pub failures: Vec<String>,
}

/// How a report ends.
#[derive(Debug, Clone, Serialize)]
pub struct Ending {
    /// The exit code.
    pub exit_code: u8,
    /// What that code means.
    pub status: &'static str,
    /// How many series came to what.
    pub summary: String,
    /// Growth planted in the session was not judged right: it gives no verdict.
    pub is_blind: bool,
    /// What to do next.
    pub next: String,
}

/// A saved session.
#[derive(Debug, Clone, Serialize)]
pub struct SessionFacts {
    /// Where the raw samples are.
    pub samples: String,
    /// When it began, as RFC 3339 in UTC.
    pub started: String,
    /// What decided the order of runs.
    pub seed: u64,
    /// Which part of a suite it is, as `1/4`.
    pub shard: Option<String>,
}

/// The other build of a comparison.
#[derive(Debug, Clone, Serialize)]
pub struct BuildFacts {
    /// What people call it.
    pub name: String,
    /// The argument that asks for it again.
    pub argument: String,
    /// What it was built with.
    pub environment: Environment,
}

/// Metrics that cannot be counted for one reason.
#[derive(Debug, Clone, Serialize)]
pub struct NotCounted {
    /// Which.
    pub metrics: Vec<String>,
    /// Why.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
}

/// What the session made of growth that was planted in it.
#[derive(Debug, Clone, Serialize)]
pub struct Tooth {
    /// The planted metric.
    pub metric: String,
    /// What was seen.
    pub sight: Sight,
    /// The same as a sentence.
    pub sentence: String,
}

/// Whether planted growth was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sight {
    /// It was, and none where there is none.
    Sees,
    /// This session cannot tell.
    Unsure,
    /// It was not, or some was seen where there is none: no verdict counts.
    Blind,
}

/// One scenario.
#[derive(Debug, Clone, Serialize)]
pub struct ScenarioFacts {
    /// Its title: name, and what was changed of the file.
    pub title: String,
    /// The question it asks.
    pub question: String,
    /// What is expected.
    pub expectation: String,
    /// Its file, from the repository's root.
    pub file: String,
    /// The file of what is accepted, where there is one.
    pub baseline_file: Option<String>,
    /// The command that measures it again.
    pub command: String,
    /// Whether it runs a program of the repository, which brings its own Wasmtime or none.
    pub is_command: bool,
    /// The rungs.
    pub ladder: Vec<usize>,
    /// Fresh processes per rung.
    pub processes: usize,
    /// Its series: those that are judged, then those that are shown only.
    pub series: Vec<SeriesFacts>,
    /// The symbols whose own cost grows beyond linear, the largest growth first.
    pub symbols: Vec<SymbolFacts>,
}

/// One series of a scenario.
#[derive(Debug, Clone, Serialize)]
pub struct SeriesFacts {
    /// Phase and metric.
    pub name: SeriesName,
    /// `ns`, `bytes` or `count`.
    pub unit: &'static str,
    /// One of what N counts: `module`, `function`, `core module` or `table`.
    pub one: &'static str,
    /// What came of it.
    pub verdict: Word,
    /// What it was judged against.
    pub against: Against,
    /// The tail exponent: how the last doubling of N grew. `None` for a flat curve.
    pub exponent: Option<Interval>,
    /// The tail exponent of what it was judged against.
    pub other_exponent: Option<Interval>,
    /// The share of the cost at the largest N that grows faster than on the other side.
    pub growth: Option<Interval>,
    /// What that growth looks like: `N`, `√N`, `a factor log N`.
    pub growth_like: Option<String>,
    /// How likely such growth is where there is none, adjusted for all series of the session.
    pub p: Option<f64>,
    /// By how much it became dearer or cheaper at every N, growth apart.
    pub factor: Option<Interval>,
    /// The share of the cost at the largest N that grows faster than N log N, by its own curve.
    pub superlinear_share: Option<f64>,
    /// The N at which that part overtakes the rest, if it is quadratic.
    pub crossover: Option<f64>,
    /// Of what stays undecided: the smallest share that would have been found.
    pub smallest_detectable: Option<f64>,
    /// How many times as fast several threads are as one, where that is what was judged.
    pub speed_up: Option<Interval>,
    /// The same of the control.
    pub control_speed_up: Option<Interval>,
    /// What it means for whoever pays it, as a sentence.
    pub consequence: Option<String>,
    /// The figures behind the verdict, one sentence each; empty where it plainly holds.
    pub evidence: Vec<String>,
    /// Why there is no verdict, or no sure one.
    pub doubt: Option<Doubt>,
    /// What a reader should know beside it, one sentence each.
    pub notes: Vec<String>,
    /// The cost of all N modules, one row a rung.
    pub costs: Vec<Rung>,
    /// Where in the repository a reader is pointed to.
    pub place: Place,
}

/// What came of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// Growth is what is accepted.
    Holds,
    /// Growth is less than what is accepted.
    Improved,
    /// Growth is more than what is accepted.
    Regressed,
    /// Neither shown nor excluded.
    Inconclusive,
    /// There is nothing to judge it against.
    NoBaseline,
    /// Superlinear by its own curve, and there is nothing to judge it against.
    NotGated,
    /// Nothing here counts it.
    NotJudged,
    /// Others are compared with it; a time alone tells nothing.
    Control,
    /// Runs failed.
    Failed,
    /// It is shown only.
    Observed,
}

impl Word {
    /// The word in files.
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

    /// Whether somebody has to look at it now.
    pub const fn is_red(self) -> bool {
        matches!(self, Word::Regressed | Word::Failed)
    }

    /// Whether it stayed undecided.
    pub const fn is_open(self) -> bool {
        matches!(self, Word::Inconclusive | Word::NoBaseline | Word::NotGated)
    }
}

/// What a series was judged against.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Against {
    /// Of which kind.
    pub kind: AgainstKind,
    /// The title of the control, or of the scenario on one thread, or the build's name.
    pub name: Option<String>,
}

/// Kinds of what a series is judged against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AgainstKind {
    /// A committed baseline.
    Baseline,
    /// Another scenario of the same session.
    Control,
    /// The growth that the scenario states.
    Expectation,
    /// Another build, measured in turn.
    Build,
    /// The same on one thread, of the same session.
    OneThread,
    /// Nothing.
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

/// Why something is not known.
#[derive(Debug, Clone, Serialize)]
pub struct Doubt {
    /// Why.
    pub reason: String,
    /// What would settle it.
    pub remedy: Option<String>,
}

/// The cost at one N, in the series' unit.
#[derive(Debug, Clone, Serialize)]
pub struct Rung {
    /// N.
    pub n: u64,
    /// The cost of all N modules: the median of the rounds.
    pub cost: f64,
    /// The same for one of them.
    pub per_module: f64,
    /// What one more module costs between the N before and this one; `None` at the first.
    pub next_module: Option<f64>,
    /// Within what the true cost of all N lies, to 95 %: lower and upper end.
    pub interval: Option<(f64, f64)>,
    /// What the fitted curve says.
    pub fitted: Option<f64>,
    /// The reading of each round.
    pub rounds: Vec<f64>,
    /// What all N cost on the other side.
    pub other_cost: Option<f64>,
    /// What one more module costs there.
    pub other_next_module: Option<f64>,
}

/// A line of a file of the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The file, from the repository's root.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

/// A symbol whose own cost grows beyond linear, by callgrind.
#[derive(Debug, Clone, Serialize)]
pub struct SymbolFacts {
    /// Where.
    pub phase: String,
    /// Its name.
    pub function: String,
    /// The program or library it lies in.
    pub object: String,
    /// The caller that its growth comes by.
    pub caller: Option<String>,
    /// Its name as reports show it.
    pub shown: String,
    /// Its own instructions as a function of N.
    pub formula: String,
    /// The share of the phase's instructions at the largest N that grows beyond linear by it.
    pub share: f64,
    /// That N.
    pub top: u64,
    /// What to think of it.
    pub standing: SymbolStanding,
    /// The same in words.
    pub standing_text: String,
    /// The N up to which the total hides it, foretold; `None` where the total shows it already.
    pub hidden_until: Option<u64>,
    /// The mechanism, where it is known.
    pub cause: Option<String>,
    /// What to do, where it is known.
    pub remedy: Option<String>,
    /// Where to read on.
    pub reference: Option<String>,
    /// Its own instructions at each N.
    pub costs: Vec<SymbolCost>,
}

/// What a symbol costs at one N.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct SymbolCost {
    /// N.
    pub n: u64,
    /// Its own instructions.
    pub cost: f64,
}

/// What is to be thought of a symbol's growth.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SymbolStanding {
    /// The scenario states it.
    Known,
    /// The baseline records it.
    Accepted,
    /// It stays below 20 % up to the N that matters.
    Negligible,
    /// Its curve is bent: no ground to foretell from.
    Doubtful,
    /// None of these.
    Regressed,
}

impl Facts {
    /// The machine and the build; a program of the repository brings a Wasmtime of its own.
    pub fn environment_line(&self) -> String {
        let line = self.environment.line();
        let is_own = !self.scenarios.is_empty() && self.scenarios.iter().all(|s| s.is_command);
        match line.split_once(", ") {
            Some((_, rest)) if is_own => format!("wasmtime: the command's own, {rest}"),
            _ => line,
        }
    }

    /// Every judged series with its scenario: what a gate is about.
    pub fn judged(&self) -> impl Iterator<Item = (&ScenarioFacts, &SeriesFacts)> {
        self.scenarios.iter().flat_map(|s| s.judged().map(move |series| (s, series)))
    }
}

impl ScenarioFacts {
    /// The series that a gate is about.
    pub fn judged(&self) -> impl Iterator<Item = &SeriesFacts> {
        self.series.iter().filter(|series| series.verdict != Word::Observed)
    }

    /// The symbol to name first in a phase: what is new before what is known, then what has a known
    /// cause, then the largest growth.
    pub fn culprit(&self, phase: &str) -> Option<&SymbolFacts> {
        let of_phase = self.symbols.iter().filter(|symbol| symbol.phase == phase);
        of_phase.min_by_key(|symbol| {
            (symbol.standing != SymbolStanding::Regressed, symbol.cause.is_none())
        })
    }
}

impl SeriesFacts {
    /// What its costs are shown beside: `baseline`, `control`, `before` or `one thread`.
    pub fn other_name(&self) -> &'static str {
        match self.against.kind {
            AgainstKind::Baseline => "baseline",
            AgainstKind::Build => "before",
            AgainstKind::OneThread => "one thread",
            AgainstKind::Control | AgainstKind::Expectation | AgainstKind::Nothing => "control",
        }
    }
}
