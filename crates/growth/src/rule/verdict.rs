//! Where "regressed" is decided: the rules' findings become one of five words.

use std::fmt;

use super::curve::{CurveJudgement, CurveOptions, CurveVerdict, MIN_SHARE, judge_curve};
use super::doubt::{Doubt, Remedy, Suspicion};
use super::pair::{PairJudgement, PairOptions, PairVerdict, judge_pair};
use crate::input::series::{Kind, Series};
use crate::input::tau::Tau;
use crate::model::shape::Expect;
use crate::numeric::holm::holm;

/// The verdict on one series. Five words.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Verdict {
    /// Growth is what the baseline (or the stated expectation) says.
    Holds,
    /// Growth is less than the baseline's.
    Improved,
    /// Growth is more than the baseline's, or superlinear where none is recorded.
    Regressed,
    /// Neither shown nor excluded.
    Inconclusive(Doubt),
    /// Nothing to judge against.
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

/// What is known about a series beyond its numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JudgeOptions {
    /// The growth that was stated beforehand. Without a baseline, counts are judged against it;
    /// with neither, a series can be found superlinear but never to hold.
    pub expect: Option<Expect>,
    /// The structural floor; the kind's default if `None`.
    pub tau: Option<Tau>,
    /// How often the pair is asked about while data are added, at most (5 in an adaptive loop).
    pub looks: u32,
    /// States that a curve was superlinear before its largest size was added. Then superlinear
    /// counts are no longer suspected of one step in cost per item.
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
    /// What was measured now.
    pub new: &'a Series,
    /// What was accepted last.
    pub old: Option<&'a Series>,
    /// What is known beyond the numbers.
    pub options: JudgeOptions,
}

/// The rule that decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rule {
    /// Against the baseline.
    Pair,
    /// The series by itself.
    Curve,
}

/// A verdict with all its evidence.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// The rule it comes from.
    pub decided_by: Rule,
    /// The pair rule's finding, taken alone; `None` without a baseline.
    pub pair: Option<PairJudgement>,
    /// The pair's p, adjusted for all series judged together.
    pub holm_p: Option<f64>,
    /// The curve rule's finding on the new series. Advisory for time.
    pub curve: CurveJudgement,
    /// The curve rule's finding on the baseline.
    pub baseline_curve: Option<CurveJudgement>,
    /// Where inconclusive: what to measure next.
    pub remedy: Option<Remedy>,
    /// Where inconclusive: the smallest growing share of the cost at the largest N that this run
    /// would have found in half of all cases, 0 to 1; `None` if not even pure growth.
    pub smallest_detectable: Option<f64>,
}

/// Judges one series as if it were the only one; see [`judge_suite`].
#[must_use]
pub fn judge(new: &Series, old: Option<&Series>, options: &JudgeOptions) -> Judgement {
    findings(&Case { new, old, options: *options }).decide(Holm::default(), 1)
}

/// Judges the series of one session together: p-values of the pairs are adjusted by [`holm`], so
/// that one of a hundred unchanged series is not called regressed by accident. Results in the order
/// of `cases`.
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

/// The p-values of one case after [`holm`] over all cases; none where it is judged by itself.
#[derive(Debug, Clone, Copy, Default)]
struct Holm {
    worse: Option<f64>,
    improved: Option<f64>,
}

fn p_of(pair: Option<&PairJudgement>) -> Option<f64> {
    Some(pair?.evidence.as_ref()?.p)
}

/// What the pair rule says with an adjusted p, or with its own where there is none.
fn verdict_of(pair: &PairJudgement, adjusted_p: Option<f64>) -> PairVerdict {
    match (&pair.evidence, adjusted_p.or(p_of(Some(pair)))) {
        (Some(evidence), Some(p)) => evidence.verdict(p),
        _ => pair.verdict,
    }
}

/// What the rules say about one case, before anything is decided.
struct Findings<'a> {
    case: Case<'a>,
    pair: Option<PairJudgement>,
    /// The other way round: what was growth then, and is none now.
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

    /// Growth above the baseline's; and where that is open, growth the baseline does not record.
    /// Where the pair is ok the baseline's shape explains the new curve, whatever each of the two
    /// would be called by itself.
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

    /// What superlinear growth of the new curve amounts to by itself. For time only gross growth
    /// counts: caches make real cost per item rise, so anything less needs a comparison.
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

    /// Whether the baseline records superlinear growth, or may: not enough to call growth new.
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

/// Whether the largest N, or the step to it, costs more than before, as far as that is known.
fn may_cost_more(pair: &PairJudgement) -> bool {
    pair.evidence.as_ref().is_none_or(|evidence| evidence.is_more_expensive)
}
