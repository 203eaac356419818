//! One series: the fact in a sentence, its curves, the figures behind the verdict, and a table of all costs.

use loadline_scenario::units::short;
use maud::{Markup, html};

use crate::forms::chart::{Chart, Curve, Point, Role, Scale};
use crate::forms::html::standing::Standing;
use crate::forms::html::table;
use crate::session::fact::fact;
use crate::session::model::{ScenarioFacts, SeriesFacts, SizeFacts, Word};
use crate::session::words::growth_text;

/// Renders the series; `id` is unique within the page.
pub fn section(scenario: &ScenarioFacts, series: &SeriesFacts, id: &str) -> Markup {
    let standing = Standing::of_series(series);
    let is_told = !series.evidence.is_empty() || series.verdict == Word::Failed;
    let doubt = series.doubt.as_ref().filter(|_| !is_told);
    let doubt = doubt.into_iter().flat_map(|doubt| [Some(&doubt.reason), doubt.remedy.as_ref()]);
    let sentences = series.evidence.iter().chain(doubt.flatten()).chain(&series.notes);
    let sentences: Vec<&String> = sentences.collect();
    html! {
        h4 { (standing.sign()) " " (fact(scenario, series)) }
        p.soft { (series.name.to_string()) ": " (standing.words()) }
        (curves(series, id))
        @if series.speed_up.is_some() { p { (growth_text(series)) } }
        @else if series.exponent.is_some() { p { (growth_text(series)) " (1 = linear, 2 = quadratic)" } }
        @if !sentences.is_empty() { ul { @for sentence in sentences { li { (sentence) } } } }
        @if !series.costs.is_empty() {
            details.inner { summary { "All figures of " (series.name.to_string()) } div { (by_n(series)) } }
        }
    }
}

/// Renders the charts with their legend.
fn curves(series: &SeriesFacts, id: &str) -> Markup {
    let one = &series.one;
    let run = format!("cost of all N {one}s");
    let next = format!("cost of the next {one}");
    let charts = [
        (run.as_str(), "run", costs(series), Scale::Linear, "A straight line is linear."),
        (
            run.as_str(),
            "run",
            costs(series),
            Scale::Logarithmic,
            "Both axes go by factors: the slope is the scaling exponent.",
        ),
        (next.as_str(), one.as_str(), marginal(series), Scale::Linear, "A level line is linear."),
    ];
    let drawn = charts.into_iter().enumerate().filter_map(|(place, chart)| {
        let (title, per, curves, scale, meaning) = chart;
        let chart = Chart {
            id: format!("{id}-{place}"),
            title: format!("{}: {title}", series.name),
            description: description(series),
            curves,
            scale,
            across: format!("N, {one}s"),
            unit: series.unit,
            counted: &series.name.metric.to_string().replace("callgrind-", "").replace('-', " "),
            per,
        };
        Some(html! { figure { (chart.draw()?) figcaption { "The " (title) ". " (meaning) } } })
    });
    let figures: Vec<Markup> = drawn.collect();
    let has_other = series.costs.iter().any(|size| size.other_cost.is_some());
    let line = if series.fitted.costs.is_empty() { "" } else { ", and the fitted curve" };
    html! {
        @if !figures.is_empty() {
            ul.legend {
                li.now { "now: medians with their 95 % intervals" (line) }
                @if has_other { li.other { (series.other_name()) } }
            }
            div.charts { @for figure in figures { (figure) } }
        }
    }
}

/// Describes the charts in a sentence.
fn description(series: &SeriesFacts) -> String {
    let (Some(first), Some(last)) = (series.costs.first(), series.costs.last()) else {
        return "nothing was counted".to_owned();
    };
    let unit = |cost: f64| short(cost, series.unit);
    let other = last.other_cost.map(|cost| format!(", {} {}", series.other_name(), unit(cost)));
    format!(
        "From {} at N = {} to {} at N = {}{}. The table below has every figure.",
        unit(first.cost),
        first.n,
        unit(last.cost),
        last.n,
        other.unwrap_or_default(),
    )
}

