//! Turns a judged session into the facts of its report. It makes or changes no verdict.

use loadline_record::reproduce::shell_quoted;
use loadline_record::time;
use loadline_record::{PROGRAM, Strictness};

use loadline_growth::CheckOutcome as Found;
use loadline_scenario::{Absence, Absent, SeriesName, Workload};

use crate::session::advice::Adviser;
use crate::session::model::functions::function_facts;
use crate::session::model::{
    Against, AgainstKind, BuildFacts, CheckFacts, CheckOutcome, Doubt, Ending, FORMAT, Facts,
    NotCounted, ScenarioFacts, SeriesFacts, SessionFacts, Word,
};
use crate::session::next::next;
use crate::session::places::{Files, ReadTexts};
use crate::session::series::{judged_series, observed_series, without_findings};
use loadline_record::measured::{Measured, MeasuredScenario};
use loadline_verdict::functions::GrowingFunction;
use loadline_verdict::judged::Judged;
use loadline_verdict::outcome::Report;
use loadline_verdict::self_check::SelfCheck;

/// Builds the facts of `report` on `measured`. `texts` finds the files of a scenario.
pub fn facts(
    report: &Report,
    measured: &Measured,
    texts: ReadTexts<'_>,
    strictness: Strictness,
) -> Facts {
    let exit = report.exit(strictness);
    let adviser = Adviser { measured, texts, strictness };
    let asked = measured.scenarios.iter().filter(|m| !m.scenario.workload.is_self_check());
    let mut facts = Facts {
        format: FORMAT,
        loadline: env!("CARGO_PKG_VERSION").to_owned(),
        result: Ending {
            headline: String::new(),
            exit_code: exit.code(),
            status: exit.status(),
            summary: report.summary(),
            is_self_check_failed: report.is_self_check_failed(),
            next: next(report, &adviser),
        },
        session: SessionFacts {
            samples: measured.saved.display().to_string(),
            started: time::rfc3339(measured.started),
            seed: measured.seed,
            shard: measured.part.map(|shard| shard.to_string()),
            seconds: session_seconds(measured),
            again: again(measured),
        },
        environment: measured.environment.clone(),
        against: measured.before.as_ref().map(|before| BuildFacts {
            name: before.build.name.clone(),
            argument: before.build.argument.clone(),
            environment: before.build.environment.clone(),
        }),
        not_counted: not_counted(measured),
        remarks: remarks(measured),
        self_checks: report
            .self_checks
            .iter()
            .map(check)
            .chain(report.unchecked().into_iter().map(unchecked))
            .collect(),
        scenarios: asked.map(|m| scenario_facts(report, m, &adviser)).collect(),
        failures: report.failures.clone(),
    };
    facts.result.headline = facts.headline();
    facts
}

/// Returns the command that prints the report of the session again.
fn again(measured: &Measured) -> String {
    let saved = measured.saved.display().to_string();
    let folder = saved.strip_suffix("/runs.jsonl").unwrap_or(&saved);
    let root = measured.again.root_flag();
    format!("{PROGRAM} report {}{root}", shell_quoted(folder))
}

/// Returns how long the session took. Runs may overlap, and a resumed session has a pause, so this is the shorter
/// one of the time between start and end and the time of all runs.
fn session_seconds(measured: &Measured) -> Option<f64> {
    let before = measured.before.as_ref().map(|before| before.scenarios.as_slice());
    let runs = seconds(measured.scenarios.iter().chain(before.unwrap_or_default()))?;
    let whole = measured.finished.and_then(|finished| finished.checked_sub(measured.started));
    Some(whole.map_or(runs, |whole| runs.min(whole as f64)))
}

/// Adds up how long the runs of `scenarios` took, if that is known.
fn seconds<'a>(scenarios: impl Iterator<Item = &'a MeasuredScenario>) -> Option<f64> {
    let total: f64 = scenarios.flat_map(|one| one.seconds.values()).sum();
    Some(total).filter(|total| *total > 0.0)
}

/// Divides the time of the runs of each collector equally among the judged series that it counted.
fn divide_seconds(series: &mut [SeriesFacts], one: &MeasuredScenario) {
    let collector = |series: &SeriesFacts| one.scenario.collector_of(series.name.metric);
    let is_judged =
        |series: &SeriesFacts| !matches!(series.verdict, Word::Observed | Word::NotJudged);
    for (own, taken) in &one.seconds {
        let is_own = |series: &SeriesFacts| collector(series) == *own && is_judged(series);
        let count = series.iter().filter(|series| is_own(series)).count();
        let part = taken / count as f64;
        series.iter_mut().filter(|series| is_own(series)).for_each(|s| s.seconds = Some(part));
    }
}

