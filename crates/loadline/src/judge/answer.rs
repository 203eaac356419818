//! The answer of the growth rules about each series.

use loadline_growth::{
    CurveOptions, CurveVerdict, Doubt, Estimate, Interval, Kind, PairJudgement, PairOptions,
    PairVerdict, Series, holm, judge_curve, judge_pair,
};
use serde::Serialize;

use super::series::{Named, Question};

/// The answer about one series, in the form that other programs read.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// `superlinear` for a curve or `worse` for a pair; `ok`; or `inconclusive`.
    pub verdict: &'static str,
    /// The scaling exponent of a curve, or the growth share E of a pair.
    pub exponent: Option<f64>,
    pub lo: Option<f64>,
    pub hi: Option<f64>,
    /// The quantity that `exponent`, `lo` and `hi` state.
    pub interval_of: IntervalOf,
    /// The superlinear share of a curve at its largest N, or the growth share E of a pair.
    pub share: Option<f64>,
    pub p: Option<f64>,
    /// The reason for an inconclusive answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    /// Further facts that a reader should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Whether the answer fails a gate.
    #[serde(skip)]
    pub is_red: bool,
}

/// The quantity that an interval is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum IntervalOf {
    /// The exponent k in cost ~ N^k.
    ScalingExponent,
    /// The growth share E of a pair.
    GrowthShare,
}

impl Answer {
    /// Whether the series grows, or growth could not be excluded.
    pub fn is_open(&self) -> bool {
        self.verdict != "ok"
    }
}

const ADVISORY: &str = "advice only, no failed gate: caches also raise the time per item, so a curve of times fails a gate only where each of its last two doublings costs over three times as much. To gate on less growth, compare with a base";

/// The test `a_machine_that_slows_down_is_growth_unless_sizes_are_interleaved` measured these numbers.
const IN_SEQUENCE: &str = "not interleaved: if the machine becomes slower while it measures size after size, this looks like growth. In simulation, slowing by 30 % made 100 % of unchanged pairs worse at 1 % noise, and 17 % at 5 %. With interleaved repetitions it was 0.3 % at most. Measure every size of both sides once per repetition, and state \"interleaved\": true";

/// Returns one answer for each of `series`. With `is_suite`, p-values are adjusted for the number of series.
pub fn answers(series: &[Named], is_suite: bool) -> Vec<Answer> {
    let pairs = series.iter().map(|named| match &named.question {
        Question::Curve(_) => None,
        Question::Pair { base, new } => Some(judge_pair(new, base, &PairOptions::default())),
    });
    let pairs: Vec<Option<PairJudgement>> = pairs.collect();
    let p = |pair: &PairJudgement| pair.evidence.as_ref().map(|evidence| evidence.p);
    let raw: Vec<f64> = pairs.iter().flatten().filter_map(p).collect();
    let mut adjusted = if is_suite { holm(&raw) } else { raw }.into_iter();
    let mut answers = Vec::with_capacity(series.len());
    for (named, pair) in series.iter().zip(&pairs) {
        let judged = named.question.judged();
        let mut answer = match pair {
            Some(pair) => {
                let p = pair.evidence.as_ref().and_then(|_| adjusted.next());
                pair_answer(pair, p, judged)
            }
            None => curve_answer(judged),
        };
        answer.notes.extend(named.notes.iter().cloned());
        answers.push(answer);
    }
    answers
}

fn curve_answer(series: &Series) -> Answer {
    let judgement = judge_curve(series, &CurveOptions::default());
    let (verdict, doubt) = match judgement.verdict {
        CurveVerdict::Superlinear => ("superlinear", None),
        CurveVerdict::Ok => ("ok", None),
        CurveVerdict::Inconclusive(doubt) => ("inconclusive", Some(doubt)),
    };
    let evidence = judgement.evidence.as_ref();
    let tail = evidence.and_then(|evidence| evidence.tail_exponent);
    let is_superlinear = judgement.verdict == CurveVerdict::Superlinear;
    let is_red = is_superlinear && (series.kind() == Kind::Count || judgement.is_gross());
    Answer {
        share: evidence.map(|evidence| evidence.share),
        p: evidence.map(|evidence| evidence.p),
        notes: (is_superlinear && !is_red).then(|| ADVISORY.to_owned()).into_iter().collect(),
        is_red,
        ..assembled(verdict, IntervalOf::ScalingExponent, tail, doubt)
    }
}

fn pair_answer(pair: &PairJudgement, p: Option<f64>, new: &Series) -> Answer {
    let evidence = pair.evidence.as_ref();
    let verdict = match (evidence, p) {
        (Some(evidence), Some(p)) => evidence.verdict(p),
        _ => pair.verdict,
    };
    let (word, doubt) = match verdict {
        PairVerdict::Worse => ("worse", None),
        PairVerdict::Ok => ("ok", None),
        PairVerdict::Inconclusive(doubt) => ("inconclusive", Some(doubt)),
    };
    let growth = evidence.map(|evidence| evidence.growth).or_else(|| {
        // Both sides have the same counts, or no cost at all.
        let none = Estimate { value: 0.0, interval: Interval { low: 0.0, high: 0.0 } };
        (verdict == PairVerdict::Ok).then_some(none)
    });
    let is_in_sequence = !new.is_interleaved() && !new.is_exact();
    Answer {
        share: growth.map(|growth| growth.value),
        p,
        notes: is_in_sequence.then(|| IN_SEQUENCE.to_owned()).into_iter().collect(),
        is_red: verdict == PairVerdict::Worse,
        ..assembled(word, IntervalOf::GrowthShare, growth, doubt)
    }
}

fn assembled(
    verdict: &'static str,
    interval_of: IntervalOf,
    estimate: Option<Estimate>,
    doubt: Option<Doubt>,
) -> Answer {
    Answer {
        verdict,
        interval_of,
        exponent: estimate.map(|estimate| estimate.value),
        lo: estimate.map(|estimate| estimate.interval.low),
        hi: estimate.map(|estimate| estimate.interval.high),
        why: doubt.map(|doubt| doubt.to_string()),
        share: None,
        p: None,
        notes: Vec::new(),
        is_red: false,
    }
}
