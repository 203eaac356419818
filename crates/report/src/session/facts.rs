//! A judged session becomes the facts of its report. No verdict is made or changed here.

use loadline_record::time;
use loadline_record::{PROGRAM, Strictness};
use std::collections::BTreeMap;

use loadline_growth::{
    CurveEvidence, CurveOptions, Estimate, Rule, Sight as Seen, Verdict, judge_curve,
};
use loadline_scenario::{Absence, Absent, SeriesName, Subject};

use crate::session::advice::{Advice, Adviser};
use crate::session::evidence::{Case, next_module};
use crate::session::model::{
    Against, AgainstKind, BuildFacts, Doubt, Ending, FORMAT, Facts, Interval, NotCounted, Rung,
    ScenarioFacts, SeriesFacts, SessionFacts, Sight, SymbolCost, SymbolFacts, SymbolStanding,
    Tooth, Word,
};
use crate::session::next::next;
use crate::session::places::{Files, ReadTexts};
use loadline_record::rounds::{Measured, MeasuredScenario, Rounds};
use loadline_scenario::units::amount;
use loadline_verdict::functions::{GrowingSymbol, Standing};
use loadline_verdict::judged::{Ground, Judged, Outcome};
use loadline_verdict::outcome::Report;
use loadline_verdict::readings::medians;
use loadline_verdict::scaled::Scaled;
use loadline_verdict::self_check::Teeth;

/// The standard deviations that a 95 % interval reaches to each side.
const REACH: f64 = 1.96;

/// The facts of this report on `measured`, whose files `texts` finds.
pub fn facts(
    report: &Report,
    measured: &Measured,
    texts: ReadTexts<'_>,
    strictness: Strictness,
) -> Facts {
    let exit = report.exit(strictness);
    let adviser = Adviser { measured, texts, strictness };
    let asked = measured.scenarios.iter().filter(|m| !m.scenario.subject.is_planted());
    Facts {
        format: FORMAT,
        loadline: env!("CARGO_PKG_VERSION").to_owned(),
        result: Ending {
            exit_code: exit.code(),
            status: exit.status(),
            summary: report.summary(),
            is_blind: report.is_blind(),
            next: next(report, &adviser),
        },
        session: SessionFacts {
            samples: measured.saved.display().to_string(),
            started: time::rfc3339(measured.started),
            seed: measured.seed,
            shard: measured.part.map(|shard| shard.to_string()),
        },
        environment: measured.environment.clone(),
        against: measured.before.as_ref().map(|before| BuildFacts {
            name: before.build.name.clone(),
            argument: before.build.argument.clone(),
            environment: before.build.environment.clone(),
        }),
        not_counted: not_counted(measured),
        remarks: remarks(measured),
        teeth: report
            .teeth
            .iter()
            .map(tooth)
            .chain(report.unchecked().into_iter().map(unchecked))
            .collect(),
        scenarios: asked.map(|m| scenario_facts(report, m, &adviser)).collect(),
        failures: report.failures.clone(),
    }
}

fn scenario_facts(report: &Report, one: &MeasuredScenario, adviser: &Adviser<'_>) -> ScenarioFacts {
    let Adviser { measured, texts, .. } = *adviser;
    let (scenario, title) = (&one.scenario, one.scenario.title());
    let files = Files::of(scenario, &measured.environment, texts(scenario));
    let judged = report.rows.iter().filter(|row| row.scenario == title);
    let judged = judged.map(|row| match report.is_blind() {
        true => unseen(row, one, &files),
        false => {
            let settle = adviser.settle(row);
            let mut facts = judged_series(row, one, &files, settle.as_ref());
            if let Some(known) = row.known.as_ref().filter(|_| report.is_gone(row)) {
                let sentence = known.sentence(&measured.environment);
                // Where the entry is for others, too, only this series goes.
                let sentence = match report.keeps_entry(row) {
                    true => sentence.replace("the entry", &format!("{} from the entry", row.name)),
                    false => sentence,
                };
                facts.notes.push(format!("{sentence}; {}", files.entry_to_remove(row.name)));
            }
            facts
        }
    });
    let mut series: Vec<SeriesFacts> = judged.collect();
    let is_judged = |name: &SeriesName| series.iter().any(|judged| judged.name == *name);
    let observed: Vec<_> = scenario.observe.iter().filter(|name| !is_judged(name)).collect();
    series.extend(
        observed.into_iter().filter_map(|name| observed_series(*name, one, measured, &files)),
    );
    let is_own = |symbol: &&GrowingSymbol| symbol.scenario == title && !report.is_blind();
    let symbols = report.symbols.iter().filter(is_own);
    ScenarioFacts {
        command: adviser.regress(one, Some(measured.seed), &[]),
        is_command: matches!(scenario.subject, Subject::Command(_)),
        question: scenario.question.clone(),
        expectation: scenario.expectation.trim().to_owned(),
        file: files.scenario.clone(),
        baseline_file: files.baseline.as_ref().map(|baseline| baseline.file.clone()),
        ladder: scenario.ladder.clone(),
        processes: scenario.processes,
        series,
        symbols: symbols.map(symbol_facts).collect(),
        title,
    }
}

