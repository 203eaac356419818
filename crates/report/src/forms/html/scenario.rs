//! One scenario, folded until a reader opens it: its curves, the cost of the next module, its counters with
//! those of the other side, and its growing functions.

use loadline_scenario::MetricKind;
use maud::{Markup, html};

use crate::forms::chart::{Chart, Curve, Point, Role, Scale};
use crate::forms::html::{badge, class, sign, worst};
use crate::forms::text::verdict;
use crate::session::model::{FunctionFacts, ScenarioFacts, SeriesFacts, SizeFacts, Word};
use crate::session::words::growth_text;
use loadline_scenario::units::{amount, factor};

/// A scaling exponent above this gets a chart, whatever the verdict.
const STEEP: f64 = 1.1;

/// Renders the whole scenario, folded.
pub fn section(scenario: &ScenarioFacts, place: usize) -> Markup {
    let is_open = scenario.judged().any(|series| series.verdict.is_red());
    html! {
        details open[is_open] {
            summary { h3 { (scenario.full_name) } " " (badge(worst(scenario))) }
            // A browser unfolds the section when a reader follows a link into it.
            div id={ "s" (place) } {
                p { strong { (scenario.question) } }
                p.soft { (scenario.expectation) }
                p.soft {
                    "Scenario " code { (scenario.file) }
                    @if let Some(file) = &scenario.baseline_file { ", baseline " code { (file) } }
                    "; " (scenario.repetitions) " repetitions of each size. To see it again:"
                }
                pre tabindex="0" { code { (scenario.command) } }
                @for (number, series) in drawn(scenario).into_iter().enumerate() {
                    (curves(series, &format!("c{place}-{number}")))
                }
                (symbols(&scenario.functions))
                (counters(scenario))
            }
        }
    }
}

/// Picks the series that get a chart: judged times, series that need attention, and series that are steeper
/// than linear. If there is none, picks the first series. All others are in the table of counters.
fn drawn(scenario: &ScenarioFacts) -> Vec<&SeriesFacts> {
    let tells = |series: &&SeriesFacts| {
        let is_judged_time =
            series.name.metric.kind() == MetricKind::Time && series.verdict != Word::Observed;
        is_judged_time
            || !matches!(series.verdict, Word::Holds | Word::Observed)
            || !series.notes.is_empty()
            || series.exponent.is_some_and(|exponent| exponent.low > STEEP)
    };
    let counted = || scenario.series.iter().filter(|series| series.costs.len() >= 2);
    let telling: Vec<&SeriesFacts> = counted().filter(tells).collect();
    if telling.is_empty() { counted().take(1).collect() } else { telling }
}

fn curves(series: &SeriesFacts, id: &str) -> Markup {
    let unit = |cost: f64| amount(cost, series.unit);
    let has_other = series.costs.iter().any(|size| size.other_cost.is_some());
    let summary = description(series);
    let chart = |id: &str, title: &str, curves: Vec<Curve>, scale: Scale| {
        Chart {
            id: id.to_owned(),
            title: format!("{}: {title}", series.name),
            description: summary.clone(),
            curves,
            scale,
            amount: &unit,
        }
        .draw()
    };
    let costs = costs(series);
    let one = &series.one;
    let all = format!("cost of all N {one}s");
    let next = format!("the next {one} with N there");
    let linear = chart(&format!("{id}a"), &all, costs.clone(), Scale::Linear);
    let steep = chart(
        &format!("{id}b"),
        &format!("{all}, both axes by factors"),
        costs,
        Scale::Logarithmic,
    );
    let marginal =
        chart(&format!("{id}c"), &format!("cost of {next}"), marginal(series), Scale::Linear);
    html! {
        h4 { (sign(series.verdict)) " " (series.name.to_string()) ": " span class=(class(series.verdict)) { (verdict(series)) } }
        p { (growth_text(series)) }
        @if !series.evidence.is_empty() || !series.notes.is_empty() {
            ul {
                @for sentence in series.evidence.iter().chain(&series.notes) { li { (sentence) } }
            }
        }
        ul.legend {
            li.now { "now: median of the rounds with its 95 % interval, and the fitted curve" }
            @if has_other { li.other { (series.other_name()) } }
        }
        div.charts {
            @if let Some(chart) = linear { figure { (chart) figcaption { "The " (all) ": a straight line is linear." } } }
            @if let Some(chart) = steep { figure { (chart) figcaption { "The same with both axes by factors: the slope is the exponent." } } }
            @if let Some(chart) = marginal { figure { (chart) figcaption { "The cost of " (next) ": level is linear." } } }
        }
        (by_n(series, has_other))
    }
}