fn scenario_facts(report: &Report, one: &MeasuredScenario, adviser: &Adviser<'_>) -> ScenarioFacts {
    let Adviser { measured, texts, .. } = *adviser;
    let (scenario, full_name) = (&one.scenario, one.scenario.full_name());
    let files = Files::of(scenario, &measured.environment, texts(scenario));
    let judged = report.rows.iter().filter(|row| row.scenario == full_name);
    let judged = judged.map(|row| match report.is_self_check_failed() {
        true => unseen(row, one, &files),
        false => {
            let settle = adviser.settle(row);
            let mut facts = judged_series(row, one, &files, settle.as_ref());
            if let Some(known) = row.known.as_ref().filter(|_| report.is_gone(row)) {
                let sentence = known.sentence(&measured.environment);
                // If the entry also accepts other series, only this series is to be removed from it.
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
    divide_seconds(&mut series, one);
    let is_own = |function: &&GrowingFunction| {
        function.scenario == full_name && !report.is_self_check_failed()
    };
    let functions = report.functions.iter().filter(is_own);
    ScenarioFacts {
        command: adviser.regress(one, Some(measured.seed), &[]),
        is_command: matches!(scenario.workload, Workload::Command(_)),
        question: scenario.question.clone(),
        expectation: scenario.expectation.trim().to_owned(),
        file: files.scenario.clone(),
        baseline_file: files.baseline.as_ref().map(|baseline| baseline.file.clone()),
        sizes: scenario.sizes.clone(),
        repetitions: scenario.repetitions,
        seconds: seconds(std::iter::once(one)),
        changes: None,
        series,
        functions: functions.map(function_facts).collect(),
        full_name,
    }
}

/// Lists the sizes that the machine's limits left out, forecasts that came true, and metrics that other
/// collectors replaced.
fn remarks(measured: &Measured) -> Vec<String> {
    let met = measured.forecasts.iter().filter(|forecast| forecast.holds);
    let met = met.map(|forecast| format!("{}: {}", forecast.scenario, forecast.sentence));
    let met = met.chain(stand_in(measured));
    measured.left_out.iter().cloned().chain(met).collect()
}

/// Which wanted metrics CPU clocks and resource usage measure in place of `perf_event` counters.
fn stand_in(measured: &Measured) -> Option<String> {
    let is_asked = |m: &&MeasuredScenario| !m.scenario.workload.is_self_check();
    let asked: Vec<_> = measured.scenarios.iter().filter(is_asked).map(|m| &m.scenario).collect();
    let is_wanted = |absent: &&Absent| {
        let mut wanting = asked.iter().filter(|s| s.metrics().contains(&absent.metric));
        wanting.any(|s| !absent.concerns(&s.workload))
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

/// Lists the metrics that cannot be counted here, one entry per reason.
pub fn not_counted(measured: &Measured) -> Vec<NotCounted> {
    let lacks = |absent: &&Absent| {
        let mut scenarios = measured.scenarios.iter().map(|m| &m.scenario);
        scenarios.any(|s| absent.concerns(&s.workload) && s.metrics().contains(&absent.metric))
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

fn check(check: &SelfCheck) -> CheckFacts {
    let (outcome, found) = match check.outcome {
        Found::Passed => (CheckOutcome::Passed, "found the known growth of 20 %"),
        Found::Undecided => (
            CheckOutcome::Undecided,
            "undecided: this session cannot distinguish growth of 20 % from none; what it calls undecided may be growth",
        ),
        Found::Failed => (
            CheckOutcome::Failed,
            "FAILED: missed the known growth of 20 %, or saw growth in linear work",
        ),
    };
    CheckFacts { metric: check.name.metric.to_string(), outcome, sentence: found.to_owned() }
}

/// Builds the failed self-check of a `collector` that was not checked.
fn unchecked(collector: &str) -> CheckFacts {
    CheckFacts {
        metric: collector.to_owned(),
        outcome: CheckOutcome::Failed,
        sentence: "FAILED: the self-check was not measured".to_owned(),
    }
}

/// Builds the facts of a series in a session whose self-check failed. Its findings are no verdict.
fn unseen(row: &Judged, one: &MeasuredScenario, files: &Files) -> SeriesFacts {
    let against = Against { kind: AgainstKind::Nothing, name: None };
    let doubt = Doubt {
        reason: "the self-check of this session failed, so the session gives no verdict".to_owned(),
        remedy: Some("repeat on a quieter machine".to_owned()),
    };
    let facts = without_findings(row.name, Word::NotJudged, against, one, files);
    SeriesFacts { doubt: Some(doubt), ..facts }
}
