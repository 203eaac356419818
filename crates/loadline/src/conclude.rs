//! Judges what a session measured, and prints the result.

use crate::changes;
use crate::committed::Committed;
use crate::saved::{self, profiles};
use loadline_record::{Exit, PROGRAM, Result, Strictness, time};
use loadline_report::model::Facts;
use loadline_scenario::Scenario;
use std::time::Duration;

use loadline_growth::Kind;

use crate::outputs::{Form, Outputs};
use loadline_measure::project::folders::Project;
use loadline_measure::session::escalation::measure_until_sure;
use loadline_measure::session::limit_check;
use loadline_measure::session::measurement::Measurement;
use loadline_record::baseline::Key;
use loadline_record::header::Asked;
use loadline_record::measured::{Measured, MeasuredScenario};
use loadline_verdict::escalation::wishes;
use loadline_verdict::functions::{self, GrowingFunction};
use loadline_verdict::outcome::{Concluded, Report};
use loadline_verdict::reference::BaselineSource;
use loadline_verdict::self_check;

/// Measures the remaining runs, measures undecided series further, and judges.
///
/// # Errors
/// When a run cannot be saved, or the program is interrupted.
pub fn carry_out(
    mut measurement: Measurement<'_>,
    baselines: &Committed,
    asked: &Asked,
) -> Result<Concluded> {
    let budget = Duration::from_secs(asked.budget);
    let decide = |measured: &Measured| {
        let report = judged(measured, baselines);
        let wishes = if asked.quick { Vec::new() } else { wishes(&report) };
        (report, wishes)
    };
    let (mut measured, judged) = measure_until_sure(&mut measurement, decide, budget)?;
    let forecasts = measurement.forecasts(|bench| limit_check::check(bench, &measured))?;
    measured.forecasts = forecasts.to_vec();
    measurement.close()?;
    measured.finished = Some(time::now());
    let functions = growing_functions(&measured, baselines);
    let failures = failures(&measured);
    Ok(Concluded { measured, report: Report { functions, failures, ..judged } })
}

/// Prints `report` and writes it to every requested output. Returns the exit code.
///
/// # Errors
/// When the report cannot be printed or written.
pub fn say(
    report: &Report,
    measured: &Measured,
    project: &Project,
    strictness: Strictness,
    outputs: &Outputs<Form>,
) -> Result<Exit> {
    let facts = facts_of(report, measured, project, strictness);
    outputs.write(None, |form, look| form.render(&facts, look))?;
    Ok(report.exit(strictness))
}

/// The facts of `report`, with what changed since a regressed scenario was as it should be.
pub fn facts_of(
    report: &Report,
    measured: &Measured,
    project: &Project,
    strictness: Strictness,
) -> Facts {
    let texts = |scenario: &Scenario| saved::texts(project, scenario);
    let mut facts = loadline_report::facts(report, measured, &texts, strictness);
    changes::add(&mut facts, project);
    // `report` finds a kept session by the name of its folder. Several merged sessions are no file.
    let kept = format!("{}/", project.sessions().display());
    facts.session.again = match measured.saved.exists() {
        true => facts.session.again.replacen(&kept, "", 1),
        false => {
            let root = measured.again.root_flag();
            format!("{PROGRAM} merge {}{root}", measured.saved.display())
        }
    };
    facts
}

/// Judges `measured`, including the functions that grow.
pub fn report(measured: &Measured, baselines: &Committed) -> Report {
    Report { functions: growing_functions(measured, baselines), ..judged(measured, baselines) }
}

/// Judges `measured` without its functions. Functions need every profile read, and further repetitions do not
/// change them.
fn judged(measured: &Measured, baselines: &Committed) -> Report {
    Report {
        self_checks: self_check::seen(measured, baselines.tau(Kind::Time, &measured.environment)),
        rows: loadline_verdict::judge::judge(measured, baselines),
        functions: Vec::new(),
        failures: failures(measured),
    }
}

/// The functions that grow beyond linear. Each is compared with the other build, or else with its scenario's
/// baseline.
pub fn growing_functions(measured: &Measured, baselines: &Committed) -> Vec<GrowingFunction> {
    if let Some(before) = &measured.before {
        return functions::growing_since(measured, before, &profiles);
    }
    functions::growing(measured, &profiles, |scenario| {
        let fitting = baselines.of(&scenario.name).find(&Key::of(scenario, &measured.environment));
        baselines.insisted().or(fitting)
    })
}

/// The failures of scenarios on one side, one sentence for each cause.
fn by_cause(scenarios: &[MeasuredScenario], by: &str) -> Vec<String> {
    let mut causes: Vec<(&String, Vec<String>)> = Vec::new();
    for one in scenarios {
        for failure in &one.failures {
            let full_name = one.scenario.full_name();
            match causes.iter_mut().find(|(known, _)| *known == failure) {
                Some((_, full_names)) => full_names.push(full_name),
                None => causes.push((failure, vec![full_name])),
            }
        }
    }
    causes
        .iter()
        .map(|(failure, full_names)| format!("{}{by}: {failure}", full_names.join(", ")))
        .collect()
}

/// The failed runs and failed limit checks with their scenarios, one sentence for each cause.
pub fn failures(measured: &Measured) -> Vec<String> {
    let mut failures = by_cause(&measured.scenarios, "");
    let missed = measured.forecasts.iter().filter(|forecast| !forecast.holds);
    failures.extend(missed.map(|forecast| format!("{}: {}", forecast.scenario, forecast.sentence)));
    if let Some(before) = &measured.before {
        let by = format!(" by {}", before.build.name);
        failures.extend(by_cause(&before.scenarios, &by));
    }
    failures
}