/// Describes the charts in a sentence.
fn description(series: &SeriesFacts) -> String {
    let (Some(first), Some(last)) = (series.costs.first(), series.costs.last()) else {
        return "nothing was counted".to_owned();
    };
    let unit = |cost: f64| amount(cost, series.unit);
    let other = last.other_cost.map(|cost| format!(", {} {}", series.other_name(), unit(cost)));
    format!(
        "From {} at N = {} to {} at N = {}{}. {}. The table below has every figure.",
        unit(first.cost),
        first.n,
        unit(last.cost),
        last.n,
        other.unwrap_or_default(),
        growth_text(series)
    )
}

/// Draws costs by N: the fit of the current side through its points, and the other side from point to point.
fn costs(series: &SeriesFacts) -> Vec<Curve> {
    let unit = |cost: f64| amount(cost, series.unit);
    let now = |size: &SizeFacts| {
        let interval =
            size.interval.map(|(low, high)| format!(" (95 %: {} … {})", unit(low), unit(high)));
        let fitted = size.fitted.map(|cost| format!(", fitted {}", unit(cost)));
        Point {
            at: (size.n as f64, size.cost),
            interval: size.interval,
            says: format!(
                "now, N = {}: {}{}{}; one {} {}",
                size.n,
                unit(size.cost),
                interval.unwrap_or_default(),
                fitted.unwrap_or_default(),
                series.one,
                unit(size.per_module)
            ),
        }
    };
    let mut curves = other_curve(series, |size| size.other_cost);
    curves.push(Curve {
        role: Role::Now,
        line: series.costs.iter().map(|r| (r.n as f64, r.fitted.unwrap_or(r.cost))).collect(),
        points: series.costs.iter().map(now).collect(),
    });
    curves
}

/// Draws the cost of one more module, by the number of modules that are already loaded.
fn marginal(series: &SeriesFacts) -> Vec<Curve> {
    let unit = |cost: f64| amount(cost, series.unit);
    let mut curves = other_curve(series, |size| size.other_next_module);
    let own = series.costs.iter().filter_map(|size| {
        let at = (size.n as f64, size.next_module?);
        let says = format!("now, the next {} up to N = {}: {}", series.one, size.n, unit(at.1));
        Some(Point { at, interval: None, says })
    });
    let points: Vec<Point> = own.collect();
    curves.push(Curve { role: Role::Now, line: points.iter().map(|p| p.at).collect(), points });
    curves
}

fn other_curve(series: &SeriesFacts, cost: impl Fn(&SizeFacts) -> Option<f64>) -> Vec<Curve> {
    let own = series.costs.iter().filter_map(|size| {
        let at = (size.n as f64, cost(size)?);
        let says =
            format!("{}, N = {}: {}", series.other_name(), size.n, amount(at.1, series.unit));
        Some(Point { at, interval: None, says })
    });
    let points: Vec<Point> = own.collect();
    if points.is_empty() {
        return Vec::new();
    }
    vec![Curve { role: Role::Other, line: points.iter().map(|p| p.at).collect(), points }]
}

