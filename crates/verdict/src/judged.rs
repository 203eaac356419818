//! One judged series: its verdict with the evidence, or the reason why it has no verdict.

use loadline_growth::{Estimate, Judgement, Verdict};
use loadline_scenario::{Absence, Collector, SeriesName};

use crate::rules::known_issue::{KnownIssue, KnownState};
use crate::rules::readings::NoSeries;
use crate::rules::scaled::Scaled;

/// One judged series.
#[derive(Debug)]
pub struct Judged {
    /// The scenario's full name.
    pub scenario: String,
    /// The series.
    pub name: SeriesName,
    /// The collector that counted the series.
    pub collector: Collector,
    /// The outcome of judging the series.
    pub outcome: Outcome,
    /// Further remarks for the reader, one sentence each.
    pub notes: Vec<String>,
    /// Whether no baseline records this series for this environment.
    pub has_no_baseline: bool,
    /// The known issue that the scenario states for this series, where it states one.
    pub known: Option<KnownIssue>,
}

impl Judged {
    /// Whether the known issue of this series is no longer seen.
    pub fn is_gone(&self) -> bool {
        self.known.as_ref().is_some_and(|known| known.state == KnownState::NoLongerSeen)
    }
}

/// The outcome of judging one series.
#[derive(Debug)]
pub enum Outcome {
    /// A verdict with its evidence.
    Verdict {
        /// The verdict, one of five words.
        verdict: Verdict,
        /// The ground of the verdict.
        ground: Ground,
        /// The findings of the rules.
        judgement: Box<Judgement>,
        /// The cost at each N: the median of its repetitions, in the metric's unit.
        costs: Vec<(u64, f64)>,
        /// The reference that the series was judged against.
        against: Against,
        /// The scaling exponent of the reference.
        other_tail: Option<Estimate>,
        /// The cost of the reference at each of these N; empty if there is no reference.
        other_costs: Vec<(u64, f64)>,
        /// How many sizes were added to decide.
        n_larger: usize,
        /// Whether one more size could decide the series: the reference has that size, or can be measured at
        /// it.
        may_widen: bool,
    },
    /// A verdict on whether threads gain what they should.
    Scaled(Box<Scaled>),
    /// No verdict, because there is no reading.
    NotJudged(Absence),
    /// No verdict, because other scenarios are compared with this control, and a time alone proves nothing.
    ControlOnly,
    /// No verdict, because runs failed.
    Failed,
}

impl Outcome {
    /// Returns the verdict, if there is one.
    pub fn verdict(&self) -> Option<Verdict> {
        match self {
            Outcome::Verdict { verdict, .. } => Some(*verdict),
            Outcome::Scaled(scaled) => Some(scaled.verdict),
            Outcome::NotJudged(_) | Outcome::ControlOnly | Outcome::Failed => None,
        }
    }
}

/// The ground of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// The rule decided.
    Rule,
    /// A known issue decided: it has expired, or the growth became steeper than the accepted growth.
    KnownIssue,
    /// The growth is gross: by its own curve, each of the last two doublings costs at least three times as
    /// much. There is nothing to compare the series with, and no baseline from another CPU shows such growth.
    Gross,
    /// The curve is superlinear, but there is nothing to compare it with, so it is not gated.
    NotGated,
}

/// The reference that a series was judged against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Against {
    /// A committed baseline.
    Baseline,
    /// The scenario of this full name, measured in the same session.
    Control(String),
    /// The growth that the scenario states.
    Expectation,
    /// The build of this name, measured in turn with this one.
    Build(String),
    /// No reference: there is neither a baseline nor a control.
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
