//! The breakdown of one scenario's cost, for a terminal.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};
use loadline_growth::{CurveOptions, Formula, judge_curve};
use loadline_record::header::RunRecord;
use loadline_record::measured::{Measured, MeasuredScenario};
use loadline_scenario::units::amount;
use loadline_scenario::{
    Collector, Metric, MetricKind, Phase, Reading, Sample, Scenario, Scope, SeriesName,
};
use loadline_verdict::functions::{
    self, GrowingFunction, Profiles, ReadProfiles, Reference, Standing, shortened,
};
use loadline_verdict::known::Present;
use loadline_verdict::known_issue::expiry;

use crate::session::next::trimmed;

/// The number of costliest functions per phase that are shown although they do not grow.
const COSTLIEST: usize = 5;

/// Renders the whole breakdown of one scenario.
pub fn explanation(
    one: &MeasuredScenario,
    measured: &Measured,
    records: &[RunRecord],
    read: ReadProfiles<'_>,
) -> String {
    let Scenario { question, expectation, .. } = &one.scenario;
    let mut text = format!("\n{}\n    {question}\n", one.scenario.full_name());
    for line in expectation.trim().lines() {
        let _ = writeln!(text, "    {line}");
    }
    for failure in &one.failures {
        let _ = writeln!(text, "    failed: {failure}");
    }
    match read(one) {
        Some(profiles) => {
            let reference = Reference::Accepted(None);
            let growing = functions::of_measured(one, &profiles, &Present::of(measured), reference);
            for phase in profiles.phases() {
                text.push_str(&of_phase(phase, &profiles, &growing, one.scenario.unit()));
            }
        }
        None => text.push_str("\n    costs by function: not measured (see above)\n"),
    }
    text.push_str(&operations(one));
    text.push_str(&next_module(one, records));
    text.push_str(&consequences(one));
    text
}

/// Says in one line which function of a scenario grows most.
pub fn answer(one: &MeasuredScenario, measured: &Measured, read: ReadProfiles<'_>) -> String {
    let full_name = one.scenario.full_name();
    let Some(profiles) = read(one) else {
        return format!("{full_name}: costs by function were not measured");
    };
    let reference = Reference::Accepted(None);
    let growing = functions::of_measured(one, &profiles, &Present::of(measured), reference);
    let most = growing.iter().max_by(|one, other| one.share.total_cmp(&other.share));
    let Some(most) = most else {
        return format!("{full_name}: no function grows beyond linear");
    };
    let more = match growing.len() - 1 {
        0 => String::new(),
        1 => "; 1 more function grows".to_owned(),
        n => format!("; {n} more functions grow"),
    };
    let (phase, shown, formula) = (most.phase, most.shown(), &most.formula);
    format!("{full_name} {phase}: {shown} grows by {formula} instructions{more}")
}

/// Lists where the instructions of one phase go.
fn of_phase(phase: Phase, profiles: &Profiles, growing: &[GrowingFunction], unit: &str) -> String {
    let Some(total) = profiles.totals(phase) else { return String::new() };
    let formula = Formula::of(&total);
    let shown = formula.map_or_else(|| "unknown".to_owned(), |formula| formula.to_string());
    let top = total.top_size();
    let whole = functions::top(&total);
    let mut text = format!("\n{phase}: {shown} instructions, {} at N = {top}\n", amount(whole, ""));
    let own: Vec<&GrowingFunction> = growing.iter().filter(|g| g.phase == phase).collect();
    let mut table = function_table(unit);
    for one in &own {
        let name = format!("grows: {}", one.shown());
        table.add_row(row(&name, &one.formula, one.saved.own as f64 / whole));
    }
    let is_growing = |function: &str, object: &str| {
        own.iter().any(|one| one.saved.function == function && one.saved.object == object)
    };
    let rest = profiles.functions(phase).iter();
    let rest = rest.filter(|function| !is_growing(&function.function, &function.object));
    for function in rest.take(COSTLIEST) {
        let series = profiles.own(phase, &function.object, &function.function);
        if let Some(formula) = series.as_ref().and_then(Formula::of) {
            let name = format!("{} ({})", shortened(&function.function), function.object);
            table.add_row(row(&name, &formula, function.own as f64 / whole));
        }
    }
    indented(&mut text, &trimmed(&table.to_string()));
    own.iter().for_each(|one| text.push_str(&culprit(one, unit)));
    text
}

