//! The words about a series that every form of a report shares: one headline, then one line per fact.

use crate::session::model::{
    AgainstKind, Changes, FunctionFacts, FunctionStanding, Interval, ScenarioFacts, SeriesFacts,
    Word,
};
use loadline_scenario::units::amount;

/// Explains a scaling exponent to a reader.
pub const LEGEND: &str = "1 = linear, 2 = quadratic";

/// Counts series.
pub fn series_count(count: usize) -> String {
    // The word is the same for one and for many.
    format!("{count} series")
}

/// Names an issue or a pull request of GitHub by its link, like `wasmtime#10084`.
pub fn issue_name(link: &str) -> Option<String> {
    let path = link.strip_prefix("https://github.com/")?;
    match path.split('/').collect::<Vec<_>>()[..] {
        [_, repository, "issues" | "pull", number] => Some(format!("{repository}#{number}")),
        _ => None,
    }
}

/// Formats a duration, like `4 min 30 s`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        _ if seconds < 9.95 => format!("{seconds:.1} s"),
        s if s < 60 => format!("{s} s"),
        s if s < 3600 => format!("{} min {} s", s / 60, s % 60),
        s => format!("{} h {} min", s / 3600, s % 3600 / 60),
    }
}

/// Formats the headline, like `oldest-first unload/task-clock: REGRESSED, scaling exponent 1.80 (95 %: 1.72 …
/// 1.94), was 1.00 … 1.11`.
pub fn headline(scenario: &ScenarioFacts, series: &SeriesFacts) -> String {
    let exponent = series.exponent.map_or_else(String::new, |exponent| {
        format!(", scaling exponent {}", exponent_text(Some(&exponent), false))
    });
    let was = series.other_exponent.map(|was| format!(", was {:.2} … {:.2}", was.low, was.high));
    let verdict = verdict(series);
    let was = was.unwrap_or_default();
    format!("{} {}: {verdict}{exponent}{was}", scenario.full_name, series.name)
}

/// Returns the word for a verdict. A word that needs attention is in capitals, because colour alone is not
/// enough.
pub const fn word(word: Word) -> &'static str {
    match word {
        Word::Holds => "pass",
        Word::Improved => "improved",
        Word::Regressed => "REGRESSED",
        Word::Inconclusive => "undecided",
        Word::NoBaseline => "undecided: no baseline and no control",
        Word::NotGated => "superlinear, not gated: nothing to compare with",
        Word::NotJudged => "not measurable here",
        Word::Control => "control, not judged alone",
        Word::Failed => "FAILED",
        Word::Observed => "informational",
    }
}

/// Describes a verdict with its ground.
pub fn verdict(series: &SeriesFacts) -> String {
    let word = word(series.verdict);
    let by = match (series.verdict, series.against.kind) {
        (Word::NotJudged, _) => {
            let reason = series.doubt.as_ref().map(|doubt| doubt.reason.as_str());
            return format!("{word}: {}", reason.unwrap_or("not measured"));
        }
        (Word::Control | Word::Failed | Word::Observed, _) => "",
        (_, AgainstKind::Baseline | AgainstKind::Build | AgainstKind::Nothing) => "",
        (_, AgainstKind::Control) => " (against its control)",
        (_, AgainstKind::Expectation) => " (against its expectation)",
        (_, AgainstKind::OneThread) => " (scaling with threads)",
    };
    format!("{word}{by}")
}

/// Formats an exponent as `1.80 (95 %: 1.72 … 1.94)`. Without one, the text is `flat` only if the cost is known
/// not to rise, and else `–`.
pub fn exponent_text(exponent: Option<&Interval>, is_flat: bool) -> String {
    let shown = |e: &Interval| format!("{:.2} (95 %: {:.2} … {:.2})", e.value, e.low, e.high);
    exponent.map_or_else(|| without_exponent(is_flat).to_owned(), shown)
}

/// Returns the word in place of an exponent that a series does not have.
pub const fn without_exponent(is_flat: bool) -> &'static str {
    if is_flat { "flat" } else { "–" }
}

/// Describes how a series grows and what it is judged against, or how much faster threads are.
pub fn growth_text(series: &SeriesFacts) -> String {
    let of_control =
        |speed_up: &Interval| format!("; control × {}", exponent_text(Some(speed_up), false));
    match (&series.speed_up, series.against.kind) {
        (Some(speed_up), _) => {
            let control = series.control_speed_up.as_ref().map(of_control).unwrap_or_default();
            let gain = exponent_text(Some(speed_up), false);
            format!("Threads are × {gain} as fast as one{control}")
        }
        (None, AgainstKind::OneThread) => "Nothing is known of what threads gain".to_owned(),
        (None, _) => {
            let other = series.other_exponent.as_ref().map_or_else(String::new, |was| {
                format!("; {} {}", series.other_name(), exponent_text(Some(was), false))
            });
            format!(
                "Scaling exponent {}{other}",
                exponent_text(series.exponent.as_ref(), series.is_flat())
            )
        }
    }
}

