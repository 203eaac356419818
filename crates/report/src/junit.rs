//! The report as JUnit XML: a suite a scenario, a case a judged series. What regressed is a failure,
//! what could not be measured an error, what stayed undecided is skipped with its reason.

use chrono::DateTime;
use loadline_record::{Context, Result};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::model::{Facts, ScenarioFacts, SeriesFacts, Word};
use crate::words::{culprit_lines, headline, lines, new_symbols};

/// The whole document.
///
/// # Errors
/// When it cannot be written.
pub fn render(facts: &Facts) -> Result<String> {
    let mut report = Report::new("loadline");
    report.add_test_suites(facts.scenarios.iter().map(|scenario| suite(facts, scenario)));
    report.add_test_suite(of_session(facts));
    report.to_string().context("cannot write the report as JUnit")
}

fn suite(facts: &Facts, scenario: &ScenarioFacts) -> TestSuite {
    let mut suite = begin(facts, &scenario.title);
    suite.add_test_cases(scenario.judged().map(|series| series_case(scenario, series)));
    suite.add_test_cases(new_symbols(scenario).map(|symbol| {
        let name = format!("{} {}", symbol.phase, symbol.shown);
        let message = format!("{} {}: {}", scenario.title, symbol.phase, symbol.shown);
        let text = culprit_lines(symbol).join("\n");
        let status = not_passed(NonSuccessKind::Failure, "growing-symbol", &message, &text);
        case(&name, &scenario.title, status)
    }));
    suite.set_system_out(format!("{}\n{}", scenario.question, scenario.command));
    suite
}

/// What is said of the session as a whole: whether its self-check passed, and which runs failed.
fn of_session(facts: &Facts) -> TestSuite {
    let mut suite = begin(facts, "session");
    let teeth: Vec<String> =
        facts.teeth.iter().map(|tooth| format!("{}: {}", tooth.metric, tooth.sentence)).collect();
    let teeth = teeth.join("\n");
    let status = match facts.result.is_blind {
        true => not_passed(NonSuccessKind::Error, "blind", &teeth, ""),
        false => TestCaseStatus::success(),
    };
    let mut checked = case("teeth", "session", status);
    checked.set_system_out(teeth);
    suite.add_test_case(checked);
    for (place, failure) in facts.failures.iter().enumerate() {
        let status = not_passed(NonSuccessKind::Error, "failed-run", failure, "");
        suite.add_test_case(case(&format!("failed run {}", place + 1), "session", status));
    }
    let mut lines = vec![facts.result.summary.as_str(), facts.result.next.as_str()];
    lines.extend(facts.remarks.iter().map(String::as_str));
    suite.set_system_out(lines.join("\n"));
    suite
}

fn begin(facts: &Facts, name: &str) -> TestSuite {
    let mut suite = TestSuite::new(name);
    if let Ok(started) = DateTime::parse_from_rfc3339(&facts.session.started) {
        suite.set_timestamp(started);
    }
    suite
}

fn series_case(scenario: &ScenarioFacts, series: &SeriesFacts) -> TestCase {
    let message = headline(scenario, series);
    // A case has no attribute for the place that every reader of JUnit knows.
    let place = format!("{}:{}", series.place.file, series.place.line);
    let text = lines(scenario, series).into_iter().chain([place]).collect::<Vec<_>>().join("\n");
    let status = match series.verdict {
        Word::Holds | Word::Improved | Word::Observed => TestCaseStatus::success(),
        Word::Regressed => not_passed(NonSuccessKind::Failure, "regressed", &message, &text),
        Word::Failed => not_passed(NonSuccessKind::Error, "failed-run", &message, &text),
        Word::Inconclusive
        | Word::NoBaseline
        | Word::NotGated
        | Word::NotJudged
        | Word::Control => {
            let reason = series.doubt.as_ref().map(|doubt| doubt.reason.as_str());
            // The headline of what is not judged says why.
            let reason = reason.filter(|reason| !message.contains(reason));
            let reason = reason.map(|reason| format!("{message}: {reason}"));
            let mut status = TestCaseStatus::skipped();
            status.set_type(series.verdict.name()).set_message(reason.as_ref().unwrap_or(&message));
            status
        }
    };
    let mut case = case(&series.name.to_string(), &scenario.title, status);
    if !series.verdict.is_red() {
        case.set_system_out(format!("{message}\n{text}"));
    }
    case
}

fn not_passed(kind: NonSuccessKind, of: &str, message: &str, text: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(of).set_message(message);
    if !text.is_empty() {
        status.set_description(text);
    }
    status
}

fn case(name: &str, of: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(name, status);
    case.set_classname(format!("loadline.{of}"));
    case
}
