//! The report as JUnit XML: one suite per scenario, one case per judged series. A regression is a failure, an
//! unmeasured series an error. An undecided series is skipped with its reason.

use std::fmt::Write as _;

use crate::session::fact::{fact, function_fact};
use crate::session::model::{Facts, ScenarioFacts, SeriesFacts, Word};
use crate::session::words::{cause_lines, lines, new_functions};

/// Renders the whole document.
pub fn render(facts: &Facts) -> String {
    let mut suites: Vec<Suite> =
        facts.scenarios.iter().map(|scenario| suite_of(facts, scenario)).collect();
    suites.push(suite_of_session(facts));
    let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    suites.iter().for_each(|suite| suite.write(&mut text));
    text.push_str("</testsuites>\n");
    text
}

/// One JUnit suite.
struct Suite {
    name: String,
    started: String,
    seconds: Option<f64>,
    cases: Vec<Case>,
    output: String,
}

/// One JUnit case.
struct Case {
    name: String,
    seconds: Option<f64>,
    status: Status,
    output: String,
}

/// The status of a case.
enum Status {
    Passed,
    /// The case did not pass. This is the XML element that says so, with its type, message and text.
    Not {
        element: &'static str,
        kind: &'static str,
        message: String,
        text: String,
    },
}

impl Suite {
    fn write(&self, text: &mut String) {
        let count = |element: &str| {
            let is = |case: &&Case| matches!(&case.status, Status::Not { element: own, .. } if *own == element);
            self.cases.iter().filter(is).count()
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" timestamp=\"{}\"{}>",
            escaped(&self.name),
            self.cases.len(),
            count("failure"),
            count("error"),
            count("skipped"),
            escaped(&self.started),
            time(self.seconds)
        );
        self.cases.iter().for_each(|case| case.write(text, &self.name));
        let _ = writeln!(text, "    <system-out>{}</system-out>", escaped(&self.output));
        text.push_str("  </testsuite>\n");
    }
}

impl Case {
    fn write(&self, text: &mut String, suite: &str) {
        let (name, suite, time) = (escaped(&self.name), escaped(suite), time(self.seconds));
        let _ =
            writeln!(text, "    <testcase name=\"{name}\" classname=\"loadline.{suite}\"{time}>");
        if let Status::Not { element, kind, message, text: own } = &self.status {
            let (message, own) = (escaped(message), escaped(own));
            let _ = writeln!(
                text,
                "      <{element} type=\"{kind}\" message=\"{message}\">{own}</{element}>"
            );
        }
        if !self.output.is_empty() {
            let _ = writeln!(text, "      <system-out>{}</system-out>", escaped(&self.output));
        }
        text.push_str("    </testcase>\n");
    }
}

/// Formats the attribute for a duration; empty if it is not known.
fn time(seconds: Option<f64>) -> String {
    seconds.map(|seconds| format!(" time=\"{seconds:.3}\"")).unwrap_or_default()
}

fn suite_of(facts: &Facts, scenario: &ScenarioFacts) -> Suite {
    let cases = scenario.judged().map(|series| series_case(scenario, series));
    let grown = new_functions(scenario).map(|function| Case {
        name: format!("{} {}", function.phase, function.shown),
        seconds: None,
        status: Status::Not {
            element: "failure",
            kind: "growing-function",
            message: function_fact(scenario, function),
            text: cause_lines(function).join("\n"),
        },
        output: String::new(),
    });
    Suite {
        name: scenario.full_name.clone(),
        started: facts.session.started.clone(),
        seconds: scenario.seconds,
        cases: cases.chain(grown).collect(),
        output: format!("{}\n{}", scenario.question, scenario.command),
    }
}

/// Builds the suite for the session as a whole: whether the self-check passed, and which runs failed.
fn suite_of_session(facts: &Facts) -> Suite {
    let checks: Vec<String> = facts
        .self_checks
        .iter()
        .map(|check| format!("{}: {}", check.metric, check.sentence))
        .collect();
    let checks = checks.join("\n");
    let error = |kind, message: &str| Status::Not {
        element: "error",
        kind,
        message: message.to_owned(),
        text: String::new(),
    };
    let status = if facts.result.is_self_check_failed {
        error("self-check-failed", &checks)
    } else {
        Status::Passed
    };
    let checked = Case { name: "self-check".to_owned(), seconds: None, status, output: checks };
    let failed = facts.failures.iter().enumerate().map(|(place, failure)| Case {
        name: format!("failed run {}", place + 1),
        seconds: None,
        status: error("failed-run", failure),
        output: String::new(),
    });
    let next = format!("next: {}", facts.result.next);
    let mut lines = vec![facts.result.headline.as_str(), &next];
    lines.extend(facts.remarks.iter().map(String::as_str));
    Suite {
        name: "session".to_owned(),
        started: facts.session.started.clone(),
        seconds: None,
        cases: [checked].into_iter().chain(failed).collect(),
        output: lines.join("\n"),
    }
}

fn series_case(scenario: &ScenarioFacts, series: &SeriesFacts) -> Case {
    let message = fact(scenario, series);
    // JUnit has no attribute for the place of a case that every reader understands.
    let place = format!("{}:{}", series.place.file, series.place.line);
    let text = lines(scenario, series).into_iter().chain([place]).collect::<Vec<_>>().join("\n");
    let output = match series.verdict.is_red() {
        true => String::new(),
        false => format!("{message}\n{text}"),
    };
    let status = match series.verdict {
        Word::Holds | Word::Improved | Word::Observed => Status::Passed,
        Word::Regressed => Status::Not { element: "failure", kind: "regressed", message, text },
        Word::Failed => Status::Not { element: "error", kind: "failed-run", message, text },
        Word::Inconclusive
        | Word::NoBaseline
        | Word::NotGated
        | Word::NotJudged
        | Word::Control => {
            let kind = series.verdict.name();
            Status::Not { element: "skipped", kind, message, text: String::new() }
        }
    };
    Case { name: series.name.to_string(), seconds: series.seconds, status, output }
}

/// Escapes `text` for XML. The last output of a program may contain control characters.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
            c => escaped.push(c),
        }
    }
    escaped
}
