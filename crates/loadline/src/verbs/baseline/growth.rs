//! Makes the baseline of a scenario. Two halves of the repetitions must agree, and growth must be stated.

use crate::saved::profiles;
use loadline_growth::{
    CurveOptions, CurveVerdict, Estimate, Expect, PairOptions, PairVerdict, Series, judge_curve,
    judge_pair,
};
use loadline_measure::out;
use loadline_record::baseline::{Accepted, AcceptedFunction, Baseline, Key};
use loadline_record::header::Capture;
use loadline_record::measured::series;
use loadline_record::measured::{Measured, MeasuredScenario, Repetitions, why_absent};
use loadline_record::profile::SavedFunction;
use loadline_record::reproduce::Again;
use loadline_record::time;
use loadline_record::{Error, Exit, Result};
use loadline_scenario::{Absence, Metric, MetricKind, SeriesName};
use loadline_verdict::functions::{self, GrowingFunction, Reference, Standing};
use loadline_verdict::known::{Entry, Present, curve, is_steeper_than_quadratic};

/// Makes the baseline of one scenario. Also returns the series whose growth the scenario's file has to state
/// from now on.
///
/// # Errors
/// When a run failed or has no reading of a judged series that this machine counts. When two measurements of
/// a series disagree. When a series grows beyond linear and neither the file nor the command line accepts it.
pub fn baseline(
    one: &MeasuredScenario,
    measured: &Measured,
    capture: &Capture,
) -> Result<(Baseline, Vec<SeriesName>)> {
    if let Some(failure) = one.failures.first() {
        return Err(Error::new(Exit::CouldNotMeasure, failure.clone()));
    }
    // callgrind cannot count every command, or not its phases. No session counts such a series.
    let is_uncountable =
        |absence| matches!(absence, Absence::NotUnderValgrind | Absence::PhasesNotSeparated);
    let is_absent = |name: &SeriesName, absence| {
        why_absent(&one.scenario, name.metric, &measured.absent).is_some()
            || is_uncountable(absence)
    };
    let mut series = Vec::new();
    for name in &one.scenario.judge {
        match one.series.get(name) {
            Some(Repetitions::Complete(repetitions)) => {
                series.push(accept(one, *name, repetitions, measured)?)
            }
            // This machine counts the series, but not in every run. Without an error the series would stay
            // undecided in every session.
            Some(Repetitions::Missing(absence)) if !is_absent(name, *absence) => {
                let text = format!("a run has no {name}: {absence}; {}", absence.remedy());
                return Err(Error::new(Exit::CouldNotMeasure, text));
            }
            Some(Repetitions::Missing(absence)) => {
                out::note(format_args!(
                    "{} {name} is left out: {absence}",
                    one.scenario.full_name()
                ));
            }
            None => {}
        }
    }
    if series.is_empty() {
        let text = "none of its judged series can be counted here";
        return Err(Error::new(Exit::CouldNotMeasure, text));
    }
    series.sort_by_key(|accepted| accepted.name);
    let (functions, growing) = accepted_functions(one, measured)?;
    let mut grown = growing;
    grown.extend(series.iter().filter(|s| is_unstated(one, s, measured)).map(|s| s.name));
    grown.sort();
    grown.dedup();
    if !grown.is_empty() && capture.accept.is_none() {
        return Err(refusal(one, &grown));
    }
    let baseline = Baseline {
        key: Key::of(&one.scenario, &measured.environment),
        reason: capture.reason.clone(),
        date: time::date(time::now()),
        seed: measured.seed,
        sizes: capture.sizes.get(&one.scenario.full_name()).unwrap_or(&one.scenario.sizes).clone(),
        noise_floor: capture.floor.clone(),
        environment: measured.environment.clone(),
        series,
        functions,
    };
    Ok((baseline, grown))
}

/// The error about growth that the file does not state. It names both remedies.
fn refusal(one: &MeasuredScenario, grown: &[SeriesName]) -> Error {
    let names: Vec<String> = grown.iter().map(SeriesName::to_string).collect();
    let text = format!(
        "superlinear: {}, and the scenario's file gives no reason; fix it, or accept it as a known issue: {}",
        names.join(", "),
        Again::default().baseline(
            &one.scenario,
            "--reason TEXT --accept-superlinear --link URL --expires DATE"
        )
    );
    Error::new(Exit::Regressed, text)
}