/// What the machine's limits left out, where they end what was measured, and which unwinder it was by
/// its growth.
fn remarks(measured: &Measured) -> Vec<String> {
    let met = measured.forecasts.iter().filter(|forecast| forecast.holds);
    let met = met.map(|forecast| format!("{}: {}", forecast.scenario, forecast.sentence));
    let met = met.chain(stand_in(measured));
    measured.left_out.iter().cloned().chain(met).collect()
}

/// Which wanted metrics CPU clocks and resource usage measure in place of `perf_event` counters.
fn stand_in(measured: &Measured) -> Option<String> {
    let is_asked = |m: &&MeasuredScenario| !m.scenario.subject.is_planted();
    let asked: Vec<_> = measured.scenarios.iter().filter(is_asked).map(|m| &m.scenario).collect();
    let is_wanted = |absent: &&Absent| {
        let mut wanting = asked.iter().filter(|s| s.metrics().contains(&absent.metric));
        wanting.any(|s| !absent.concerns(&s.subject))
    };
    let wanted: Vec<&Absent> = measured.absent.iter().filter(is_wanted).collect();
    let absence = wanted.first()?.absence;
    let metrics: Vec<String> = wanted.iter().map(|absent| absent.metric.to_string()).collect();
    Some(stand_in_sentence(&metrics.join(", "), absence))
}

/// How metrics are measured whose `perf_event` counters are missing.
pub fn stand_in_sentence(metrics: &str, absence: Absence) -> String {
    format!(
        "{metrics}: measured by CPU clocks and resource usage, because perf_event_open is {absence}"
    )
}

/// The metrics that nothing here can count: once for each reason.
pub fn not_counted(measured: &Measured) -> Vec<NotCounted> {
    let lacks = |absent: &&Absent| {
        let mut scenarios = measured.scenarios.iter().map(|m| &m.scenario);
        scenarios.any(|s| absent.concerns(&s.subject) && s.metrics().contains(&absent.metric))
    };
    let mut reasons: Vec<(Absence, Vec<String>)> = Vec::new();
    for absent in measured.absent.iter().filter(lacks) {
        match reasons.iter_mut().find(|(absence, _)| *absence == absent.absence) {
            Some((_, metrics)) => metrics.push(absent.metric.to_string()),
            None => reasons.push((absent.absence, vec![absent.metric.to_string()])),
        }
    }
    let facts = |(absence, metrics): (Absence, Vec<String>)| NotCounted {
        metrics,
        reason: absence.to_string(),
        remedy: absence.remedy().to_owned(),
    };
    reasons.into_iter().map(facts).collect()
}

fn tooth(teeth: &Teeth) -> Tooth {
    let (sight, found) = match teeth.sight {
        Seen::Sees => (Sight::Sees, "a planted 20 % share is seen"),
        Seen::Unsure => (
            Sight::Unsure,
            "this session cannot tell a 20 % share from none; what it calls inconclusive may be growth",
        ),
        Seen::Blind => (
            Sight::Blind,
            "BLIND: a planted 20 % share was called harmless, or none was called growth",
        ),
    };
    Tooth { metric: teeth.name.metric.to_string(), sight, sentence: found.to_owned() }
}

/// Verdicts by `collector` that no self-check stands behind.
fn unchecked(collector: &str) -> Tooth {
    Tooth {
        metric: collector.to_owned(),
        sight: Sight::Blind,
        sentence: "BLIND: the self-check was not measured".to_owned(),
    }
}

