//! The text of `-v`: every series with its figures, and every growing function.

use std::collections::BTreeSet;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use loadline_record::PROGRAM;

use super::Look;
use super::lines::{wrapped, wrapped_command};
use crate::forms::plot::cost_plot;
use crate::session::model::{
    AgainstKind, Changes, CheckFacts, CheckOutcome, Facts, FunctionFacts, FunctionStanding,
    Interval, NotCounted, ScenarioFacts, SeriesFacts, Word,
};
use crate::session::words::{LEGEND, culprit_line, verdict, without_exponent};
use crate::trimmed;

/// The width of a plot if the terminal's width is unknown.
const USUAL_WIDTH: usize = 100;

/// Renders every series, with the headline and the environment above and the next command below.
pub fn lines(facts: &Facts, look: Look) -> Vec<String> {
    let mut lines = wrapped(&format!("loadline: {}", facts.result.headline), look.width);
    let mut text = vec![facts.environment_line()];
    text.extend(facts.against.as_ref().map(|build| {
        let named = format!("wasmtime {}", build.environment.wasmtime);
        let on = if build.name == named { String::new() } else { format!(", on {named}") };
        format!("measured in turn with, and judged against: {}{on}", build.name)
    }));
    text.extend(facts.remarks.iter().cloned());
    text.extend(facts.not_counted.iter().map(not_counted_line));
    text.extend(self_check_lines(facts));
    lines.extend(text.iter().flat_map(|line| wrapped(line, look.width)));
    lines.push(String::new());
    if !facts.result.is_self_check_failed {
        lines.extend(table(facts, look));
        lines.push(format!(" {LEGEND}"));
        lines.push(String::new());
        lines.extend(details(facts, look));
        lines.extend(function_lines(facts).iter().flat_map(|line| wrapped(line, look.width)));
    }
    let mut text: Vec<String> =
        facts.failures.iter().map(|failure| format!("failed: {failure}")).collect();
    text.push(format!("{}      samples: {}", facts.result.summary, facts.session.samples));
    lines.extend(text.iter().flat_map(|line| wrapped(line, look.width)));
    lines.extend(wrapped_command("next: ", &facts.result.next, look.width));
    lines
}

/// Describes metrics that cannot be counted, why, and what to do.
pub fn not_counted_line(absent: &NotCounted) -> String {
    let NotCounted { metrics, reason, remedy } = absent;
    format!("not counted: {}: {reason}; {remedy}", metrics.join(", "))
}

/// Lists one line for all self-checks that passed, and one line for each other self-check.
fn self_check_lines(facts: &Facts) -> Vec<String> {
    let (seen, others): (Vec<_>, Vec<_>) =
        facts.self_checks.iter().partition(|one| one.outcome == CheckOutcome::Passed);
    let mut lines = Vec::new();
    if let Some(first) = seen.first() {
        let metrics: Vec<&str> = seen.iter().map(|one| one.metric.as_str()).collect();
        lines.push(format!("self-check: {}: {}", metrics.join(", "), first.sentence));
    }
    let line = |one: &&CheckFacts| format!("self-check: {}: {}", one.metric, one.sentence);
    lines.extend(others.iter().map(line));
    lines
}