fn function_table(unit: &str) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["function", "fixed", &format!("per {unit}"), "per pair", "share"]);
    table.column_iter_mut().skip(1).for_each(|column| {
        column.set_cell_alignment(CellAlignment::Right);
    });
    table
}

fn row(name: &str, formula: &Formula, share: f64) -> [String; 5] {
    let number = |value: f64| {
        let sign = if value <= -0.005 { "−" } else { "" };
        format!("{sign}{}", amount(value.abs(), ""))
    };
    // Less than a thousandth of an instruction per pair is a rounding error.
    let per_pair =
        if formula.per_pair.abs() < 1e-3 { "–".to_owned() } else { number(formula.per_pair) };
    [
        name.to_owned(),
        number(formula.fixed),
        number(formula.per_item),
        per_pair,
        format!("{:.1} %", share * 100.0),
    ]
}

/// Describes who calls a growing function, why it grows, and what to do.
fn culprit(one: &GrowingFunction, unit: &str) -> String {
    let mut text = format!("    why {} grows, by {}:\n", one.saved.function, one.formula);
    let callers: Vec<String> = one.path_of_growth().iter().map(|name| shortened(name)).collect();
    match (&one.grows_for, callers.as_slice()) {
        (None, []) => {}
        (Some(caller), []) => {
            let _ = writeln!(text, "        called by: {}", shortened(caller));
        }
        (_, callers) => {
            let _ = writeln!(text, "        called by: {}", callers.join("\n            > "));
        }
    }
    let next = |n: f64| amount(one.formula.next_at(n).max(0.0), "");
    let top = one.series.top_size();
    let extrapolate_to = one.hidden.extrapolate_to;
    let _ = writeln!(
        text,
        "        the next {unit} costs {} instructions there at N = {top}, and {} at N = {extrapolate_to} (extrapolated)",
        next(top as f64),
        next(extrapolate_to as f64)
    );
    if let Some(visible) = one.hidden.visible_from {
        let _ = writeln!(
            text,
            "        20 % of the total from N ≈ {visible} on (extrapolated where N is above {top})"
        );
    }
    match one.cause() {
        Some(known) => {
            let _ = writeln!(text, "        cause: {}", known.cause);
            let _ = writeln!(text, "        remedy: {}", known.remedy);
            let _ = writeln!(text, "        see: {}", known.reference);
        }
        None => text.push_str(
            "        cause: unknown; look at what its callers pass to it that becomes longer as N rises\n",
        ),
    }
    if let Some(note) = one.note() {
        let _ = writeln!(text, "        note: {note}");
    }
    if let Standing::Known { reason, expires, .. } = &one.standing {
        let _ = writeln!(text, "        known and accepted; {}: {reason}", expiry(expires));
    }
    text
}

/// Lists the operations per module, counted exactly.
fn operations(one: &MeasuredScenario) -> String {
    let counted = one.series.keys().filter(|name| name.metric.collector() == Collector::Count);
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["operation", "formula", "at the largest N"]);
    for name in counted {
        let (formula, top) = match one.complete(*name) {
            Some(series) => {
                let formula = Formula::of(&series);
                let top = functions::top(&series);
                let formula = formula.map_or_else(|| "–".to_owned(), |f| f.to_string());
                (formula, amount(top, name.metric.unit()))
            }
            None => ("not counted".to_owned(), "–".to_owned()),
        };
        table.add_row([name.to_string(), formula, top]);
    }
    if table.row_iter().next().is_none() {
        return String::new();
    }
    let mut text = "\noperations\n".to_owned();
    indented(&mut text, &trimmed(&table.to_string()));
    text
}

/// Lists the cost of one more module to load or unload, by how many were loaded or unloaded before. The
/// figures come from the checkpoints of the largest runs.
fn next_module(one: &MeasuredScenario, records: &[RunRecord]) -> String {
    let full_name = one.scenario.full_name();
    let Some(&top) = one.scenario.sizes.last() else { return String::new() };
    let of_top = |record: &&RunRecord| {
        record.collector.is_clock() && record.scenario == full_name && record.modules == top
    };
    let runs: Vec<&[Sample]> =
        records.iter().filter(of_top).filter_map(RunRecord::samples).collect();
    let mut text = String::new();
    for phase in [Phase::Load, Phase::Unload] {
        let Some((populations, costs)) = marginal(&runs, phase) else { continue };
        let done = if phase == Phase::Load { "loaded" } else { "unloaded" };
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let labels = populations.iter().map(|(from, to)| format!("{from}…{to}"));
        table.add_row(std::iter::once(done.to_owned()).chain(labels));
        table.add_row(
            std::iter::once("each".to_owned()).chain(costs.iter().map(|cost| amount(*cost, "ns"))),
        );
        table.column_iter_mut().skip(1).for_each(|column| {
            column.set_cell_alignment(CellAlignment::Right);
        });
        let _ = writeln!(
            text,
            "\nthe next {} to {phase}, in a run of {top}, by how many are {done} already",
            one.scenario.unit()
        );
        indented(&mut text, &trimmed(&table.to_string()));
    }
    text
}

