//! The report for a terminal. It is short if all is well. Otherwise it shows a plot, the function that causes
//! the growth, and the command to type next.

use crate::session::words::without_exponent;
use loadline_record::PROGRAM;
use std::collections::BTreeSet;

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use loadline_scenario::Collector;

use crate::forms::plot::cost_plot;
use crate::session::model::{
    AgainstKind, CheckOutcome, Facts, FunctionFacts, FunctionStanding, Interval, NotCounted,
    ScenarioFacts, SeriesFacts, Word,
};
pub use crate::session::words::{verdict, word};
use crate::trimmed;

/// The width of a plot if the terminal's width is unknown.
const USUAL_WIDTH: usize = 100;

/// The width and colours that a terminal offers.
#[derive(Debug, Clone, Copy)]
pub struct Look {
    /// The number of characters per line, if limited.
    pub width: Option<usize>,
    /// Whether colours are wanted. They repeat what the words say.
    pub has_colour: bool,
    /// Whether every series gets a row of its own.
    pub is_verbose: bool,
}

impl Look {
    /// The look of a file: no width limit and no colours.
    pub const PLAIN: Look = Look { width: None, has_colour: false, is_verbose: false };

    /// Returns the look of standard output. Colours need a terminal, and neither `NO_COLOR` nor `TERM=dumb`.
    pub fn of_stdout() -> Look {
        let terminal = console::Term::stdout();
        let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = std::env::var_os("TERM").is_some_and(|kind| kind == "dumb");
        let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let of_terminal = || terminal.size_checked().map(|(_, columns)| usize::from(columns));
        Look {
            width: columns.or_else(of_terminal),
            has_colour: terminal.is_term() && !is_set("NO_COLOR") && !is_dumb,
            is_verbose: false,
        }
    }

    /// Paints `text` in the colour of `word`.
    fn paint(self, text: &str, word: Word) -> String {
        let code = match word {
            Word::Regressed | Word::Failed => "1;31",
            Word::Inconclusive | Word::NoBaseline | Word::NotGated => "33",
            Word::Improved => "36",
            Word::Holds => "32",
            Word::NotJudged | Word::Control | Word::Observed => "2",
        };
        if self.has_colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }
}

/// Explains the exponents of the table above it.
const EXPONENTS: &str = " scaling exponent: 1 = linear, 2 = quadratic";

/// Renders the whole text.
pub fn render(facts: &Facts, look: Look) -> String {
    let mut lines = vec![facts.environment_line()];
    lines.extend(facts.against.as_ref().map(|build| {
        let named = format!("wasmtime {}", build.environment.wasmtime);
        let on = if build.name == named { String::new() } else { format!(", on {named}") };
        format!("measured in turn with, and judged against: {}{on}", build.name)
    }));
    lines.extend(facts.remarks.iter().cloned());
    lines.extend(facts.not_counted.iter().map(not_counted_line));
    lines.extend(self_check_lines(facts));
    lines.push(String::new());
    if facts.result.is_self_check_failed {
        lines.push(
            "The self-check of this session failed, so the session gives no verdict.".to_owned(),
        );
    } else {
        lines.push(format!("{}{EXPONENTS}\n", table(facts, look)));
        lines.extend(details(facts, look));
        lines.extend(symbol_lines(facts, look));
    }
    lines.extend(facts.failures.iter().map(|failure| format!("failed: {failure}")));
    lines.push(format!("{}      samples: {}", facts.result.summary, facts.session.samples));
    lines.push(format!("next: {}", facts.result.next));
    lines.iter().map(|line| format!("{line}\n")).collect()
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
    let line = |one: &&crate::session::model::CheckFacts| {
        format!("self-check: {}: {}", one.metric, one.sentence)
    };
    lines.extend(others.iter().map(line));
    lines
}

fn table(facts: &Facts, look: Look) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["scenario", "series", "scaling exponent", "95 % interval", "was", "verdict"]);
    for column in [2, 3, 4] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let is_suite = facts.scenarios.len() > 1;
    for scenario in &facts.scenarios {
        let judged: Vec<&SeriesFacts> = scenario.judged().collect();
        if is_suite && !look.is_verbose && plainly_holds(&judged) {
            table.add_row(green_cells(scenario, &judged));
            continue;
        }
        let mut folded = Vec::new();
        for series in &judged {
            let Some(fold) = fold_of(series, is_suite).filter(|_| !look.is_verbose) else {
                table.add_row(cells(scenario, series));
                continue;
            };
            // The folded row takes the place of its first series.
            if !folded.contains(&fold) {
                let is_same =
                    |other: &&&SeriesFacts| fold_of(other, is_suite).as_ref() == Some(&fold);
                let rows: Vec<&SeriesFacts> = judged.iter().filter(is_same).copied().collect();
                table.add_row(folded_cells(scenario, &fold, &rows));
                folded.push(fold);
            }
        }
    }
    // If the table is too wide, cells wrap instead of lines.
    let plain = table.to_string();
    let widest = plain.lines().map(|line| line.trim_end().chars().count()).max().unwrap_or(0);
    if let Some(width) = look.width.and_then(|width| u16::try_from(width).ok())
        && widest > usize::from(width)
    {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    // The column widths are those of plain words, so colours are added last.
    let coloured = trimmed(&table.to_string());
    let words = [("REGRESSED", Word::Regressed), ("FAILED", Word::Failed)];
    words
        .iter()
        .fold(coloured, |text, (shown, word)| text.replace(shown, &look.paint(shown, *word)))
}