/// Renders one row per judged series.
fn table(facts: &Facts, look: Look) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["scenario", "series", "scaling exponent", "95 % interval", "was", "verdict"]);
    for column in [2, 3, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for (scenario, series) in facts.judged() {
        table.add_row(cells(scenario, series));
    }
    // If the table is too wide, cells wrap instead of lines.
    let plain = table.to_string();
    let widest = plain.lines().map(|line| line.trim_end().chars().count()).max().unwrap_or(0);
    if let Some(width) = look.width.and_then(|width| u16::try_from(width).ok())
        && widest > usize::from(width)
    {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    trimmed(&table.to_string()).lines().map(str::to_owned).collect()
}

fn cells(scenario: &ScenarioFacts, series: &SeriesFacts) -> [String; 6] {
    let dash = || "–".to_owned();
    let (mut tail, mut interval, mut was) = (dash(), dash(), dash());
    let has_verdict =
        !matches!(series.verdict, Word::NotJudged | Word::Control | Word::Failed | Word::Observed);
    if has_verdict && series.against.kind == AgainstKind::OneThread {
        if let Some(estimate) = &series.speed_up {
            (tail, interval) = (format!("× {:.2}", estimate.value), range(estimate));
        }
        was = series.control_speed_up.as_ref().map_or_else(dash, range);
    } else if has_verdict {
        match &series.exponent {
            Some(estimate) => {
                tail = format!("{:.2}", estimate.value);
                interval = range(estimate);
            }
            None => without_exponent(series.is_flat()).clone_into(&mut tail),
        }
        was = match (series.against.kind, &series.other_exponent) {
            (_, Some(estimate)) => range(estimate),
            (AgainstKind::Baseline | AgainstKind::Control | AgainstKind::Build, None) => {
                without_exponent(series.was_flat()).to_owned()
            }
            (AgainstKind::Expectation | AgainstKind::Nothing | AgainstKind::OneThread, None) => {
                dash()
            }
        };
    }
    [scenario.full_name.clone(), series.name.to_string(), tail, interval, was, verdict(series)]
}

fn range(estimate: &Interval) -> String {
    format!("{:.2} … {:.2}", estimate.low, estimate.high)
}

/// Lists the details of every row that is not plainly green.
fn details(facts: &Facts, look: Look) -> Vec<String> {
    const INDENT: usize = 4;
    let mut lines = Vec::new();
    for (scenario, series) in facts.judged() {
        let mut about = series.evidence.clone();
        let is_plotted = matches!(
            series.verdict,
            Word::Regressed | Word::Improved | Word::Inconclusive | Word::NotGated
        );
        if is_plotted {
            let width = look.width.unwrap_or(USUAL_WIDTH).saturating_sub(INDENT);
            about.extend(cost_plot(series, usize::MAX, width));
        }
        if series.verdict == Word::Regressed {
            let phase = series.name.phase.to_string();
            about.extend(scenario.culprit(&phase).map(culprit_line));
            about.extend(scenario.changes.as_ref().map(Changes::sentence));
        }
        about.extend(series.notes.iter().cloned());
        if !about.is_empty() {
            let full_name = format!("{} {}", scenario.full_name, series.name);
            lines.push(full_name);
            let about = about.iter().map(|line| format!("    {line}"));
            lines.extend(about.flat_map(|line| wrapped(&line, look.width)));
        }
    }
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

/// Lists one line for each scenario and phase: the function behind most of its growth.
fn function_lines(facts: &Facts) -> Vec<String> {
    let mut lines = Vec::new();
    for scenario in &facts.scenarios {
        let phases: BTreeSet<&str> =
            scenario.functions.iter().map(|function| function.phase.as_str()).collect();
        let culprits = phases.iter().filter_map(|phase| scenario.culprit(phase));
        lines.extend(culprits.flat_map(|function| function_line(&scenario.full_name, function)));
    }
    if !lines.is_empty() {
        lines.insert(0, "functions that grow beyond linear, by callgrind:".to_owned());
        lines.push(String::new());
    }
    lines
}

/// Describes a growing function in one line. A new function gets a second line with the remedy.
fn function_line(full_name: &str, function: &FunctionFacts) -> Vec<String> {
    let FunctionFacts { phase, shown, formula, share, top, standing_text, .. } = function;
    let percent = share * 100.0;
    let hidden = function.hidden_until;
    let hidden = hidden.map(|n| format!("; hidden in the total until N ≈ {n} (extrapolated)"));
    let is_new = function.standing == FunctionStanding::Regressed;
    let mut lines = vec![format!(
        "    {full_name} {phase}: {shown}  {formula} instructions, {percent:.0} % of {phase} at N = {top}{}; {standing_text}",
        hidden.unwrap_or_default()
    )];
    if is_new {
        lines.push(match (&function.cause, &function.remedy) {
            (Some(cause), Some(remedy)) => format!("        {cause}; {remedy}"),
            _ => format!("        next: {PROGRAM} explain {full_name}"),
        });
    }
    let is_red =
        matches!(function.standing, FunctionStanding::Regressed | FunctionStanding::Inexact);
    lines.extend(function.note.as_ref().filter(|_| is_red).map(|note| format!("        {note}")));
    lines
}
