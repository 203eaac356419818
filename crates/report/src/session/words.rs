//! The words about a series that every form of a report shares: one headline, then one line per fact.

use crate::forms::text::verdict;
use crate::session::model::{
    AgainstKind, FunctionFacts, FunctionStanding, Interval, ScenarioFacts, SeriesFacts, Word,
};
use loadline_scenario::units::amount;

/// Formats the headline, like `oldest-first unload/task-clock: REGRESSED, scaling exponent 1.80 (95 %: 1.72 …
/// 1.94), was 1.00 … 1.11`.
pub fn headline(scenario: &ScenarioFacts, series: &SeriesFacts) -> String {
    let exponent = series.exponent.map_or_else(String::new, |exponent| {
        format!(", scaling exponent {}", exponent_text(Some(&exponent)))
    });
    let was = series.other_exponent.map(|was| format!(", was {:.2} … {:.2}", was.low, was.high));
    let verdict = verdict(series);
    let was = was.unwrap_or_default();
    format!("{} {}: {verdict}{exponent}{was}", scenario.full_name, series.name)
}

/// Formats an exponent as `1.80 (95 %: 1.72 … 1.94)`, or as `flat`.
pub fn exponent_text(exponent: Option<&Interval>) -> String {
    exponent.map_or_else(
        || "flat".to_owned(),
        |e| format!("{:.2} (95 %: {:.2} … {:.2})", e.value, e.low, e.high),
    )
}

/// Describes how a series grows and what it is judged against, or how much faster threads are.
pub fn growth_text(series: &SeriesFacts) -> String {
    let of_control = |speed_up: &Interval| format!("; control × {}", exponent_text(Some(speed_up)));
    match (&series.speed_up, series.against.kind) {
        (Some(speed_up), _) => {
            let control = series.control_speed_up.as_ref().map(of_control).unwrap_or_default();
            format!("Threads are × {} as fast as one{control}", exponent_text(Some(speed_up)))
        }
        (None, AgainstKind::OneThread) => "Nothing is known of what threads gain".to_owned(),
        (None, _) => {
            let other = series.other_exponent.as_ref().map_or_else(String::new, |was| {
                format!("; {} {}", series.other_name(), exponent_text(Some(was)))
            });
            format!("Scaling exponent {}{other}", exponent_text(series.exponent.as_ref()))
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
