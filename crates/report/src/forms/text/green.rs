//! The text of a session without a regression, in at most 15 lines.

use loadline_record::PROGRAM;
use loadline_scenario::units::factor;

use super::known::known_issues;
use super::lines::{List, cut, fitted, wrapped, wrapped_command};
use crate::session::fact::brief;
use crate::session::model::{CheckOutcome, Facts, ScenarioFacts, SeriesFacts, Word};

/// The most lines of a session in which nothing regressed.
pub const MOST_LINES: usize = 15;

/// Renders the lines of a session in which nothing regressed.
pub fn lines(facts: &Facts, width: Option<usize>) -> Vec<String> {
    let mut lines = wrapped(&format!("loadline: {}{}", facts.result.headline, taken(facts)), width);
    lines.extend(environment(facts, width));
    let mut ending = every_series(facts, width);
    ending.extend(wrapped_command("next: ", &facts.result.next, width));
    let room = MOST_LINES.saturating_sub(lines.len() + ending.len());
    lines.extend(fitted(lists(facts, width), room, width));
    lines.extend(ending);
    lines
}

/// Says how long the runs took, if that is known.
pub fn taken(facts: &Facts) -> String {
    facts.taken().map(|taken| format!("; measured in {taken}")).unwrap_or_default()
}

/// Says where every series is shown.
pub fn every_series(facts: &Facts, width: Option<usize>) -> Vec<String> {
    wrapped_command("every series: ", &format!("{} -v", facts.session.again), width)
}

/// Describes the machine, the other build, the self-checks and what could not be counted, one line each.
pub fn environment(facts: &Facts, width: Option<usize>) -> Vec<String> {
    let mut lines = vec![facts.environment_line()];
    lines.extend(
        facts
            .against
            .as_ref()
            .map(|build| format!("compared with {}, measured in turn", build.name)),
    );
    // If one failed, the report lists them all.
    lines.extend(self_checks(facts).filter(|_| !facts.result.is_self_check_failed));
    lines.extend(not_counted(facts));
    lines.extend(match facts.remarks.as_slice() {
        [] => None,
        [only] => Some(only.clone()),
        [first, rest @ ..] => Some(format!("({} more: -v) {first}", rest.len())),
    });
    lines.iter().map(|line| cut(line, width)).collect()
}

/// Says in one line which self-checks passed. Those that did not pass come first.
pub fn self_checks(facts: &Facts) -> Option<String> {
    let outcomes = [
        (CheckOutcome::Failed, "failed"),
        (CheckOutcome::Undecided, "undecided"),
        (CheckOutcome::Passed, "passed"),
    ];
    let named = outcomes.map(|(outcome, word)| {
        let own = facts.self_checks.iter().filter(|check| check.outcome == outcome);
        let metrics: Vec<&str> = own.map(|check| check.metric.as_str()).collect();
        (!metrics.is_empty()).then(|| format!("{word}: {}", metrics.join(", ")))
    });
    let named: Vec<String> = named.into_iter().flatten().collect();
    (!named.is_empty()).then(|| format!("self-check {}", named.join("; ")))
}

/// Names the metrics that could not be counted, in one line.
pub fn not_counted(facts: &Facts) -> Option<String> {
    let metrics: Vec<&str> =
        facts.not_counted.iter().flat_map(|absent| &absent.metrics).map(String::as_str).collect();
    let reasons: Vec<&str> =
        facts.not_counted.iter().map(|absent| absent.reason.as_str()).collect();
    let named = match metrics.as_slice() {
        [] => return None,
        [first, second, rest @ ..] if rest.len() > 1 => {
            format!("{first}, {second} and {} more", rest.len())
        }
        few => few.join(", "),
    };
    Some(format!("not counted here: {named}: {}", reasons.join("; ")))
}

/// Lists what deserves a look although nothing regressed.
fn lists(facts: &Facts, width: Option<usize>) -> Vec<List> {
    let of = |is: &dyn Fn(&SeriesFacts) -> bool,
              item: &dyn Fn(&ScenarioFacts, &SeriesFacts) -> String| {
        let own = facts.judged().filter(|(_, series)| is(series));
        own.map(|(scenario, series)| item(scenario, series)).collect::<Vec<_>>()
    };
    let list = |heading: &str, items| List { heading: heading.to_owned(), items };
    let is = |word: Word| move |series: &SeriesFacts| series.verdict == word;
    let is_undecided = |s: &SeriesFacts| matches!(s.verdict, Word::Inconclusive | Word::NoBaseline);
    // A metric that nothing counts here has a line above.
    let is_unexplained =
        |s: &SeriesFacts| s.verdict == Word::NotJudged && facts.not_counted.is_empty();
    vec![
        list("superlinear, not gated", of(&is(Word::NotGated), &brief)),
        list("undecided, and what would decide it", of(&is_undecided, &undecided)),
        list("known issues no longer seen", of(&SeriesFacts::is_gone, &gone)),
        list("changed at every N, not gated", of(&|s| s.constant_change().is_some(), &constant)),
        list("improved", of(&is(Word::Improved), &brief)),
        list("known issues still present", known_issues(facts, width)),
        list("not measurable here", of(&is_unexplained, &not_measurable)),
    ]
}

/// Says what would decide an undecided series.
fn undecided(scenario: &ScenarioFacts, series: &SeriesFacts) -> String {
    let doubt = series.doubt.as_ref();
    let remedy = doubt.and_then(|doubt| doubt.remedy.as_deref());
    // The command of one series is the next command of the report.
    let command = format!(": {PROGRAM} ");
    let remedy = remedy.map(|remedy| remedy.split(&command).next().unwrap_or(remedy));
    let reason = doubt.map_or("the reason is not known", |doubt| doubt.reason.as_str());
    format!("{} {}: {}", scenario.full_name, series.name, remedy.unwrap_or(reason))
}

fn gone(scenario: &ScenarioFacts, series: &SeriesFacts) -> String {
    let note = series.notes.last().map(String::as_str).unwrap_or_default();
    // The place of the entry is at the end of the note.
    let place = note.rsplit("; ").next().unwrap_or(note);
    format!("{} {}: {place}", scenario.full_name, series.name)
}

fn constant(scenario: &ScenarioFacts, series: &SeriesFacts) -> String {
    let change = series.constant_change().map(|change| {
        let [value, low, high] = [change.value, change.low, change.high].map(factor);
        format!("×{value} (95 %: {low} … {high})")
    });
    format!("{} {}: {}", scenario.full_name, series.name, change.unwrap_or_default())
}

fn not_measurable(scenario: &ScenarioFacts, series: &SeriesFacts) -> String {
    let reason = series.doubt.as_ref().map_or("not measured", |doubt| doubt.reason.as_str());
    format!("{} {}: {reason}", scenario.full_name, series.name)
}