/// A series of a session that does not see: whatever was found of it is no verdict.
fn unseen(row: &Judged, one: &MeasuredScenario, files: &Files) -> SeriesFacts {
    let against = Against { kind: AgainstKind::Nothing, name: None };
    let doubt = Doubt {
        reason: "growth planted in this session was not judged right, so it gives no verdict"
            .to_owned(),
        remedy: Some("repeat on a quieter machine".to_owned()),
    };
    let facts = without_findings(row.name, Word::NotJudged, against, one, files);
    SeriesFacts { doubt: Some(doubt), ..facts }
}

fn judged_series(
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
            bare(Word::Control, doubt("a control: its time alone tells nothing".to_owned(), None))
        }
        Outcome::Failed => {
            let remedy = "look at the failed runs, and measure anew".to_owned();
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
            let (name, one_of_n) = (row.name, one.scenario.subject.unit());
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
            let evidence = case.evidence();
            let pair = judgement.pair.as_ref().and_then(|pair| pair.evidence.as_ref());
            let curve = judgement.curve.evidence.as_ref();
            let p = match judgement.decided_by {
                Rule::Pair => judgement.holm_p.or(pair.map(|pair| pair.p)),
                Rule::Curve => curve.map(|curve| curve.p),
            };
            let mut notes: Vec<String> = case.constant_change().into_iter().collect();
            notes.extend(row.notes.iter().chain(&of_readings).cloned());
            let shown = match ground {
                Ground::NotGated => Word::NotGated,
                Ground::Rule | Ground::KnownIssue | Ground::Gross => word(verdict),
            };
            let facts = without_findings(row.name, shown, kind(against), one, files);
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
                costs: rungs(row.name, one, costs, other_costs, curve),
                ..facts
            }
        }
    }
}

/// Why a series lacks its smallest sizes, up to N = `largest`.
fn too_short_sentence(largest: usize) -> String {
    let (absence, remedy) = (Absence::TooShort, Absence::TooShort.remedy());
    format!("sizes up to N = {largest} are left out: {absence}; {remedy}")
}

/// What a reader is told of a series that is known to a step only.
fn coarse_sentence(step: f64, name: SeriesName) -> String {
    let step = amount(step, name.metric.unit());
    format!(
        "each reading is known to {step} only: child processes ended in this phase, and without perf_event_open their CPU time is known in clock ticks"
    )
}

/// The time of several threads, beside that of one.
fn scaled_series(
    row: &Judged,
    scaled: &Scaled,
    one: &MeasuredScenario,
    files: &Files,
    settle: Option<&Advice>,
) -> SeriesFacts {
    let against = Against { kind: AgainstKind::OneThread, name: Some(scaled.titles[1].clone()) };
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
        costs: rungs(row.name, one, &scaled.costs, &scaled.alone, None),
        ..facts
    }
}

/// The word of a report for a verdict.
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
        loadline_verdict::judged::Against::Control(title) => {
            (AgainstKind::Control, Some(title.clone()))
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

/// A series that is shown only, where it was counted.
fn observed_series(
    name: SeriesName,
    one: &MeasuredScenario,
    measured: &Measured,
    files: &Files,
) -> Option<SeriesFacts> {
    let series = one.complete(name)?;
    let costs = medians(&series);
    let title = one.scenario.title();
    let before = measured.before.as_ref().and_then(|before| {
        let other = before.scenarios.iter().find(|m| m.scenario.title() == title)?;
        Some((before.build.name.clone(), medians(&other.complete(name)?)))
    });
    let (against, other_costs) = match before {
        Some((name, costs)) => (Against { kind: AgainstKind::Build, name: Some(name) }, costs),
        None => (Against { kind: AgainstKind::Nothing, name: None }, Vec::new()),
    };
    let curve = judge_curve(&series, &CurveOptions::default()).evidence;
    let tail = curve.as_ref().and_then(|curve| curve.tail_exponent);
    Some(SeriesFacts {
        exponent: tail.and_then(Interval::of),
        superlinear_share: curve.as_ref().map(|curve| curve.share),
        crossover: curve.as_ref().and_then(|curve| curve.crossover),
        costs: rungs(name, one, &costs, &other_costs, curve.as_ref()),
        ..without_findings(name, Word::Observed, against, one, files)
    })
}

/// A series of which nothing is known but what it cost, where even that is.
fn without_findings(
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
        one: one.scenario.subject.unit(),
        verdict,
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
        costs: rungs(name, one, &costs, &[], None),
    }
}