/// Renders a table of all figures of a series.
fn by_n(series: &SeriesFacts, has_other: bool) -> Markup {
    let shown = |cost: Option<f64>| cost.map_or_else(|| "–".to_owned(), |c| amount(c, series.unit));
    html! {
        div.wide tabindex="0" role="region" aria-label={ (series.name.to_string()) " by N" } {
            table {
                caption { (series.name.to_string()) " by N" }
                thead { tr {
                    th.n scope="col" { "N" } th.n scope="col" { "now" }
                    @if has_other { th.n scope="col" { (series.other_name()) } }
                    th.n scope="col" { "one " (series.one) } th.n scope="col" { "the next " (series.one) }
                    @if has_other { th.n scope="col" { "the next, " (series.other_name()) } }
                } }
                tbody {
                    @for size in &series.costs {
                        tr {
                            th.n scope="row" { (size.n) } td.n { (shown(Some(size.cost))) }
                            @if has_other { td.n { (shown(size.other_cost)) } }
                            td.n { (shown(Some(size.per_module))) } td.n { (shown(size.next_module)) }
                            @if has_other { td.n { (shown(size.other_next_module)) } }
                        }
                    }
                }
            }
        }
    }
}

/// Renders every counter at the largest N, with the other side's value if both have one.
fn counters(scenario: &ScenarioFacts) -> Markup {
    html! {
        h4 { "All counters" }
        div.wide tabindex="0" role="region" aria-label="All counters at the largest N" {
            table {
                caption { "All counters at the largest N" }
                thead { tr {
                    th scope="col" { "series" } th scope="col" { "verdict" } th.n scope="col" { "scaling exponent (1 = linear, 2 = quadratic)" }
                    th.n scope="col" { "N" } th.n scope="col" { "other side" } th.n scope="col" { "now" } th.n scope="col" { "ratio" }
                } }
                tbody {
                    @for series in &scenario.series {
                        @let top = series.costs.last();
                        @let shown = |cost: Option<f64>| cost.map_or_else(|| "–".to_owned(), |c| amount(c, series.unit));
                        @let other = top.and_then(|size| size.other_cost);
                        @let ratio = top.zip(other).filter(|(_, other)| *other > 0.0).map(|(size, other)| factor(size.cost / other));
                        tr {
                            th scope="row" { (series.name.to_string()) }
                            td { (sign(series.verdict)) " " span class=(class(series.verdict)) { (verdict(series)) } }
                            td.n { @match &series.exponent { Some(e) => { (format!("{:.2}", e.value)) } None if series.costs.is_empty() => { "–" } None => { "flat" } } }
                            td.n { @if let Some(size) = top { (size.n) } @else { "–" } }
                            td.n { (shown(other)) }
                            td.n { (shown(top.map(|size| size.cost))) }
                            td.n { @if let Some(ratio) = ratio { "×" (ratio) } @else { "–" } }
                        }
                    }
                }
            }
        }
    }
}

fn symbols(symbols: &[FunctionFacts]) -> Markup {
    if symbols.is_empty() {
        return html! {};
    }
    html! {
        h4 { "Symbols that grow beyond linear, by callgrind" }
        div.wide tabindex="0" role="region" aria-label="Symbols that grow beyond linear" {
            table {
                caption { "Symbols that grow beyond linear: own instructions" }
                thead { tr {
                    th scope="col" { "symbol" } th scope="col" { "phase" } th scope="col" { "instructions" }
                    th.n scope="col" { "share of the phase" } th scope="col" { "standing" } th scope="col" { "at each N" }
                } }
                tbody {
                    @for symbol in symbols {
                        tr {
                            th scope="row" { code { (symbol.shown) } }
                            td { (symbol.phase) } td { (symbol.formula) }
                            td.n { (format!("{:.0} %", symbol.share * 100.0)) " at N = " (symbol.top) }
                            td { (symbol.standing_text) @if let Some(n) = symbol.hidden_until { "; hidden in the total until N ≈ " (n) " (extrapolated)" } }
                            td { @for (place, cost) in symbol.costs.iter().enumerate() { @if place > 0 { ", " } (cost.n) ": " (amount(cost.cost, "count")) } }
                        }
                    }
                }
            }
        }
        @for symbol in symbols.iter().filter(|symbol| symbol.cause.is_some()).take(1) {
            ul {
                @for line in [&symbol.cause, &symbol.remedy, &symbol.reference].into_iter().flatten() { li { (line) } }
            }
        }
    }
}