/// Returns the curves of costs by N.
fn costs(series: &SeriesFacts) -> Vec<Curve> {
    let unit = |cost: f64| short(cost, series.unit);
    let now = |size: &SizeFacts| {
        let interval =
            size.interval.map(|(low, high)| format!(" (95 %: {} … {})", unit(low), unit(high)));
        let fitted = size.fitted.map(|cost| format!(", fitted {}", unit(cost)));
        let (interval, fitted) = (interval.unwrap_or_default(), fitted.unwrap_or_default());
        let (n, cost, each) = (size.n, unit(size.cost), unit(size.per_module));
        Point {
            at: (n as f64, size.cost),
            interval: size.interval,
            says: format!("now, N = {n}: {cost}{interval}{fitted}; one {} {each}", series.one),
        }
    };
    let other =
        |size: &SizeFacts| point(series, size.n as f64, size.other_cost?, series.other_name());
    both(
        series.costs.iter().filter_map(other).collect(),
        &series.other_fitted.costs,
        series.costs.iter().map(now).collect(),
        &series.fitted.costs,
    )
}

/// Returns the curves of the cost of one more item, in the middle between the sizes that it is known from.
fn marginal(series: &SeriesFacts) -> Vec<Curve> {
    let points = |cost: fn(&SizeFacts) -> Option<f64>, side: &str| {
        let pairs = series.costs.windows(2);
        let next = pairs.filter_map(|pair| {
            point(series, (pair[0].n + pair[1].n) as f64 / 2.0, cost(&pair[1])?, side)
        });
        next.collect()
    };
    both(
        points(|size| size.other_next_module, series.other_name()),
        &series.other_fitted.next,
        points(|size| size.next_module, "now"),
        &series.fitted.next,
    )
}

fn point(series: &SeriesFacts, n: f64, cost: f64, side: &str) -> Option<Point> {
    let says = format!("{side}, N = {n:.0}: {}", short(cost, series.unit));
    cost.is_finite().then_some(Point { at: (n, cost), interval: None, says })
}

/// Returns the other side's curve, if it is known, and the current one.
fn both(
    other: Vec<Point>,
    other_line: &[(f64, f64)],
    now: Vec<Point>,
    line: &[(f64, f64)],
) -> Vec<Curve> {
    let curve = |role, points, line: &[(f64, f64)]| Curve { role, line: line.to_vec(), points };
    let other = (!other.is_empty()).then(|| curve(Role::Other, other, other_line));
    other.into_iter().chain([curve(Role::Now, now, line)]).collect()
}

/// Renders a table of all figures of a series.
fn by_n(series: &SeriesFacts) -> Markup {
    let shown = |cost: Option<f64>| {
        html! { (cost.map_or_else(|| "–".to_owned(), |cost| short(cost, series.unit))) }
    };
    let has_other = series.costs.iter().any(|size| size.other_cost.is_some());
    let (one, other) = (&series.one, series.other_name());
    let head = ["N".to_owned(), "now".to_owned(), format!("one {one}"), format!("the next {one}")];
    let of_other = [other.to_owned(), format!("the next, {other}")];
    let head: Vec<String> =
        head.into_iter().chain(of_other.into_iter().filter(|_| has_other)).collect();
    let head: Vec<(&str, bool)> = head.iter().map(|name| (name.as_str(), true)).collect();
    let row = |size: &SizeFacts| {
        let own = [Some(size.cost), Some(size.per_module), size.next_module];
        let of_other = [size.other_cost, size.other_next_module];
        let costs = own.into_iter().chain(of_other.into_iter().filter(|_| has_other));
        [html! { (size.n) }].into_iter().chain(costs.map(shown)).collect()
    };
    let rows: Vec<Vec<Markup>> = series.costs.iter().map(row).collect();
    table(&format!("{} by N", series.name), &head, &rows)
}
