//! The words about a series that every form of a report shares: one headline, then one line per fact.

use crate::session::model::{
    AgainstKind, FunctionFacts, FunctionStanding, Interval, ScenarioFacts, SeriesFacts, Word,
};
use loadline_scenario::units::amount;

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
        (_, AgainstKind::Expectation) => " (as stated)",
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

/// Lists all other facts of a series, one line per fact.
pub fn lines(scenario: &ScenarioFacts, series: &SeriesFacts) -> Vec<String> {
    let mut lines = series.evidence.clone();
    // The evidence already gives the doubt of an undecided series. The headline already says why a series is
    // not judged.
    if series.verdict != Word::Inconclusive
        && let Some(doubt) = &series.doubt
    {
        lines.extend((series.verdict != Word::NotJudged).then(|| doubt.reason.clone()));
        lines.extend(doubt.remedy.iter().map(|remedy| format!("what to do: {remedy}")));
    }
    if !series.costs.is_empty() {
        lines.push(costs_line("now", series, |size| Some(size.cost)));
        if series.costs.iter().any(|size| size.other_cost.is_some()) {
            lines.push(costs_line(series.other_name(), series, |size| size.other_cost));
        }
    }
    if series.verdict == Word::Regressed
        && let Some(symbol) = scenario.culprit(&series.name.phase.to_string())
    {
        lines.extend(culprit_lines(symbol));
    }
    lines.extend(series.notes.iter().cloned());
    lines
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

/// Describes a growing function, why it grows, and what to do.
pub fn culprit_lines(symbol: &FunctionFacts) -> Vec<String> {
    let FunctionFacts { shown, formula, share, phase, top, standing_text, .. } = symbol;
    let percent = share * 100.0;
    let mut lines = vec![format!(
        "culprit, by callgrind: {shown}  {formula} instructions, {percent:.0} % of {phase} at N = {top}; {standing_text}"
    )];
    lines.extend(symbol.cause.clone());
    lines.extend(symbol.remedy.as_ref().map(|remedy| format!("what to do: {remedy}")));
    lines.extend(symbol.reference.as_ref().map(|reference| format!("see {reference}")));
    lines.extend(symbol.note.clone());
    lines
}

/// Lists the new growing functions of a scenario, which are red by themselves.
pub fn new_symbols(scenario: &ScenarioFacts) -> impl Iterator<Item = &FunctionFacts> {
    scenario.functions.iter().filter(|symbol| symbol.standing == FunctionStanding::Regressed)
}