/// Lists what a reader needs after the fact about a series, one line each: what to do about it, the command that
/// measures it again, and the figures.
pub fn lines(scenario: &ScenarioFacts, series: &SeriesFacts) -> Vec<String> {
    let mut lines = to_act(scenario, series);
    if series.verdict.is_red() || series.verdict.is_open() {
        lines.push(format!("again: {}", scenario.command));
    }
    lines.extend(figures(scenario, series));
    if !series.costs.is_empty() {
        lines.push(costs_line("now", series, |size| Some(size.cost)));
        if series.costs.iter().any(|size| size.other_cost.is_some()) {
            lines.push(costs_line(series.other_name(), series, |size| size.other_cost));
        }
    }
    lines
}

/// Lists the function behind a regression, what changed, and what to do.
pub fn to_act(scenario: &ScenarioFacts, series: &SeriesFacts) -> Vec<String> {
    let mut lines = Vec::new();
    if series.verdict == Word::Regressed {
        let culprit = scenario.culprit(&series.name.phase.to_string());
        lines.extend(culprit.map(culprit_lines).unwrap_or_default());
        lines.extend(scenario.changes.iter().map(Changes::sentence));
    }
    // The fact already says why a series has no verdict.
    let remedy = series.doubt.as_ref().and_then(|doubt| doubt.remedy.as_ref());
    let remedy =
        remedy.filter(|remedy| !series.evidence.iter().any(|line| line.ends_with(*remedy)));
    lines.extend(remedy.map(|remedy| format!("what to do: {remedy}")));
    lines
}

/// Lists the figures behind a verdict, without the costs.
pub fn figures(scenario: &ScenarioFacts, series: &SeriesFacts) -> Vec<String> {
    // The fact already says what a regression costs.
    let is_said = |line: &&String| Some(*line) == series.consequence.as_ref();
    let evidence = series.evidence.iter().filter(|line| !is_said(line));
    let evidence = evidence.chain(&series.notes).cloned();
    std::iter::once(headline(scenario, series)).chain(evidence).collect()
}

/// Formats the costs of one side, like `now, at N = 64: 626 µs, 128: 1.27 ms, …`.
fn costs_line(
    name: &str,
    series: &SeriesFacts,
    cost: impl Fn(&super::model::SizeFacts) -> Option<f64>,
) -> String {
    let costs = series
        .costs
        .iter()
        .filter_map(|size| Some(format!("{}: {}", size.n, amount(cost(size)?, series.unit))));
    let costs: Vec<String> = costs.collect();
    format!("{name}, at N = {}", costs.join(", "))
}

/// Names the function behind the growth of a phase. How it is judged follows unless it is new.
pub fn culprit_line(function: &FunctionFacts) -> String {
    let FunctionFacts { shown, formula, share, phase, top, .. } = function;
    let percent = share * 100.0;
    let standing = match function.standing {
        FunctionStanding::Regressed => String::new(),
        _ => format!("; {}", function.standing_text),
    };
    format!(
        "function behind it, by callgrind: {shown}, {formula} instructions, {percent:.0} % of {phase} at N = {top}{standing}"
    )
}

/// Describes a growing function, why it grows, and what to do.
pub fn culprit_lines(function: &FunctionFacts) -> Vec<String> {
    let mut lines = vec![culprit_line(function)];
    lines.extend(cause_lines(function));
    lines
}

/// Says why a function grows, and what to do.
pub fn cause_lines(function: &FunctionFacts) -> Vec<String> {
    let mut lines: Vec<String> = function.cause.iter().cloned().collect();
    lines.extend(function.remedy.as_ref().map(|remedy| format!("what to do: {remedy}")));
    lines.extend(function.reference.as_ref().map(|reference| format!("see {reference}")));
    lines.extend(function.note.clone());
    lines
}

/// Lists the new growing functions of a scenario, which are red by themselves.
pub fn new_functions(scenario: &ScenarioFacts) -> impl Iterator<Item = &FunctionFacts> {
    scenario.functions.iter().filter(|function| function.standing == FunctionStanding::Regressed)
}
