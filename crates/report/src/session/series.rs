//! The facts of one series (judged, informational or not measured), with its evidence and its costs.

use crate::session::advice::Advice;
use crate::session::evidence::{Case, next_module};
use crate::session::model::{
    Against, AgainstKind, Doubt, Fitted, Interval, KnownIssueFacts, SeriesFacts, SizeFacts, Word,
};
use crate::session::places::Files;
use loadline_growth::{CurveEvidence, CurveOptions, Estimate, Rule, Series, Verdict, judge_curve};
use loadline_record::measured::{Measured, MeasuredScenario, Repetitions};
use loadline_scenario::units::amount;
use loadline_scenario::{Absence, SeriesName};
use loadline_verdict::judged::{Ground, Judged, Outcome};
use loadline_verdict::readings::medians;
use loadline_verdict::scaled::Scaled;
use std::collections::BTreeMap;

/// The standard deviations that a 95 % interval reaches to each side.
const REACH: f64 = 1.96;

pub fn judged_series(
    row: &Judged,
    one: &MeasuredScenario,
    files: &Files,
    settle: Option<&Advice>,
) -> SeriesFacts {
    let doubt = |reason: String, remedy: Option<String>| Some(Doubt { reason, remedy });
    let coarse = one.coarse.get(&row.name).map(|step| coarse_sentence(*step, row.name));
    let left_out = one.too_short.get(&row.name).map(|n| too_short_sentence(*n));
    let of_readings: Vec<String> = left_out.into_iter().chain(coarse).collect();
    let bare = |verdict, doubt| {
        let against = Against { kind: AgainstKind::Nothing, name: None };
        let notes = row.notes.iter().chain(&of_readings).cloned().collect();
        SeriesFacts { doubt, notes, ..without_findings(row.name, verdict, against, one, files) }
    };
    match &row.outcome {
        Outcome::NotJudged(absence) => {
            bare(Word::NotJudged, doubt(absence.to_string(), Some(absence.remedy().to_owned())))
        }
        Outcome::ControlOnly => {
            let reason = "a control: its time alone proves nothing".to_owned();
            with_curve(bare(Word::Control, doubt(reason, None)), one, None)
        }
        Outcome::Failed => {
            let remedy = "look at the failed runs, and measure again".to_owned();
            bare(Word::Failed, doubt("runs failed".to_owned(), Some(remedy)))
        }
        Outcome::Scaled(scaled) => scaled_series(row, scaled, one, files, settle),
        Outcome::Verdict {
            verdict,
            ground,
            judgement,
            costs,
            against,
            other_tail,
            other_costs,
            ..
        } => {
            let (name, one_of_n) = (row.name, one.scenario.unit());
            let (verdict, ground) = (*verdict, *ground);
            let case = Case {
                name,
                one: one_of_n,
                verdict,
                ground,
                judgement,
                against,
                costs,
                other_costs,
                settle,
            };
            let notes = row.notes.iter().chain(&of_readings).cloned().collect();
            let known_issue = row.known.as_ref().map(KnownIssueFacts::of);
            SeriesFacts { known_issue, ..verdict_series(&case, *other_tail, notes, one, files) }
        }
    }
}

/// Builds the facts of a series that the rules judged.
fn verdict_series(
    case: &Case<'_>,
    other_tail: Option<Estimate>,
    mut notes: Vec<String>,
    one: &MeasuredScenario,
    files: &Files,
) -> SeriesFacts {
    let Case { name, verdict, ground, judgement, against, costs, other_costs, settle, .. } = *case;
    let evidence = case.evidence();
    let pair = judgement.pair.as_ref().and_then(|pair| pair.evidence.as_ref());
    let curve = judgement.curve.evidence.as_ref();
    let p = match judgement.decided_by {
        Rule::Pair => judgement.holm_p.or(pair.map(|pair| pair.p)),
        Rule::Curve => curve.map(|curve| curve.p),
    };
    notes.splice(0..0, case.constant_change());
    let shown = match ground {
        Ground::NotGated => Word::NotGated,
        Ground::Rule | Ground::KnownIssue | Ground::Gross => word(verdict),
    };
    let facts = without_findings(name, shown, kind(against), one, files);
    SeriesFacts {
        exponent: curve.and_then(|curve| curve.tail_exponent).and_then(Interval::of),
        other_exponent: other_tail.and_then(Interval::of),
        growth: pair.and_then(|pair| Interval::of(pair.growth)),
        growth_like: pair.map(|pair| pair.growth_name().to_string()),
        p,
        factor: pair.and_then(|pair| Interval::of(pair.constant_factor)),
        superlinear_share: curve.map(|curve| curve.share),
        crossover: curve.and_then(|curve| curve.crossover),
        smallest_detectable: judgement.smallest_detectable,
        consequence: evidence.consequence,
        evidence: evidence.sentences,
        doubt: doubt_of(verdict, ground, settle),
        notes,
        costs: size_facts(name, one, costs, other_costs, curve),
        fitted: Fitted::of(curve),
        other_fitted: Fitted::of(
            judgement.baseline_curve.as_ref().and_then(|c| c.evidence.as_ref()),
        ),
        ..facts
    }
}