/// Whether all judged series of a scenario pass or have no verdict, without a note, and at least one passes.
fn plainly_holds(judged: &[&SeriesFacts]) -> bool {
    let is_green = |series: &&SeriesFacts| {
        let is_quiet = matches!(series.verdict, Word::Holds | Word::NotJudged | Word::Control);
        is_quiet && series.notes.is_empty()
    };
    judged.iter().all(is_green) && judged.iter().any(|series| series.verdict == Word::Holds)
}

/// Builds one row for a scenario whose series all pass.
fn green_cells(scenario: &ScenarioFacts, judged: &[&SeriesFacts]) -> [String; 6] {
    let holds: Vec<&SeriesFacts> =
        judged.iter().filter(|series| series.verdict == Word::Holds).copied().collect();
    let silent = judged.len() - holds.len();
    let verdict = match silent {
        0 => "pass".to_owned(),
        silent => format!("pass; {silent} not measurable here"),
    };
    let dash = || "–".to_owned();
    let name = format!("{} series", holds.len());
    [scenario.full_name.clone(), name, steepest(&holds), dash(), dash(), verdict]
}

/// Formats the steepest scaling exponent of several series.
fn steepest(rows: &[&SeriesFacts]) -> String {
    let tails = rows.iter().filter_map(|row| row.exponent).map(|tail| tail.value);
    let steepest = tails.max_by(f64::total_cmp);
    steepest.map_or_else(|| "flat".to_owned(), |value| format!("≤ {value:.2}"))
}

/// Why a row stands for several series of its scenario.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fold {
    /// The series are operation counts that pass.
    Count,
    /// The series pass, in a suite.
    Holds,
    /// Nothing counts the series here, for this reason.
    Absent(String),
}

/// Returns why a series may share a row with others, or `None` if it gets its own row.
fn fold_of(series: &SeriesFacts, is_suite: bool) -> Option<Fold> {
    match (series.verdict, series.name.metric.collector()) {
        (Word::Holds, _) if !series.notes.is_empty() => None,
        (Word::Holds, _) if is_suite => Some(Fold::Holds),
        (Word::Holds, Collector::Count) => Some(Fold::Count),
        (Word::NotJudged, Collector::Count | Collector::Callgrind) => {
            Some(Fold::Absent(series.doubt.as_ref()?.reason.clone()))
        }
        _ => None,
    }
}

/// Builds one row for several series of a scenario.
fn folded_cells(scenario: &ScenarioFacts, fold: &Fold, rows: &[&SeriesFacts]) -> [String; 6] {
    let (title, tail) = (scenario.full_name.clone(), steepest(rows));
    let dash = || "–".to_owned();
    match fold {
        Fold::Absent(reason) => {
            let name = match rows {
                [only] => only.name.to_string(),
                rows => format!("{} counts", rows.len()),
            };
            [title, name, dash(), dash(), dash(), format!("not measurable here: {reason}")]
        }
        Fold::Count => {
            let name = format!("{} operation counts", rows.len());
            [title, name, tail, dash(), dash(), "pass".to_owned()]
        }
        Fold::Holds => {
            let name = format!("{} other series", rows.len());
            [title, name, tail, dash(), dash(), "pass".to_owned()]
        }
    }
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
            about.extend(cost_plot(
                series,
                look.width.unwrap_or(USUAL_WIDTH).saturating_sub(INDENT),
            ));
        }
        if series.verdict == Word::Regressed {
            let phase = series.name.phase.to_string();
            about.extend(scenario.culprit(&phase).map(|symbol| {
                format!("culprit, by callgrind: {}  {} instructions", symbol.shown, symbol.formula)
            }));
        }
        about.extend(series.notes.iter().cloned());
        if !about.is_empty() {
            let title = format!("{} {}", scenario.full_name, series.name);
            lines.push(look.paint(&title, series.verdict));
            lines.extend(about.into_iter().map(|line| format!("    {line}")));
        }
    }
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

/// Lists one line for each scenario and phase: the function behind most of its growth.
fn symbol_lines(facts: &Facts, look: Look) -> Vec<String> {
    let mut lines = Vec::new();
    for scenario in &facts.scenarios {
        let phases: BTreeSet<&str> =
            scenario.functions.iter().map(|symbol| symbol.phase.as_str()).collect();
        let culprits = phases.iter().filter_map(|phase| scenario.culprit(phase));
        lines.extend(culprits.flat_map(|symbol| symbol_line(&scenario.full_name, symbol, look)));
    }
    if !lines.is_empty() {
        lines.insert(0, "functions that grow beyond linear, by callgrind:".to_owned());
        lines.push(String::new());
    }
    lines
}

/// Describes a growing function in one line. A new function gets a second line with the remedy.
fn symbol_line(title: &str, symbol: &FunctionFacts, look: Look) -> Vec<String> {
    let FunctionFacts { phase, shown, formula, share, top, standing_text, .. } = symbol;
    let percent = share * 100.0;
    let hidden = symbol.hidden_until;
    let hidden = hidden.map(|n| format!("; hidden in the total until N ≈ {n} (extrapolated)"));
    let is_new = symbol.standing == FunctionStanding::Regressed;
    let standing =
        if is_new { look.paint(standing_text, Word::Regressed) } else { standing_text.clone() };
    let mut lines = vec![format!(
        "    {title} {phase}: {shown}  {formula} instructions, {percent:.0} % of {phase} at N = {top}{}; {standing}",
        hidden.unwrap_or_default()
    )];
    if is_new {
        lines.push(match (&symbol.cause, &symbol.remedy) {
            (Some(cause), Some(remedy)) => format!("        {cause}; {remedy}"),
            _ => format!("        next: {PROGRAM} explain {title}"),
        });
    }
    let is_red = matches!(symbol.standing, FunctionStanding::Regressed | FunctionStanding::Inexact);
    lines.extend(symbol.note.as_ref().filter(|_| is_red).map(|note| format!("        {note}")));
    lines
}
