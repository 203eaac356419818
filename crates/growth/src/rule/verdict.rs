//! Decides "regressed": turns the findings of the rules into one of five words.

use std::fmt;

use super::curve::{CurveJudgement, CurveOptions, CurveVerdict, MIN_SHARE, judge_curve};
use super::doubt::{Doubt, Remedy, Suspicion};
use super::pair::{PairJudgement, PairOptions, PairVerdict, judge_pair};
use crate::input::series::{Kind, Series};
use crate::input::tau::Tau;
use crate::model::shape::Expect;
use crate::numeric::holm::holm;

/// The verdict on one series, one of five words.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// The growth is what the baseline (or the stated expectation) says.
    Holds,
    /// The growth is less than the baseline's.
    Improved,
    /// The growth is more than the baseline's, or superlinear where no growth is recorded.
    Regressed,
    /// Growth is neither shown nor excluded.
    Inconclusive(Doubt),
    /// There is nothing to judge the series against.
    NoBaseline,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Holds => "holds",
            Verdict::Improved => "improved",
            Verdict::Regressed => "regressed",
            Verdict::Inconclusive(_) => "inconclusive",
            Verdict::NoBaseline => "no baseline",
        })
    }
}

/// Options of a judgement: what is known about a series besides its numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JudgeOptions {
    /// The growth that was stated beforehand. Without a baseline, counts are judged against it. Without
    /// either, a series can be found superlinear, but it never holds.
    pub expect: Option<Expect>,
    /// The structural floor; `None` means the kind's default.
    pub tau: Option<Tau>,
    /// How often the pair is judged at most while data is added (5 in an adaptive loop).
    pub looks: u32,
    /// States that a curve was superlinear before its largest size was added. Superlinear counts are then no
    /// longer suspected of one step in cost per item.
    pub is_confirmed: bool,
}

impl Default for JudgeOptions {
    fn default() -> Self {
        JudgeOptions { expect: None, tau: None, looks: 1, is_confirmed: false }
    }
}

/// One series to be judged among others.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The series that was measured now.
    pub new: &'a Series,
    /// The series that was accepted last.
    pub old: Option<&'a Series>,
    /// What is known besides the numbers.
    pub options: JudgeOptions,
}

/// The rule that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// The pair rule, against the baseline.
    Pair,
    /// The curve rule, on the series by itself.
    Curve,
}

/// A verdict with all its evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The rule that decided the verdict.
    pub decided_by: Rule,
    /// The pair rule's finding on this pair alone; `None` without a baseline.
    pub pair: Option<PairJudgement>,
    /// The p of the pair, adjusted for all series judged together.
    pub holm_p: Option<f64>,
    /// The curve rule's finding on the new series. For time it is advisory.
    pub curve: CurveJudgement,
    /// The curve rule's finding on the baseline.
    pub baseline_curve: Option<CurveJudgement>,
    /// If the verdict is inconclusive, what to measure next.
    pub remedy: Option<Remedy>,
    /// If the verdict is inconclusive, the smallest growing share of the cost at the largest N that this run
    /// would have found. It would have found that share in half of all cases. The share lies from 0 to 1;
    /// `None` if this run would not even have found pure growth.
    pub smallest_detectable: Option<f64>,
}

/// Judges one series as if it were the only one. See [`judge_suite`] for several series.
#[must_use]
pub fn judge(new: &Series, old: Option<&Series>, options: &JudgeOptions) -> Judgement {
    findings(&Case { new, old, options: *options }).decide(Holm::default(), 1)
}

/// Judges the series of one session together. [`holm`] adjusts the p-values of the pairs, so that one of a
/// hundred unchanged series is not called regressed by accident. Results are in the order of `cases`.
#[must_use]
pub fn judge_suite(cases: &[Case<'_>]) -> Vec<Judgement> {
    let findings: Vec<Findings> = cases.iter().map(findings).collect();
    let adjusted = |pair: fn(&Findings<'_>) -> Option<f64>| {
        let p: Vec<f64> = findings.iter().filter_map(pair).collect();
        let n_pairs = p.len();
        let mut adjusted = holm(&p).into_iter();
        let of = |finding| pair(finding).and_then(|_| adjusted.next());
        (findings.iter().map(of).collect::<Vec<_>>(), n_pairs)
    };
    let (worse, n_pairs) = adjusted(|finding| p_of(finding.pair.as_ref()));
    let (improved, _) = adjusted(|finding| p_of(finding.reversed.as_ref()));
    let adjusted =
        worse.into_iter().zip(improved).map(|(worse, improved)| Holm { worse, improved });
    findings
        .into_iter()
        .zip(adjusted)
        .map(|(finding, holm)| finding.decide(holm, n_pairs))
        .collect()
}

/// The p-values of one case after [`holm`] over all cases; `None` if the case is judged by itself.
#[derive(Debug, Clone, Copy, Default)]
struct Holm {
    worse: Option<f64>,
    improved: Option<f64>,
}

fn p_of(pair: Option<&PairJudgement>) -> Option<f64> {
    Some(pair?.evidence.as_ref()?.p)
}

/// Returns the pair rule's verdict with an adjusted p, or with the pair's own p if there is none.
fn verdict_of(pair: &PairJudgement, adjusted_p: Option<f64>) -> PairVerdict {
    match (&pair.evidence, adjusted_p.or(p_of(Some(pair)))) {
        (Some(evidence), Some(p)) => evidence.verdict(p),
        _ => pair.verdict,
    }
}

/// The findings of the rules on one case, before a verdict is decided.
struct Findings<'a> {
    case: Case<'a>,
    pair: Option<PairJudgement>,
    /// The pair rule with both sides swapped: it finds growth that the old side had and the new side lacks.
    reversed: Option<PairJudgement>,
    curve: CurveJudgement,
    baseline_curve: Option<CurveJudgement>,
}

