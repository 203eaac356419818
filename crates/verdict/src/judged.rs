//! One judged series: its verdict with the evidence, or why there is none.

use loadline_growth::{Estimate, Judgement, Verdict};
use loadline_scenario::{Absence, Means, SeriesName};

use crate::rules::known_issue::{KnownIssue, KnownSight};
use crate::rules::readings::NoSeries;
use crate::rules::scaled::Scaled;

/// One judged series.
#[derive(Debug)]
pub struct Judged {
    /// The scenario's title.
    pub scenario: String,
    /// The series.
    pub name: SeriesName,
    /// By which means it was counted.
    pub means: Means,
    /// What came of it.
    pub outcome: Outcome,
    /// What a reader should know beside the verdict, one sentence each.
    pub notes: Vec<String>,
    /// Whether no baseline fits this environment.
    pub has_no_baseline: bool,
    /// The known issue that the scenario states for this series, where it states one.
    pub known: Option<KnownIssue>,
}

impl Judged {
    /// Whether the known issue of this series is not there any more.
    pub fn is_gone(&self) -> bool {
        self.known.as_ref().is_some_and(|known| known.sight == KnownSight::NoLongerSeen)
    }
}

/// What came of judging one series.
#[derive(Debug)]
pub enum Outcome {
    /// A verdict with its evidence.
    Verdict {
        /// One of five words.
        verdict: Verdict,
        /// What the verdict rests on.
        ground: Ground,
        /// The rules' findings.
        judgement: Box<Judgement>,
        /// The cost at each N: the median of its rounds, in the metric's unit.
        costs: Vec<(u64, f64)>,
        /// What it was judged against.
        against: Against,
        /// The tail exponent of what it was judged against.
        other_tail: Option<Estimate>,
        /// What the other side costs at each of these N; empty where there is none.
        other_costs: Vec<(u64, f64)>,
        /// How many rungs were added to decide.
        n_larger: usize,
        /// Whether one more could tell: the other side has it, or can be measured at it.
        may_widen: bool,
    },
    /// Whether threads gain what they should.
    Scaled(Box<Scaled>),
    /// No verdict, because there is no reading.
    NotJudged(Absence),
    /// No verdict, because this is what another scenario is compared with, and a time alone tells
    /// nothing.
    ControlOnly,
    /// No verdict, because runs failed.
    Failed,
}

impl Outcome {
    /// The verdict, where there is one.
    pub fn verdict(&self) -> Option<Verdict> {
        match self {
            Outcome::Verdict { verdict, .. } => Some(*verdict),
            Outcome::Scaled(scaled) => Some(scaled.verdict),
            Outcome::NotJudged(_) | Outcome::ControlOnly | Outcome::Failed => None,
        }
    }
}

/// What a verdict rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// The rule that decided.
    Rule,
    /// A known issue: it has expired, or became steeper than what was accepted.
    KnownIssue,
    /// Each of the last two doublings costs at least three times as much, by the series' own curve;
    /// there is nothing to compare it with, and nothing else explains that.
    Gross,
    /// Superlinear by its own curve, with nothing to compare it with: not gated.
    NotGated,
}

/// What a series was judged against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Against {
    /// A committed baseline.
    Baseline,
    /// The scenario of this title, measured in the same session.
    Control(String),
    /// The growth that the scenario states.
    Expectation,
    /// The build of this name, measured in turn with this one.
    Build(String),
    /// Nothing: neither is there.
    Nothing,
}

impl From<NoSeries> for Outcome {
    fn from(why: NoSeries) -> Outcome {
        match why {
            NoSeries::Absent(absence) => Outcome::NotJudged(absence),
            NoSeries::RunsFailed => Outcome::Failed,
        }
    }
}