/// The functions that grow beyond linear, and the series of the growing functions that the scenario's file
/// does not state.
///
/// # Errors
/// When a function grows faster than any known issue may accept.
fn accepted_functions(
    one: &MeasuredScenario,
    measured: &Measured,
) -> Result<(Vec<AcceptedFunction>, Vec<SeriesName>)> {
    let Some(profiles) = profiles(one) else { return Ok(Default::default()) };
    let reference = Reference::Accepted(None);
    let found = functions::of_measured(one, &profiles, &Present::of(measured), reference);
    let (mut functions, mut unstated) = (Vec::new(), Vec::new());
    for GrowingFunction { phase, saved, series, standing, formula, .. } in found {
        let name = SeriesName::new(phase, Metric::CallgrindInstructions);
        match standing {
            Standing::Known { .. } => {}
            Standing::Regressed if is_steeper_than_quadratic(&series, None) => {
                let function = format!("{} in {phase} ({formula} instructions)", saved.function);
                return Err(steeper(&function));
            }
            Standing::Regressed => unstated.push(name),
            Standing::Accepted
            | Standing::AsBefore
            | Standing::Negligible
            | Standing::Doubtful
            | Standing::Inexact => continue,
        }
        let SavedFunction { object, function, .. } = saved;
        functions.push(AcceptedFunction { phase, object, function, series });
    }
    functions
        .sort_by(|a, b| (a.phase, &a.object, &a.function).cmp(&(b.phase, &b.object, &b.function)));
    Ok((functions, unstated))
}

/// The error about growth that no known issue may accept.
fn steeper(what: &str) -> Error {
    let text =
        format!("{what} grows faster than N², but a known issue accepts N² at most (fix it)");
    Error::new(Exit::Regressed, text)
}

fn accept(
    one: &MeasuredScenario,
    name: SeriesName,
    repetitions: &[(usize, Vec<f64>)],
    measured: &Measured,
) -> Result<Accepted> {
    agree(name, repetitions)?;
    let series = series(name, repetitions)?;
    let own = judge_curve(&series, &CurveOptions::default());
    if is_superlinear(one, name, &series, own.verdict, measured)
        && is_steeper_than_quadratic(&series, None)
    {
        return Err(steeper(&name.to_string()));
    }
    if own.verdict == CurveVerdict::Ok && known(one, name, measured).is_some() {
        let full_name = one.scenario.full_name();
        out::note(format_args!(
            "{full_name} {name}: known issue not seen; remove its entry if it is not seen elsewhere"
        ));
    }
    let tail = own.evidence.and_then(|evidence| evidence.tail_exponent);
    let tail = tail.map(|Estimate { value, interval }| [value, interval.low, interval.high]);
    Ok(Accepted { name, series, tail })
}

/// The unexpired known issue by which the scenario accepts the growth of `name`.
fn known<'a>(
    one: &'a MeasuredScenario,
    name: SeriesName,
    measured: &Measured,
) -> Option<Entry<'a>> {
    let known = one.scenario.known(name, &measured.environment.unwinder_family)?;
    Some(Entry::of(known, &Present::of(measured))).filter(|entry| !entry.has_expired)
}

/// Whether a series grows beyond linear and its scenario does not state that.
fn is_unstated(one: &MeasuredScenario, accepted: &Accepted, measured: &Measured) -> bool {
    let Accepted { name, series, .. } = accepted;
    let own = curve(series, Expect::LinearLog, None);
    known(one, *name, measured).is_none() && is_superlinear(one, *name, series, own, measured)
}

/// Compares the first half of the repetitions with the second, as two measurements.
///
/// # Errors
/// When one half grows faster than the other. An unchanged program does not do that.
fn agree(name: SeriesName, repetitions: &[(usize, Vec<f64>)]) -> Result<()> {
    if repetitions.iter().all(|(_, costs)| costs.len() == 1) {
        // The count is exact: a repeated run has proven it.
        return Ok(());
    }
    let half = |second: bool| {
        let rows = repetitions.iter().map(|(n, costs)| {
            let (one, two) = costs.split_at(costs.len() / 2);
            (*n, if second { two.to_vec() } else { one.to_vec() })
        });
        series(name, &rows.collect::<Vec<_>>())
    };
    let (first, second) = (half(false)?, half(true)?);
    let worse = |new, old| {
        let pair = judge_pair(new, old, &PairOptions::default());
        pair.evidence.filter(|_| pair.verdict == PairVerdict::Worse)
    };
    let Some(evidence) = worse(&first, &second).or_else(|| worse(&second, &first)) else {
        return Ok(());
    };
    let share = evidence.growth.value * 100.0;
    let text = format!(
        "two measurements of {name} do not agree: {share:.0} % of the one at the largest N grows faster than the other (repeat on a quieter machine)"
    );
    Err(Error::new(Exit::CouldNotMeasure, text))
}