fn findings<'a>(case: &Case<'a>) -> Findings<'a> {
    let options = &case.options;
    let curve_options =
        CurveOptions { expect: options.expect.unwrap_or_default(), tau: options.tau };
    let pair_options = PairOptions { looks: options.looks, tau: options.tau };
    Findings {
        case: *case,
        pair: case.old.map(|old| judge_pair(case.new, old, &pair_options)),
        reversed: case.old.map(|old| judge_pair(old, case.new, &pair_options)),
        curve: judge_curve(case.new, &curve_options),
        baseline_curve: case.old.map(|old| judge_curve(old, &curve_options)),
    }
}

impl Findings<'_> {
    fn decide(self, holm: Holm, n_pairs: usize) -> Judgement {
        let (verdict, decided_by) = match &self.pair {
            Some(pair) => self.against_baseline(pair, holm),
            None => (self.without_baseline(), Rule::Curve),
        };
        let doubt = match verdict {
            Verdict::Inconclusive(doubt) => Some(doubt),
            _ => None,
        };
        Judgement {
            verdict,
            decided_by,
            holm_p: holm.worse.or(p_of(self.pair.as_ref())),
            remedy: doubt.map(|doubt| Remedy::of(doubt, self.case.new)),
            smallest_detectable: doubt.and_then(|_| self.smallest_detectable(decided_by, n_pairs)),
            pair: self.pair,
            curve: self.curve,
            baseline_curve: self.baseline_curve,
        }
    }

    /// Judges growth beyond the baseline's. If that is undecided, judges growth that the baseline does not
    /// record. If the pair is ok, the baseline's shape explains the new curve, whatever the curve rule says
    /// about either.
    fn against_baseline(&self, pair: &PairJudgement, holm: Holm) -> (Verdict, Rule) {
        let was_worse = |reversed| verdict_of(reversed, holm.improved) == PairVerdict::Worse;
        match verdict_of(pair, holm.worse) {
            PairVerdict::Worse => (Verdict::Regressed, Rule::Pair),
            PairVerdict::Ok
                if self.reversed.as_ref().is_some_and(was_worse) && is_cheaper_at_top(pair) =>
            {
                (Verdict::Improved, Rule::Pair)
            }
            PairVerdict::Ok => (Verdict::Holds, Rule::Pair),
            // Growth that costs no more than before is not new, whatever the curve looks like.
            PairVerdict::Inconclusive(doubt) if !may_cost_more(pair) => {
                (Verdict::Inconclusive(doubt), Rule::Pair)
            }
            PairVerdict::Inconclusive(doubt) => match self.blocking_growth() {
                Some(growth) if !self.baseline_may_grow() => (growth, Rule::Curve),
                _ => (Verdict::Inconclusive(doubt), Rule::Pair),
            },
        }
    }

    fn without_baseline(&self) -> Verdict {
        if let Some(growth) = self.blocking_growth() {
            return growth;
        }
        let is_stated = self.case.options.expect.is_some() && self.case.new.kind() == Kind::Count;
        match self.curve.verdict {
            CurveVerdict::Ok if is_stated => Verdict::Holds,
            CurveVerdict::Inconclusive(doubt) if is_stated => Verdict::Inconclusive(doubt),
            _ => Verdict::NoBaseline,
        }
    }

    /// Returns the verdict on superlinear growth of the new curve by itself. For time only gross growth
    /// counts. Caches make the real cost per item rise, so any smaller growth needs a comparison.
    fn blocking_growth(&self) -> Option<Verdict> {
        let is_enough = self.case.new.kind() == Kind::Count || self.curve.is_gross();
        if !is_enough || self.curve.verdict != CurveVerdict::Superlinear {
            return None;
        }
        let is_settled = self.case.options.is_confirmed || !self.curve.needs_confirmation();
        Some(if is_settled {
            Verdict::Regressed
        } else {
            Verdict::Inconclusive(Doubt::Suspect(Suspicion::OneStep))
        })
    }

    /// Whether the baseline records superlinear growth, or may do so. Then the growth cannot be called new.
    fn baseline_may_grow(&self) -> bool {
        self.baseline_curve.as_ref().is_some_and(|curve| match curve.verdict {
            CurveVerdict::Superlinear => true,
            CurveVerdict::Ok => false,
            CurveVerdict::Inconclusive(_) => {
                curve.evidence.as_ref().is_some_and(|e| e.share >= MIN_SHARE)
            }
        })
    }

    fn smallest_detectable(&self, rule: Rule, n_pairs: usize) -> Option<f64> {
        let share = match rule {
            Rule::Pair => self.pair.as_ref()?.evidence.as_ref()?.smallest_detectable(n_pairs),
            Rule::Curve => self.curve.evidence.as_ref()?.smallest_detectable?,
        };
        (share <= 1.0).then_some(share)
    }
}

/// Whether the new series costs less at the largest N than its baseline.
fn is_cheaper_at_top(pair: &PairJudgement) -> bool {
    pair.evidence.as_ref().is_some_and(|e| e.new.top_log_cost() < e.old.top_log_cost())
}

/// Whether the largest N, or the step to it, costs more than before. If this is unknown, it may.
fn may_cost_more(pair: &PairJudgement) -> bool {
    pair.evidence.as_ref().is_none_or(|evidence| evidence.is_more_expensive)
}
