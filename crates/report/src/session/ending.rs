//! Builds the facts of sessions without a measurement, and single lines that verbs print outside a report.

use loadline_growth::Verdict;
use loadline_record::measured::Measured;
use loadline_record::{Exit, Strictness};
use loadline_scenario::Workload;
use loadline_verdict::outcome::Report;

use crate::session::facts::{facts, not_counted};
use crate::session::places::ReadTexts;
use crate::session::series::word as word_of;
use crate::{model, text};

/// Builds the facts of a session that measured nothing, because both sides run the same program.
pub fn same_program(measured: &Measured, texts: ReadTexts<'_>) -> model::Facts {
    let report = Report {
        self_checks: Vec::new(),
        rows: Vec::new(),
        functions: Vec::new(),
        failures: Vec::new(),
    };
    let mut facts = facts(&report, measured, texts, Strictness::default());
    facts.result = model::Ending {
        headline: "OK, both sides run the same program".to_owned(),
        exit_code: Exit::Clean.code(),
        status: Exit::Clean.status(),
        summary: "both sides run the same program".to_owned(),
        is_self_check_failed: false,
        next: "nothing to do".to_owned(),
    };
    facts
}

/// Describes the machine and the build of a session in one line.
pub fn environment_line(measured: &Measured) -> String {
    let asked = measured.scenarios.iter().filter(|m| !m.scenario.workload.is_self_check());
    let mut asked = asked.map(|m| matches!(m.scenario.workload, Workload::Command(_))).peekable();
    measured.environment.line_of(asked.peek().is_some() && asked.all(|is_command| is_command))
}

/// Lists the metrics that cannot be counted here, one line per reason with its remedy.
pub fn absent_lines(measured: &Measured) -> Vec<String> {
    not_counted(measured).iter().map(text::not_counted_line).collect()
}

/// Returns the word for a verdict on screen.
pub fn word(verdict: Verdict) -> &'static str {
    text::word(word_of(verdict))
}