/// Whether `series` provably grows beyond linear. `own` is the verdict on its own curve. A time with a
/// control is compared with the control, because caches bend a time's curve.
fn is_superlinear(
    one: &MeasuredScenario,
    name: SeriesName,
    series: &Series,
    own: CurveVerdict,
    measured: &Measured,
) -> bool {
    let is_time = name.metric.kind() == MetricKind::Time;
    match loadline_verdict::readings::control_series(&one.scenario, name, measured)
        .filter(|_| is_time)
    {
        Some(control) => {
            judge_pair(series, &control, &PairOptions::default()).verdict == PairVerdict::Worse
        }
        // A control has no control of its own, so only growth that no cache explains counts.
        None if is_time && one.scenario.is_control() => {
            judge_curve(series, &CurveOptions::default()).is_gross()
        }
        None => own == CurveVerdict::Superlinear,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;

    use loadline_record::{Acceptance, Floor};
    use loadline_scenario::{Absent, Environment, Scenario, Unwinder};

    use super::*;

    const SCENARIO: &str = r#"
format = 2
question = "Does memory stay linear in N?"
expectation = "Quadratic under libgcc-list."
load_order = "hold-all"
judge = ["load/resident-bytes"]
sizes = { from = 64, to = 4096, factor = 2 }

[[known_issue]]
series = ["load/resident-bytes"]
unwinders = ["libgcc-list"]
class = "quadratic"
reason = "a table as long as the largest index"
link = "https://example.org/1"
expires = "wasmtime 52"
"#;

    /// A session of `SCENARIO` on wasmtime 48 under libgcc-list.
    fn measured(cost: fn(f64) -> f64) -> Measured {
        let scenario = Scenario::parse("memory", SCENARIO).unwrap();
        let name = scenario.judge[0];
        let rows = scenario.sizes.iter().map(|&n| (n, vec![cost(n as f64); 5]));
        let series = [(name, Repetitions::Complete(rows.collect()))].into();
        let environment = Environment {
            wasmtime: "48.0.8".to_owned(),
            unwinder_family: "libgcc-list".to_owned(),
            ..loadline_record::fixtures::environment()
        };
        Measured {
            today: "2026-11-23".to_owned(),
            environment,
            absent: Vec::new(),
            scenarios: vec![MeasuredScenario {
                unrepeated: Vec::new(),
                profiles: Vec::new(),
                scenario,
                series,
                n_larger: 0,
                coarse: BTreeMap::new(),
                too_short: BTreeMap::new(),
                failures: Vec::new(),
                is_given_up: false,
                seconds: BTreeMap::new(),
            }],
            saved: "samples".into(),
            started: 0,
            finished: None,
            seed: 1,
            left_out: Vec::new(),
            forecasts: Vec::new(),
            part: None,
            before: None,
            again: Again::default(),
        }
    }

    fn capture() -> Capture {
        Capture {
            machine: loadline_record::Machine::under(&Unwinder::Host),
            reason: "a reason".to_owned(),
            accept: None,
            floor: Floor::default(),
            sizes: BTreeMap::new(),
        }
    }

    fn accepted(measured: &Measured) -> Result<Accepted> {
        let capture = capture();
        let (mut baseline, _) = baseline(&measured.scenarios[0], measured, &capture)?;
        Ok(baseline.series.remove(0))
    }

    fn linear(n: f64) -> f64 {
        1e6 + 4096.0 * n
    }

    fn quadratic(n: f64) -> f64 {
        linear(n) + 8.0 * n * n
    }

    #[test]
    fn linear_growth_needs_no_acceptance() {
        assert!(accepted(&measured(linear)).is_ok());
    }

    #[test]
    fn known_growth_is_accepted_unless_it_is_steeper() {
        assert!(accepted(&measured(quadratic)).is_ok());
        let refusal = accepted(&measured(|n| linear(n) + 1e-2 * n * n * n)).unwrap_err();
        assert!(refusal.to_string().contains("faster than N²"), "{refusal}");
    }

    /// Growth that no file states is accepted by the command line and then written down.
    #[test]
    fn unstated_growth_is_accepted_by_the_command_line_alone() {
        let mut measured = measured(quadratic);
        measured.scenarios[0].scenario.known_issue.clear();
        let accept = Acceptance {
            link: "https://example.org/2".to_owned(),
            expires: "2999-01-01".to_owned(),
        };
        let capture = Capture { accept: Some(accept), ..capture() };
        let (_, grown) = baseline(&measured.scenarios[0], &measured, &capture).unwrap();
        assert_eq!(grown, measured.scenarios[0].scenario.judge[..1]);
    }

    #[test]
    fn growth_that_nobody_states_is_refused() {
        let refuse = |change: fn(&mut Measured)| {
            let mut measured = measured(quadratic);
            change(&mut measured);
            let refusal = accepted(&measured).unwrap_err();
            assert_eq!(refusal.exit(), Exit::Regressed);
            assert!(refusal.to_string().contains("--accept-superlinear"), "{refusal}");
        };
        refuse(|measured| measured.scenarios[0].scenario.known_issue.clear());
        refuse(|measured| measured.environment.unwinder_family = "libgcc-tree".to_owned());
        refuse(|measured| measured.environment.wasmtime = "52.0.0".to_owned());
    }

    /// Only the second half of the repetitions grows.
    #[test]
    fn two_measurements_that_do_not_agree_are_refused() {
        let name: SeriesName = "unload/task-clock".parse().unwrap();
        let rows = |late: f64| -> Vec<(usize, Vec<f64>)> {
            let row = |n: usize| {
                let cost = |repetition: usize| {
                    let share = if repetition < 5 { 0.0 } else { late };
                    let jitter = 1.0 + 0.004 * (((n + 7 * repetition) % 5) as f64 - 2.0);
                    1e4 * n as f64 * (1.0 + share * n as f64 / 4096.0) * jitter
                };
                (n, (0..10).map(cost).collect())
            };
            (6..=12).map(|k| row(1 << k)).collect()
        };
        agree(name, &rows(0.0)).unwrap();
        let refusal = agree(name, &rows(0.5)).unwrap_err();
        assert_eq!(refusal.exit(), Exit::CouldNotMeasure);
        assert!(refusal.to_string().contains("do not agree"), "{refusal}");
    }

    #[test]
    fn what_was_not_measured_is_refused() {
        let refuse = |change: fn(&mut MeasuredScenario)| {
            let mut measured = measured(linear);
            change(&mut measured.scenarios[0]);
            assert_eq!(accepted(&measured).unwrap_err().exit(), Exit::CouldNotMeasure);
        };
        refuse(|one| one.failures.push("N = 64, repetition 1: the runner ended early".to_owned()));
        refuse(|one| {
            one.series.insert(one.scenario.judge[0], Repetitions::Missing(Absence::NotOffered));
        });
    }

    /// One of two judged series has no reading in one run.
    #[test]
    fn a_series_that_a_run_lacks_is_not_left_out() {
        let lacks = |absence, is_counted_here: bool| {
            let mut measured = measured(linear);
            let lacking: SeriesName = "load/page-faults".parse().unwrap();
            if !is_counted_here {
                measured.absent.push(Absent::everywhere(lacking.metric, absence));
            }
            let one = &mut measured.scenarios[0];
            one.scenario.judge.push(lacking);
            one.series.insert(lacking, Repetitions::Missing(absence));
            accepted(&measured)
        };
        assert!(lacks(Absence::NeverRan, false).is_ok(), "a machine without it accepts the rest");
        assert!(lacks(Absence::NotUnderValgrind, true).is_ok(), "no session counts it");
        for absence in [Absence::NeverRan, Absence::NotMeasured, Absence::NotAcknowledged] {
            let refusal = lacks(absence, true).unwrap_err();
            assert_eq!(refusal.exit(), Exit::CouldNotMeasure);
            assert!(refusal.to_string().contains("a run has no load/page-faults"), "{refusal}");
        }
    }
}