/// One row a rung.
fn rungs(
    name: SeriesName,
    one: &MeasuredScenario,
    costs: &[(u64, f64)],
    other_costs: &[(u64, f64)],
    curve: Option<&CurveEvidence>,
) -> Vec<Rung> {
    let rounds: BTreeMap<u64, &Vec<f64>> = match one.series.get(&name) {
        Some(Rounds::Complete(rows)) => {
            rows.iter().map(|(n, rounds)| (*n as u64, rounds)).collect()
        }
        Some(Rounds::Missing(_)) | None => BTreeMap::new(),
    };
    let row = |(place, (n, cost)): (usize, &(u64, f64))| {
        let other = other_costs.iter().position(|(other, _)| other == n);
        Rung {
            n: *n,
            cost: *cost,
            per_module: cost / *n as f64,
            next_module: next_module(costs, place),
            interval: curve.and_then(|curve| interval(curve, *n)),
            fitted: curve.map(|curve| curve.fit.cost_at(*n)),
            rounds: rounds.get(n).map(|rounds| (*rounds).clone()).unwrap_or_default(),
            other_cost: other.map(|place| other_costs[place].1),
            other_next_module: other.and_then(|place| next_module(other_costs, place)),
        }
    };
    costs.iter().enumerate().map(row).collect()
}

/// Within what the cost of `n` lies: two standard deviations of its logarithm.
fn interval(curve: &CurveEvidence, n: u64) -> Option<(f64, f64)> {
    let summary = &curve.summary;
    let place = summary.sizes.iter().position(|size| *size == n as f64)?;
    let (middle, reach) = (summary.log_cost[place], REACH * summary.uncertainty[place]);
    let cost = |log: f64| if summary.is_zero { 0.0 } else { log.exp() };
    Some((cost(middle - reach), cost(middle + reach)))
}

impl Interval {
    /// `None` where an end is nowhere.
    fn of(estimate: Estimate) -> Option<Interval> {
        let Estimate { value, interval } = estimate;
        let is_known = [value, interval.low, interval.high].into_iter().all(f64::is_finite);
        is_known.then_some(Interval { value, low: interval.low, high: interval.high })
    }
}

fn symbol_facts(growing: &GrowingSymbol) -> SymbolFacts {
    let GrowingSymbol { scenario, phase, symbol, series, formula, share, hidden, .. } = growing;
    let (standing, standing_text) = match &growing.standing {
        Standing::Known { until, .. } => {
            (SymbolStanding::Known, format!("known, accepted until {until}"))
        }
        Standing::Accepted => (SymbolStanding::Accepted, "as in the baseline".to_owned()),
        Standing::AsBefore => (SymbolStanding::Accepted, "as before".to_owned()),
        Standing::Negligible => (
            SymbolStanding::Negligible,
            format!("below 20 % of load + unload up to N = {}", hidden.horizon),
        ),
        Standing::Doubtful => (
            SymbolStanding::Doubtful,
            format!("bent, so not extrapolated; {PROGRAM} explain {scenario} shows it"),
        ),
        Standing::Regressed => (SymbolStanding::Regressed, "REGRESSED".to_owned()),
    };
    let top_size = series.top_size();
    let cause = growing.cause();
    let own = |costs: &Vec<f64>| costs.first().copied();
    let costs = series.sizes().iter().zip(series.costs().iter().map(own));
    SymbolFacts {
        phase: phase.to_string(),
        function: symbol.function.clone(),
        object: symbol.object.clone(),
        caller: growing.grows_for.clone(),
        shown: growing.shown(),
        formula: formula.to_string(),
        share: *share,
        top: top_size,
        standing,
        standing_text,
        hidden_until: hidden.visible_from.filter(|n| *n > top_size),
        cause: cause.map(|known| known.cause.to_owned()),
        remedy: cause.map(|known| known.remedy.to_owned()),
        reference: cause.map(|known| known.reference.to_owned()),
        costs: costs.filter_map(|(n, cost)| Some(SymbolCost { n: *n, cost: cost? })).collect(),
    }
}