/// The stretches of a run between two numbers of modules, and the median cost of a module in each stretch.
type Marginal = (Vec<(usize, usize)>, Vec<f64>);

fn marginal(runs: &[&[Sample]], phase: Phase) -> Option<Marginal> {
    let name = SeriesName::new(phase, Metric::TaskClock);
    let of_run = |samples: &&[Sample]| -> Vec<(usize, f64)> {
        let own = samples.iter().filter(|sample| {
            sample.scope == Scope::Process
                && (sample.phase, sample.metric) == (name.phase, name.metric)
        });
        let value = |sample: &Sample| match sample.reading {
            Reading::Unavailable(_) => None,
            reading => reading.value().map(|value| (sample.modules, value)),
        };
        let mut cumulative: Vec<(usize, f64)> = own.filter_map(value).collect();
        cumulative.sort_by_key(|(modules, _)| *modules);
        cumulative
    };
    let runs: Vec<Vec<(usize, f64)>> = runs.iter().map(of_run).collect();
    let first = runs.first().filter(|run| run.len() >= 3)?;
    let stretches: Vec<(usize, usize)> =
        first.windows(2).map(|pair| (pair[0].0, pair[1].0)).collect();
    let cost = |&(from, to): &(usize, usize)| {
        let at = |run: &Vec<(usize, f64)>, n| run.iter().find(|(m, _)| *m == n).map(|(_, c)| *c);
        let mut each: Vec<f64> = runs
            .iter()
            .filter_map(|run| Some((at(run, to)? - at(run, from)?) / (to - from) as f64))
            .collect();
        each.sort_by(f64::total_cmp);
        each.get(each.len() / 2).copied().unwrap_or(f64::NAN)
    };
    let costs: Vec<f64> = stretches.iter().map(cost).collect();
    costs.iter().all(|cost| cost.is_finite()).then_some((stretches, costs))
}

/// Describes what the growth of each judged series means at the limit.
fn consequences(one: &MeasuredScenario) -> String {
    let extrapolate_to = functions::extrapolate_to(&one.scenario) as u64;
    let mut lines = String::new();
    for name in &one.scenario.judge {
        let Some(series) = one.complete(*name) else { continue };
        let curve = judge_curve(&series, &CurveOptions::default());
        let Some(evidence) = curve.evidence.filter(|e| e.share >= loadline_growth::MIN_SHARE)
        else {
            continue;
        };
        let unit = name.metric.unit();
        let at = |n: u64| amount(evidence.fit.cost_at(n), unit);
        let next = |n: u64| amount(evidence.fit.cost_at(n + 1) - evidence.fit.cost_at(n), unit);
        let (low, top) = (series.sizes()[0], series.top_size());
        let by_itself = match name.metric.kind() {
            MetricKind::Time => " (a time by itself: caches may look like growth)",
            MetricKind::Count => "",
        };
        let crossover = evidence.crossover.map_or_else(String::new, |crossover| {
            format!("; if quadratic it overtakes the rest at N ≈ {crossover:.0}")
        });
        let _ = writeln!(
            lines,
            "    {name}: the next {} costs {} at N = {top} instead of {} at N = {low}; {} at N = {top}, {} at N = {extrapolate_to} (extrapolated){crossover}{by_itself}",
            one.scenario.unit(),
            next(top),
            next(low),
            at(top),
            at(extrapolate_to),
        );
    }
    if lines.is_empty() {
        "\nnothing that is judged grows beyond linear\n".to_owned()
    } else {
        format!("\nwhat growth comes to\n{lines}")
    }
}

fn indented(text: &mut String, table: &str) {
    for line in table.lines() {
        let _ = writeln!(text, "    {line}");
    }
}
