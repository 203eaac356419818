//! The report as JUnit XML: a suite a scenario, a case a judged series. What regressed is a failure,
//! what could not be measured an error, what stayed undecided is skipped with its reason.

use junit_report::{
    Duration, OffsetDateTime, ReportBuilder, TestCase, TestCaseBuilder, TestSuite, TestSuiteBuilder,
};
use loadline_record::{Context, Result};

use super::model::{Facts, ScenarioFacts, SeriesFacts, Word};
use super::words::{culprit_lines, headline, lines, new_symbols};

/// The whole document.
///
/// # Errors
/// When it cannot be written.
pub fn render(facts: &Facts) -> Result<String> {
    let mut report = ReportBuilder::new();
    report.add_testsuites(facts.scenarios.iter().map(|scenario| suite(facts, scenario)));
    report.add_testsuite(of_session(facts));
    let mut text = Vec::new();
    report.build().write_xml(&mut text).context("cannot write the report as JUnit")?;
    let mut text = String::from_utf8(text).context("the JUnit report is no UTF-8")?;
    text.push('\n');
    Ok(text)
}

fn suite(facts: &Facts, scenario: &ScenarioFacts) -> TestSuite {
    let mut suite = begin(facts, &scenario.title);
    suite.add_testcases(scenario.judged().map(|series| series_case(scenario, series)));
    suite.add_testcases(new_symbols(scenario).map(|symbol| {
        let name = format!("{} {}", symbol.phase, symbol.shown);
        let text = culprit_lines(symbol).join("\n");
        let message = format!("{} {}: {}", scenario.title, symbol.phase, symbol.shown);
        let mut case = failure(&name, "growing-symbol", &message, &text);
        of_scenario(&mut case, &scenario.title)
    }));
    suite.set_system_out(&printable(&format!("{}\n{}", scenario.question, scenario.command)));
    suite.build()
}

/// What is said of the session as a whole: that it sees, and which of its runs failed.
fn of_session(facts: &Facts) -> TestSuite {
    let mut suite = begin(facts, "session");
    let teeth: Vec<String> =
        facts.teeth.iter().map(|tooth| format!("{}: {}", tooth.metric, tooth.sentence)).collect();
    let teeth = printable(&teeth.join("\n"));
    let mut case = match facts.result.is_blind {
        true => TestCaseBuilder::error("teeth", Duration::ZERO, "blind", &teeth),
        false => TestCaseBuilder::success("teeth", Duration::ZERO),
    };
    suite.add_testcase(case.set_classname("loadline.session").set_system_out(&teeth).build());
    for (place, failure) in facts.failures.iter().enumerate() {
        let name = format!("failed run {}", place + 1);
        let text = printable(failure);
        let mut case = TestCaseBuilder::error(&name, Duration::ZERO, "failed-run", &text);
        suite.add_testcase(case.set_classname("loadline.session").build());
    }
    let mut lines = vec![facts.result.summary.as_str(), facts.result.next.as_str()];
    lines.extend(facts.remarks.iter().map(String::as_str));
    suite.set_system_out(&printable(&lines.join("\n")));
    suite.build()
}

fn begin(facts: &Facts, name: &str) -> TestSuiteBuilder {
    let mut suite = TestSuiteBuilder::new(name);
    // Times before 1970 are nobody's; the epoch stands for a session that does not say.
    let started = humantime::parse_rfc3339(&facts.session.started).ok();
    suite.set_timestamp(started.map_or(OffsetDateTime::UNIX_EPOCH, OffsetDateTime::from));
    suite
}

fn series_case(scenario: &ScenarioFacts, series: &SeriesFacts) -> TestCase {
    let (name, message) = (series.name.to_string(), printable(&headline(scenario, series)));
    // A case has no attribute for it that every reader of JUnit knows.
    let place = format!("{}:{}", series.place.file, series.place.line);
    let text = lines(scenario, series).into_iter().chain([place]).collect::<Vec<_>>().join("\n");
    let mut case = match series.verdict {
        Word::Holds | Word::Improved | Word::Observed => {
            TestCaseBuilder::success(&name, Duration::ZERO)
        }
        Word::Regressed => failure(&name, "regressed", &message, &text),
        Word::Failed => {
            let mut case = TestCaseBuilder::error(&name, Duration::ZERO, "failed-run", &message);
            case.set_trace(&printable(&text));
            case
        }
        Word::Inconclusive
        | Word::NoBaseline
        | Word::NotGated
        | Word::NotJudged
        | Word::Control => {
            let reason = series.doubt.as_ref().map(|doubt| doubt.reason.as_str());
            // The headline of what is not judged says why.
            let reason = reason.filter(|reason| !message.contains(reason));
            let reason = reason.map(|reason| printable(&format!("{message}: {reason}")));
            let reason = reason.as_ref().unwrap_or(&message);
            TestCaseBuilder::skipped_with_cause(&name, series.verdict.name(), reason)
        }
    };
    if !series.verdict.is_red() {
        case.set_system_out(&printable(&format!("{message}\n{text}")));
    }
    of_scenario(&mut case, &scenario.title)
}

fn failure(name: &str, kind: &str, message: &str, text: &str) -> TestCaseBuilder {
    let message = printable(message);
    let mut case = TestCaseBuilder::failure(name, Duration::ZERO, kind, &message);
    case.set_trace(&printable(text));
    case
}

fn of_scenario(case: &mut TestCaseBuilder, title: &str) -> TestCase {
    case.set_classname(&format!("loadline.{title}")).build()
}

/// What XML can hold: a program's last words may have control characters in them.
fn printable(text: &str) -> String {
    let is_held = |c: &char| !c.is_control() || matches!(c, '\n' | '\t');
    text.chars().filter(is_held).filter(|c| !matches!(c, '\u{fffe}' | '\u{ffff}')).collect()
}
