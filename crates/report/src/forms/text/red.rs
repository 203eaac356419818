//! The text of a session that regressed or gave no verdict, in at most 25 lines: the fact, its figures, the
//! function behind it, what changed, and the next command.

use super::green::{environment, every_series, taken};
use super::lines::{List, fitted, wrapped, wrapped_command};
use crate::forms::plot::cost_plot;
use crate::session::fact::{brief, function_fact};
use crate::session::model::{Changes, Facts, ScenarioFacts, SeriesFacts, Word};
use crate::session::words::{LEGEND, cause_lines, culprit_line, exponent_text};
use loadline_scenario::Metric;

/// The most lines of a session that regressed.
const MOST_LINES: usize = 25;

/// The width of a plot if the terminal's width is unknown.
const USUAL_WIDTH: usize = 80;

/// The most and the fewest rows of a table of costs.
const ROWS: [usize; 2] = [7, 3];

/// Renders the lines of a session that regressed or gave no verdict.
pub fn lines(facts: &Facts, width: Option<usize>) -> Vec<String> {
    let (exit, counts) = (facts.result.exit_code, facts.counts());
    let state = format!("loadline: exit code {exit}, {counts}{}", taken(facts));
    let mut lines =
        [facts.result.headline.as_str(), &state].map(|line| wrapped(line, width)).concat();
    let mut ending = environment(facts, width);
    ending.extend(every_series(facts, width));
    ending.extend(wrapped_command("next: ", &facts.result.next, width));
    let regressed = facts.regressed();
    let lists = lists(facts, &regressed);
    let n_lists = lists.iter().filter(|list| !list.items.is_empty()).count();
    // A list has a heading and an item at least.
    let room = |lines: &[String]| {
        MOST_LINES.saturating_sub(lines.len() + ending.len() + 2 * n_lists.min(2))
    };
    if !facts.result.is_self_check_failed
        && let Some((scenario, series)) = regressed.first()
    {
        lines.push(String::new());
        let figures = figures(facts, scenario, series, room(&lines).saturating_sub(1), width);
        lines.extend(figures);
        lines.push(String::new());
    } else if let Some((scenario, function)) = facts.new_functions().next() {
        let changes = scenario.changes.iter().map(Changes::sentence);
        let text = cause_lines(function).into_iter().chain(changes);
        lines.extend(text.flat_map(|line| wrapped(&format!("  {line}"), width)));
    }
    let room = MOST_LINES.saturating_sub(lines.len() + ending.len());
    lines.extend(fitted(lists, room, width));
    lines.extend(ending);
    lines
}

/// Shows the costs of a regressed series, its exponents, the function behind it, and what changed, in `room`
/// lines if they fit.
fn figures(
    facts: &Facts,
    scenario: &ScenarioFacts,
    series: &SeriesFacts,
    room: usize,
    width: Option<usize>,
) -> Vec<String> {
    let of = |text: &str| wrapped(&format!("  {text}"), width);
    let culprit = scenario.culprit(&series.name.phase.to_string());
    let mut text = of(&exponents(series));
    let named = culprit.map(culprit_line).or_else(|| no_culprit(facts));
    text.extend(named.iter().flat_map(|line| of(line)));
    let changes = scenario.changes.as_ref().map(|changes| of(&changes.sentence()));
    let changes = changes.unwrap_or_default();
    let [most, fewest] = ROWS;
    let n_left = |text: &[String]| room.saturating_sub(1 + text.len() + changes.len());
    // The cause and the remedy take room only if the table of costs keeps some rows.
    for line in culprit.into_iter().flat_map(|one| [&one.cause, &one.remedy]).flatten() {
        let more = of(line);
        if n_left(&text) > more.len() + fewest {
            text.extend(more);
        }
    }
    let n_rows = n_left(&text).clamp(fewest, most);
    let plot = cost_plot(series, n_rows, width.unwrap_or(USUAL_WIDTH).min(USUAL_WIDTH) - 2);
    let plot = plot.iter().map(|line| format!("  {line}"));
    plot.chain(text).chain(changes).collect()
}

/// Says why no function is named, if callgrind cannot count here.
fn no_culprit(facts: &Facts) -> Option<String> {
    let callgrind = Metric::CallgrindInstructions.to_string();
    let absent = facts.not_counted.iter().find(|absent| absent.metrics.contains(&callgrind))?;
    Some(format!("function behind it: not known, because {}", absent.reason))
}

/// Names a series with its scaling exponent and the other side's.
fn exponents(series: &SeriesFacts) -> String {
    let name = series.name;
    if let (Some(gain), Some(control)) = (&series.speed_up, &series.control_speed_up) {
        let [gain, control] = [gain, control].map(|one| exponent_text(Some(one), false));
        return format!("{name}: threads are × {gain} as fast, those of the control × {control}");
    }
    let now = exponent_text(series.exponent.as_ref(), series.is_flat());
    let has_other = series.costs.iter().any(|size| size.other_cost.is_some());
    let was = exponent_text(series.other_exponent.as_ref(), series.was_flat());
    let other = series.other_name();
    let was = if has_other { format!(", {other} {was}") } else { String::new() };
    format!("{name}: scaling exponent {now}{was}; {LEGEND}")
}

/// Lists the other findings that made the session fail, and what was not decided.
fn lists(facts: &Facts, regressed: &[(&ScenarioFacts, &SeriesFacts)]) -> Vec<List> {
    let list = |heading: &str, items: Vec<String>| List { heading: heading.to_owned(), items };
    let others = regressed.iter().skip(1).map(|(scenario, series)| brief(scenario, series));
    // The function behind the first series has its own line, and so has a function that is the fact.
    let named = match regressed.first() {
        Some((one, series)) => one.culprit(&series.name.phase.to_string()),
        None => facts.new_functions().next().map(|(_, function)| function),
    };
    let is_named = |function| named.is_some_and(|named| std::ptr::eq(named, function));
    let functions = facts.new_functions().filter(|(_, function)| !is_named(*function));
    let functions = functions.map(|(one, function)| function_fact(one, function));
    let checks = facts.self_checks.iter().filter(|_| facts.result.is_self_check_failed);
    let checks = checks.map(|check| format!("{}: {}", check.metric, check.sentence));
    let mut lists = vec![
        list("self-checks", checks.collect()),
        list("failed, too", facts.failures.iter().skip(1).cloned().collect()),
        list("also regressed", others.collect()),
        list("functions that are new and grow beyond linear", functions.collect()),
    ];
    // Among many regressions, series that are not red are only counted.
    if regressed.len() <= 1 {
        let of = |is: fn(Word) -> bool| -> Vec<String> {
            let own = facts.judged().filter(|(_, series)| is(series.verdict));
            own.map(|(scenario, series)| brief(scenario, series)).collect()
        };
        lists.push(list("not decided", of(Word::is_open)));
        lists.push(list("improved", of(|word| word == Word::Improved)));
    }
    lists
}
