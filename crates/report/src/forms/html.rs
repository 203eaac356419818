//! The report as one self-contained HTML file. It is readable on a phone, in light and dark, in print, by
//! keyboard and by screen readers. No script runs in it.

mod scenario;

use loadline_record::PROGRAM;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::forms::text::{not_counted_line, word};
use crate::session::model::{CheckOutcome, Facts, ScenarioFacts, SeriesFacts, Word};
use crate::session::words::{culprit_lines, headline, new_symbols};
use loadline_verdict::functions::shortened;

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
                    (attention(facts))
                    (overview(facts))
                    section aria-labelledby="scenarios" {
                        h2 id="scenarios" { "Scenarios" }
                        @for (place, one) in facts.scenarios.iter().enumerate() {
                            (scenario::section(one, place))
                        }
                    }
                    (session(facts))
                }
                footer.soft { "Made by Loadline " (facts.loadline) " from " code { (facts.session.samples) } "." }
            }
        }
    };
    page.into_string()
}

fn header(facts: &Facts) -> Markup {
    let class = match facts.result.exit_code {
        0 if facts.judged().any(|(_, series)| series.verdict.is_open()) => "amber",
        0 => "green",
        4 | 5 => "amber",
        _ => "red",
    };
    html! {
        header {
            h1 { "Loadline: " span class=(class) { (facts.result.summary) } }
            p.soft { (facts.environment_line()) "; measured " time datetime=(facts.session.started) { (facts.session.started) } }
            @if let Some(build) = &facts.against { p { "Measured in turn with, and judged against: " (build.name) } }
            @if facts.result.is_self_check_failed {
                p.red { strong { "The self-check of this session failed" } ", so the session gives no verdict." }
            }
            p { strong { "Next: " } (facts.result.next) }
            nav aria-label="Parts of the report" {
                a href="#overview" { "Overview" } " · " a href="#scenarios" { "Scenarios" } " · " a href="#session" { "Session and machine" }
            }
        }
    }
}

/// Renders the findings that need attention, the worst first.
fn attention(facts: &Facts) -> Markup {
    let needs_a_look = |word: Word| word.is_red() || word.is_open() || word == Word::Improved;
    let all = facts.scenarios.iter().enumerate();
    let mut rows: Vec<(usize, &ScenarioFacts, &SeriesFacts)> = all
        .flat_map(|(place, one)| one.judged().map(move |series| (place, one, series)))
        .filter(|(_, _, series)| needs_a_look(series.verdict))
        .collect();
    rows.sort_by_key(|(_, _, series)| rank(series.verdict));
    let symbols: Vec<_> =
        facts.scenarios.iter().flat_map(|one| new_symbols(one).map(move |s| (one, s))).collect();
    if rows.is_empty() && symbols.is_empty() && facts.failures.is_empty() {
        return html! {};
    }
    html! {
        section aria-labelledby="attention" {
            h2 id="attention" { "What is not green" }
            ul {
                @for (place, scenario, series) in &rows {
                    li {
                        (sign(series.verdict)) " " a href={ "#s" (place) } { (headline(scenario, series)) }
                        @let why = series.consequence.as_ref().or(series.doubt.as_ref().map(|d| &d.reason));
                        @if let Some(why) = why { ": " (why) }
                    }
                }
                @for (scenario, symbol) in &symbols {
                    li { span.red { "✖ " } (scenario.full_name) ": " (culprit_lines(symbol).join("; ")) }
                }
                @for failure in &facts.failures { li { span.red { "✖ " } "failed: " (failure) } }
            }
        }
    }
}

fn overview(facts: &Facts) -> Markup {
    html! {
        section aria-labelledby="overview" {
            h2 id="overview" { "Overview" }
            div.wide tabindex="0" role="region" aria-label="Verdicts by scenario" {
                table {
                    caption { "Verdicts by scenario" }
                    thead { tr { th scope="col" { "scenario" } th scope="col" { "verdict" } th.n scope="col" { "series" } th.n scope="col" { "steepest scaling exponent (1 = linear, 2 = quadratic)" } th scope="col" { "growing symbol" } } }
                    tbody {
                        @for (place, one) in facts.scenarios.iter().enumerate() {
                            @let steepest = one.judged().filter_map(|s| s.exponent).map(|e| e.value).max_by(f64::total_cmp);
                            tr {
                                th scope="row" { a href={ "#s" (place) } { (one.full_name) } }
                                td { (badge(worst(one))) }
                                td.n { (one.judged().count()) }
                                td.n { @match steepest { Some(value) => { (format!("{value:.2}")) } None => { "flat" } } }
                                td { @if let Some(symbol) = one.functions.first() { code { (shortened(&symbol.function)) } } @else { "–" } }
                            }
                        }
                    }
                }
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
            pre tabindex="0" { code { (PROGRAM) " report " (facts.session.samples) " --format html --output report.html" } }
        }
    }
}

/// Returns the verdict of a scenario: the most urgent verdict of its series.
fn worst(scenario: &ScenarioFacts) -> Word {
    let own = scenario.judged().map(|series| series.verdict).min_by_key(|word| rank(*word));
    if new_symbols(scenario).next().is_some() {
        Word::Regressed
    } else {
        own.unwrap_or(Word::NotJudged)
    }
}

/// Ranks a verdict by urgency; the smallest number is the most urgent.
const fn rank(word: Word) -> u8 {
    match word {
        Word::Failed => 0,
        Word::Regressed => 1,
        Word::Inconclusive => 2,
        Word::NoBaseline | Word::NotGated => 3,
        Word::Improved => 4,
        Word::Holds => 5,
        Word::Control => 6,
        Word::NotJudged => 7,
        Word::Observed => 8,
    }
}

/// Renders a verdict as sign, colour and word, so that a reader need not rely on one of them.
fn badge(verdict: Word) -> Markup {
    html! { span.verdict { (sign(verdict)) " " span class=(class(verdict)) { (word(verdict)) } } }
}

fn sign(verdict: Word) -> Markup {
    let sign = match verdict {
        Word::Holds => "✔",
        Word::Improved => "▼",
        Word::Regressed | Word::Failed => "✖",
        Word::Inconclusive | Word::NoBaseline | Word::NotGated => "?",
        Word::NotJudged | Word::Control | Word::Observed => "–",
    };
    html! { span class=(class(verdict)) aria-hidden="true" { (sign) } }
}

const fn class(verdict: Word) -> &'static str {
    match verdict {
        Word::Holds | Word::Improved => "green",
        Word::Regressed | Word::Failed => "red",
        Word::Inconclusive | Word::NoBaseline | Word::NotGated => "amber",
        Word::NotJudged | Word::Control | Word::Observed => "grey",
    }
}
