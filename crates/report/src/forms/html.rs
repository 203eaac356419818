//! The report as one self-contained HTML file. It is readable on a phone, in light and dark, in print, by
//! keyboard and by screen readers. No script runs in it.

mod scenario;
mod series;
mod standing;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::forms::text::not_counted_line;
use crate::session::model::{CheckOutcome, Ending, Facts, ScenarioFacts};
use standing::{Group, Standing};

/// Renders the whole file.
pub fn render(facts: &Facts) -> String {
    let title = format!("Loadline: {}", facts.result.summary);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                // Even if a name in the facts contains markup, the page fetches nothing and runs nothing.
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:";
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(include_str!("html/style.css"))) }
            }
            body {
                a.skip href="#main" { "Skip to the report" }
                (header(facts))
                main id="main" {
                    @for group in Group::ALL { (scenarios(facts, group)) }
                    (session(facts))
                }
                footer.soft { "Made by Loadline " (facts.loadline) " from " code { (facts.session.samples) } "." }
            }
        }
    };
    page.into_string()
}

fn header(facts: &Facts) -> Markup {
    let (class, sign) = match facts.result.exit_code {
        0 if facts.judged().any(|(_, series)| series.verdict.is_open()) => ("amber", "?"),
        0 => ("green", "✔"),
        4 | 5 => ("amber", "?"),
        _ => ("red", "✖"),
    };
    let Ending { headline, summary, .. } = &facts.result;
    html! {
        header {
            p.soft { "Loadline" @if !headline.contains(summary) { ": " (summary) } }
            h1 { span class=(class) aria-hidden="true" { (sign) } " " (headline) }
            p.soft { (facts.environment_line()) "; measured " time datetime=(facts.session.started) { (facts.session.started) } }
            @if let Some(build) = &facts.against { p { "Measured in turn with, and judged against: " (build.name) } }
            p { strong { "Next: " } (facts.result.next) }
        }
    }
}

/// Renders the scenarios of a group, those that need attention most first.
fn scenarios(facts: &Facts, group: Group) -> Markup {
    let all = facts.scenarios.iter().enumerate();
    let mut rows: Vec<(usize, &ScenarioFacts, Standing)> =
        all.map(|(place, one)| (place, one, Standing::of_scenario(one))).collect();
    rows.retain(|(_, _, standing)| standing.group() == group);
    rows.sort_by_key(|(_, _, standing)| standing.rank);
    let has_failures = group == Group::NotGreen && !facts.failures.is_empty();
    if rows.is_empty() && !has_failures {
        return html! {};
    }
    let (id, title) = group.names();
    html! {
        section aria-labelledby=(id) {
            h2 id=(id) { (title) }
            @for (place, one, standing) in &rows { (scenario::section(one, standing, *place)) }
            @if has_failures {
                h3 { "Runs that failed" }
                ul { @for failure in &facts.failures { li { span.red aria-hidden="true" { "✖ " } (failure) } } }
            }
        }
    }
}

/// Renders the session, the machine, and the metrics that could not be counted.
fn session(facts: &Facts) -> Markup {
    let environment = serde_json::to_value(&facts.environment).unwrap_or_default();
    let fields = environment.as_object().cloned().unwrap_or_default();
    html! {
        section aria-labelledby="session" {
            h2 id="session" { "Session and machine" }
            h3 { "Can this session see growth?" }
            ul {
                @for check in &facts.self_checks {
                    @let class = match check.outcome { CheckOutcome::Passed => "green", CheckOutcome::Undecided => "amber", CheckOutcome::Failed => "red" };
                    li { span class=(class) { (check.metric) } ": " (check.sentence) }
                }
            }
            @if !facts.not_counted.is_empty() || !facts.remarks.is_empty() {
                h3 { "What was not counted, or left out" }
                ul {
                    @for absent in &facts.not_counted { li { (not_counted_line(absent)) } }
                    @for remark in &facts.remarks { li { (remark) } }
                }
            }
            h3 { "Environment" }
            dl {
                dt { "seed" } dd { (facts.session.seed) }
                @if let Some(shard) = &facts.session.shard { dt { "shard" } dd { (shard) } }
                @for (name, value) in &fields { dt { (name.replace('_', " ")) } dd { (value.as_str().unwrap_or_default()) } }
            }
            h3 { "This report again" }
            pre tabindex="0" { code { (facts.session.again) " --format html --output report.html" } }
        }
    }
}

/// Renders a table that scrolls by itself where it is wider than the page. Its edge shows a shadow there.
fn table(caption: &str, head: &[(&str, bool)], rows: &[Vec<Markup>]) -> Markup {
    let class = |place: usize| head[place].1.then_some("n");
    html! {
        div.wide tabindex="0" role="region" aria-label=(caption) {
            table {
                caption { (caption) }
                thead { tr { @for (name, is_number) in head { th class=[is_number.then_some("n")] scope="col" { (name) } } } }
                tbody {
                    @for row in rows {
                        tr {
                            @for (place, cell) in row.iter().enumerate() {
                                @if place == 0 { th class=[class(0)] scope="row" { (cell) } }
                                @else { td class=[class(place)] { (cell) } }
                            }
                        }
                    }
                }
            }
        }
    }
}
