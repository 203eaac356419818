//! One scenario. Its findings come first, each with its curve; what passes is folded.

use loadline_scenario::MetricKind;
use loadline_scenario::units::{factor, short};
use maud::{Markup, html};

use crate::forms::chart::{Chart, Curve, Point, Role, Scale};
use crate::forms::html::standing::Standing;
use crate::forms::html::{series, table};
use crate::session::model::{FunctionFacts, FunctionStanding, ScenarioFacts, SeriesFacts, Word};
use crate::session::words::{culprit_lines, exponent_text};

/// Renders the whole scenario, open if it needs a look.
pub fn section(scenario: &ScenarioFacts, standing: &Standing<'_>, place: usize) -> Markup {
    let id = |series: &SeriesFacts| format!("c{place}-{}", series.name).replace('/', "-");
    let (shown, folded) = findings(scenario);
    html! {
        details open[standing.needs_a_look()] {
            summary { h3 { (standing.sign()) " " (scenario.full_name) } " " (standing.words()) " " span.soft { (figures(scenario)) } }
            div {
                @for series in shown { (series::section(scenario, series, &id(series))) }
                (functions(scenario, place))
                @if let Some(changes) = &scenario.changes { p { (changes.sentence()) } }
                @if !folded.is_empty() {
                    details.inner {
                        summary { "Curves of what passes: " (names(&folded)) }
                        div { @for series in folded { (series::section(scenario, series, &id(series))) } }
                    }
                }
                details.inner { summary { "All counters at the largest N" } div { (counters(scenario)) } }
                p { strong { (scenario.question) } " " span.soft { (scenario.expectation) } }
                p.soft {
                    "Scenario " code { (scenario.file) }
                    @if let Some(file) = &scenario.baseline_file { ", baseline " code { (file) } }
                    "; " (scenario.repetitions) " repetitions of each size. To see it again:"
                }
                pre tabindex="0" { code { (scenario.command) } }
            }
        }
    }
}

/// Splits off the series that need attention and the known issues, the most urgent first. Of the others,
/// judged times have curves worth a look. All others are in the table of counters.
fn findings(scenario: &ScenarioFacts) -> (Vec<&SeriesFacts>, Vec<&SeriesFacts>) {
    let is_finding = |series: &&SeriesFacts| Standing::of_series(series).rank <= 4;
    let (mut shown, others): (Vec<_>, Vec<_>) = scenario.judged().partition(is_finding);
    shown.sort_by_key(|series| Standing::of_series(series).rank);
    let is_time = |series: &&SeriesFacts| {
        series.name.metric.kind() == MetricKind::Time || !series.notes.is_empty()
    };
    let has_curve = |series: &&SeriesFacts| series.costs.len() >= 2;
    (shown, others.into_iter().filter(is_time).filter(has_curve).collect())
}

fn names(series: &[&SeriesFacts]) -> String {
    series.iter().map(|one| one.name.to_string()).collect::<Vec<_>>().join(", ")
}

/// Describes a folded scenario in a few figures.
fn figures(scenario: &ScenarioFacts) -> String {
    let n_judged = scenario.judged().count();
    let exponents = scenario.judged().filter_map(|series| series.exponent);
    let steepest = exponents.map(|exponent| exponent.value).max_by(f64::total_cmp);
    let steepest = steepest.map(|value| format!(", steepest N^{value:.2}")).unwrap_or_default();
    format!("{n_judged} series{steepest}")
}

/// Renders every counter at the largest N, with the other side's value if both have one.
fn counters(scenario: &ScenarioFacts) -> Markup {
    let head = [
        ("series", false),
        ("verdict", false),
        ("scaling exponent (1 = linear, 2 = quadratic)", true),
        ("N", true),
        ("other side", true),
        ("now", true),
        ("ratio", true),
    ];
    let row = |series: &SeriesFacts| {
        let standing = Standing::of_series(series);
        let dash = || "–".to_owned();
        let shown = |cost: Option<f64>| cost.map_or_else(dash, |cost| short(cost, series.unit));
        let top = series.costs.last();
        let other = top.and_then(|size| size.other_cost);
        let ratio = top.zip(other.filter(|other| *other > 0.0));
        let ratio = ratio
            .map(|(size, other)| format!("×{}", factor(size.cost / other).replace(".0000", "")));
        let why = series.doubt.as_ref().filter(|_| series.verdict == Word::NotJudged);
        vec![
            html! { (series.name.to_string()) },
            html! { (standing.sign()) " " (standing.words()) @if let Some(why) = why { ": " (why.reason) } },
            html! { (exponent_text(series.exponent.as_ref(), series.is_flat())) },
            html! { (top.map_or_else(dash, |size| size.n.to_string())) },
            html! { (shown(other)) },
            html! { (shown(top.map(|size| size.cost))) },
            html! { (ratio.unwrap_or_else(dash)) },
        ]
    };
    let rows: Vec<Vec<Markup>> = scenario.series.iter().map(row).collect();
    table("All counters at the largest N", &head, &rows)
}

/// Renders the functions that grow, and the curve of each new one.
fn functions(scenario: &ScenarioFacts, place: usize) -> Markup {
    if scenario.functions.is_empty() {
        return html! {};
    }
    let head = [
        ("function", false),
        ("phase", false),
        ("instructions", false),
        ("share of the phase", true),
        ("standing", false),
    ];
    let row = |one: &FunctionFacts| {
        let share = format!("{:.0} % at N = {}", one.share * 100.0, one.top);
        let hidden = one.hidden_until;
        let hidden = hidden.map(|n| format!("; hidden in the total until N ≈ {n} (extrapolated)"));
        vec![
            html! { code { (one.shown) } },
            html! { (one.phase) },
            html! { (one.formula) },
            html! { (share) },
            html! { (one.standing_text) (hidden.unwrap_or_default()) },
        ]
    };
    let rows: Vec<Vec<Markup>> = scenario.functions.iter().map(row).collect();
    let is_new = |one: &&FunctionFacts| one.standing == FunctionStanding::Regressed;
    html! {
        @for (number, one) in scenario.functions.iter().filter(is_new).enumerate() {
            h4 { span.red aria-hidden="true" { "✖ " } "Function with new growth: " code { (one.shown) } }
            div.charts {
                @if let Some(chart) = function_chart(one, format!("f{place}-{number}")) {
                    figure { (chart) figcaption { "Its own instructions, counted by callgrind. Both axes go by factors: the slope is the scaling exponent." } }
                }
                ul { @for line in culprit_lines(one) { li { (line) } } }
            }
        }
        (table("Functions that grow beyond linear: own instructions, by callgrind", &head, &rows))
    }
}

fn function_chart(function: &FunctionFacts, id: String) -> Option<Markup> {
    let point = |cost: &crate::session::model::FunctionCost| Point {
        at: (cost.n as f64, cost.cost),
        interval: None,
        says: format!("N = {}: {} instructions", cost.n, short(cost.cost, "count")),
    };
    let points = function.costs.iter().map(point).collect();
    let chart = Chart {
        id,
        title: format!("{}: own instructions by N", function.shown),
        description: format!("{} instructions", function.formula),
        curves: vec![Curve { role: Role::Now, line: function.fitted.costs.clone(), points }],
        scale: Scale::Logarithmic,
        across: "N".to_owned(),
        unit: "count",
        counted: "instructions",
        per: "run",
    };
    chart.draw()
}