/// Describes why a series lacks its smallest sizes, up to N = `largest`.
fn too_short_sentence(largest: usize) -> String {
    let (absence, remedy) = (Absence::TooShort, Absence::TooShort.remedy());
    format!("sizes up to N = {largest} are left out: {absence}; {remedy}")
}

/// Describes a series whose readings are known only to a step.
fn coarse_sentence(step: f64, name: SeriesName) -> String {
    let step = amount(step, name.metric.unit());
    format!(
        "each reading is known to {step} only: child processes ended in this phase, and without perf_event_open their CPU time is known in clock ticks"
    )
}

/// Builds the facts of a time on several threads, compared with one thread.
fn scaled_series(
    row: &Judged,
    scaled: &Scaled,
    one: &MeasuredScenario,
    files: &Files,
    settle: Option<&Advice>,
) -> SeriesFacts {
    let against =
        Against { kind: AgainstKind::OneThread, name: Some(scaled.full_names[1].clone()) };
    let facts = without_findings(row.name, word(scaled.verdict), against, one, files);
    let sentence = scaled.sentence();
    let evidence = scaled.judgement.evidence;
    let is_red = scaled.verdict == Verdict::Regressed;
    let doubt = doubt_of(scaled.verdict, Ground::Rule, settle);
    let reason = doubt.iter().map(|doubt| doubt.reason.clone());
    SeriesFacts {
        speed_up: evidence.and_then(|evidence| Interval::of(evidence.speed_up)),
        control_speed_up: evidence.and_then(|evidence| Interval::of(evidence.control_speed_up)),
        p: evidence.map(|evidence| evidence.p),
        consequence: sentence.clone().filter(|_| is_red),
        evidence: match (scaled.verdict, row.notes.is_empty()) {
            (Verdict::Holds, true) => Vec::new(),
            _ => sentence.into_iter().chain(reason).collect(),
        },
        doubt,
        notes: row.notes.clone(),
        costs: size_facts(row.name, one, &scaled.costs, &scaled.alone, None),
        ..facts
    }
}

/// Returns a report's word for a verdict.
pub fn word(verdict: Verdict) -> Word {
    match verdict {
        Verdict::Holds => Word::Holds,
        Verdict::Improved => Word::Improved,
        Verdict::Regressed => Word::Regressed,
        Verdict::Inconclusive(_) => Word::Inconclusive,
        Verdict::NoBaseline => Word::NoBaseline,
    }
}

fn kind(against: &loadline_verdict::judged::Against) -> Against {
    let (kind, name) = match against {
        loadline_verdict::judged::Against::Baseline => (AgainstKind::Baseline, None),
        loadline_verdict::judged::Against::Control(full_name) => {
            (AgainstKind::Control, Some(full_name.clone()))
        }
        loadline_verdict::judged::Against::Expectation => (AgainstKind::Expectation, None),
        loadline_verdict::judged::Against::Build(name) => (AgainstKind::Build, Some(name.clone())),
        loadline_verdict::judged::Against::Nothing => (AgainstKind::Nothing, None),
    };
    Against { kind, name }
}

fn doubt_of(verdict: Verdict, ground: Ground, settle: Option<&Advice>) -> Option<Doubt> {
    let reason = match (verdict, ground) {
        (Verdict::Inconclusive(doubt), _) => doubt.to_string(),
        (Verdict::NoBaseline, Ground::NotGated) => {
            "superlinear by its own curve, with neither a control nor a baseline to compare it with"
                .to_owned()
        }
        (Verdict::NoBaseline, _) => {
            "there is neither a baseline nor a control to judge it against".to_owned()
        }
        (Verdict::Holds | Verdict::Improved | Verdict::Regressed, _) => return None,
    };
    Some(Doubt { reason, remedy: settle.map(Advice::line) })
}

/// Builds the facts of an informational series, if it was counted.
pub fn observed_series(
    name: SeriesName,
    one: &MeasuredScenario,
    measured: &Measured,
    files: &Files,
) -> Option<SeriesFacts> {
    let full_name = one.scenario.full_name();
    let before = measured.before.as_ref().and_then(|before| {
        let other = before.scenarios.iter().find(|m| m.scenario.full_name() == full_name)?;
        Some((before.build.name.clone(), other.complete(name)?))
    });
    let (against, other) = match before {
        Some((name, other)) => {
            (Against { kind: AgainstKind::Build, name: Some(name) }, Some(other))
        }
        None => (Against { kind: AgainstKind::Nothing, name: None }, None),
    };
    one.complete(name)?;
    let facts = without_findings(name, Word::Observed, against, one, files);
    Some(with_curve(facts, one, other.as_ref()))
}

/// Adds the curves of a series that no rule judged, if the series was counted.
fn with_curve(facts: SeriesFacts, one: &MeasuredScenario, other: Option<&Series>) -> SeriesFacts {
    let Some(series) = one.complete(facts.name) else { return facts };
    let evidence = |series| judge_curve(series, &CurveOptions::default()).evidence;
    let (own, of_other) = (evidence(&series), other.and_then(evidence));
    let curve = own.as_ref();
    let other_costs = other.map(medians).unwrap_or_default();
    let exponent = |curve: &CurveEvidence| curve.tail_exponent.and_then(Interval::of);
    SeriesFacts {
        exponent: curve.and_then(exponent),
        other_exponent: of_other.as_ref().and_then(exponent),
        superlinear_share: curve.map(|curve| curve.share),
        crossover: curve.and_then(|curve| curve.crossover),
        costs: size_facts(facts.name, one, &medians(&series), &other_costs, curve),
        fitted: Fitted::of(curve),
        other_fitted: Fitted::of(of_other.as_ref()),
        ..facts
    }
}

/// Builds the facts of a series without findings, with its costs if it was counted.
pub fn without_findings(
    name: SeriesName,
    verdict: Word,
    against: Against,
    one: &MeasuredScenario,
    files: &Files,
) -> SeriesFacts {
    let costs = one.complete(name).map(|series| medians(&series)).unwrap_or_default();
    SeriesFacts {
        name,
        unit: name.metric.unit(),
        one: one.scenario.unit().to_owned(),
        verdict,
        seconds: None,
        place: files.place(name, against.kind),
        against,
        exponent: None,
        other_exponent: None,
        growth: None,
        growth_like: None,
        p: None,
        factor: None,
        superlinear_share: None,
        crossover: None,
        smallest_detectable: None,
        speed_up: None,
        control_speed_up: None,
        consequence: None,
        evidence: Vec::new(),
        doubt: None,
        notes: Vec::new(),
        known_issue: None,
        costs: size_facts(name, one, &costs, &[], None),
        fitted: Fitted::default(),
        other_fitted: Fitted::default(),
    }
}

/// Builds one row per size.
fn size_facts(
    name: SeriesName,
    one: &MeasuredScenario,
    costs: &[(u64, f64)],
    other_costs: &[(u64, f64)],
    curve: Option<&CurveEvidence>,
) -> Vec<SizeFacts> {
    let repetitions: BTreeMap<u64, &Vec<f64>> = match one.series.get(&name) {
        Some(Repetitions::Complete(rows)) => {
            rows.iter().map(|(n, repetitions)| (*n as u64, repetitions)).collect()
        }
        Some(Repetitions::Missing(_)) | None => BTreeMap::new(),
    };
    let row = |(place, (n, cost)): (usize, &(u64, f64))| {
        let other = other_costs.iter().position(|(other, _)| other == n);
        SizeFacts {
            n: *n,
            cost: *cost,
            per_module: cost / *n as f64,
            next_module: next_module(costs, place),
            interval: curve.and_then(|curve| interval(curve, *n)),
            fitted: curve.map(|curve| curve.fit.cost_at(*n)),
            samples: repetitions
                .get(n)
                .map(|repetitions| (*repetitions).clone())
                .unwrap_or_default(),
            other_cost: other.map(|place| other_costs[place].1),
            other_next_module: other.and_then(|place| next_module(other_costs, place)),
        }
    };
    costs.iter().enumerate().map(row).collect()
}

/// Returns the 95 % interval of the cost at `n`, from two standard deviations of its logarithm.
fn interval(curve: &CurveEvidence, n: u64) -> Option<(f64, f64)> {
    let summary = &curve.summary;
    let place = summary.sizes.iter().position(|size| *size == n as f64)?;
    let (middle, reach) = (summary.log_cost[place], REACH * summary.uncertainty[place]);
    let cost = |log: f64| if summary.is_zero { 0.0 } else { log.exp() };
    Some((cost(middle - reach), cost(middle + reach)))
}

impl Interval {
    /// Converts an estimate; returns `None` if an end of its interval is not finite.
    fn of(estimate: Estimate) -> Option<Interval> {
        let Estimate { value, interval } = estimate;
        let is_known = [value, interval.low, interval.high].into_iter().all(f64::is_finite);
        is_known.then_some(Interval { value, low: interval.low, high: interval.high })
    }
}
