//! The differences between two sides for a terminal: changed series first, and one line for unchanged ones.
//! Converts units and computes nothing else.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};

use crate::session::model::is_flat;
use crate::session::words::without_exponent;
use crate::trimmed;
use loadline_scenario::units::{arrow, cut, factor, percent, short};
use loadline_verdict::compare::Moved;
use loadline_verdict::compare::{ByN, Change, Comparison, Curve, Found, Pair, Row, Span};

/// The largest number of rows that show costs per module by N. `--json` has the others.
const MOST_BY_N: usize = 5;

/// The largest number of functions shown per scenario.
const MOST_FUNCTIONS: usize = 6;

/// Renders the whole text.
pub fn text(comparison: &Comparison) -> String {
    let Comparison { old, new, scenarios, only_old, only_new, .. } = comparison;
    let mut text = format!("{}\n", answer(comparison));
    text.push_str(&match old == new {
        true => format!("{old}\n"),
        false => format!("old: {old}\nnew: {new}\n"),
    });
    let mut shown: Option<(&[String; 2], &[String])> = None;
    for pair in scenarios {
        let here = (&pair.environment, pair.differences.as_slice());
        // The machines are shown only if they differ from those of the previous scenario.
        if shown != Some(here) {
            environment(&mut text, pair);
        }
        shown = Some(here);
        of_pair(&mut text, pair);
    }
    for (side, full_names) in [("old", only_old), ("new", only_new)] {
        if !full_names.is_empty() {
            line(&mut text, &format!("only on the {side} side: {}", full_names.join(", ")));
        }
    }
    text
}

/// Says in one line what differs most: changes of growth before changes of cost.
fn answer(comparison: &Comparison) -> String {
    let rows =
        comparison.scenarios.iter().flat_map(|pair| pair.series.iter().map(move |r| (pair, r)));
    let (compared, others): (Vec<(&Pair, &Row)>, Vec<_>) =
        rows.partition(|(_, row)| row.change != Change::NotCompared);
    let word = |change: Change| match change {
        Change::Worse => Some((0, "grows faster")),
        Change::New => Some((1, "is new")),
        Change::Improved => Some((2, "grows less")),
        Change::Removed => Some((3, "was removed")),
        Change::More => Some((4, "costs more")),
        Change::Less => Some((5, "costs less")),
        Change::Unchanged | Change::NotCompared => None,
    };
    let changed: Vec<_> =
        compared.iter().filter_map(|(pair, row)| Some((word(row.change)?, pair, row))).collect();
    let Some(((_, word), pair, row)) =
        changed.iter().min_by_key(|((rank, _), _, row)| (*rank, row.unit != "ns"))
    else {
        return match compared.len() {
            0 => "nothing could be compared".to_owned(),
            n if others.is_empty() => format!("no difference: {n} series unchanged"),
            n => format!("no difference: {n} series unchanged, {} not compared", others.len()),
        };
    };
    let full_name = arrow(&pair.old, &pair.new);
    let cost = row.by_n.last().map(|top| {
        let costs = arrow(&short(top.old, row.unit), &short(top.new, row.unit));
        format!(", {costs} at N = {}", top.n)
    });
    let differ = if changed.len() == 1 { "differs" } else { "differ" };
    format!(
        "{full_name} {} {word}{}; {} of {} series {differ}",
        row.name,
        cost.unwrap_or_default(),
        changed.len(),
        compared.len()
    )
}

fn line(text: &mut String, line: &str) {
    text.push_str(line.trim_end());
    text.push('\n');
}

fn environment(text: &mut String, pair: &Pair) {
    let [old, new] = &pair.environment;
    if old == new {
        line(text, old);
    } else {
        line(text, &format!("old on: {old}"));
        line(text, &format!("new on: {new}"));
    }
    let (growth, levels) = pair.differences.split_at(pair.n_growth_differences);
    for difference in growth {
        line(text, &format!("differs, and may change growth: {difference}"));
    }
    if !levels.is_empty() {
        let names: Vec<&str> = levels.iter().map(|d| d.split(':').next().unwrap_or(d)).collect();
        line(text, &format!("differs, and may change levels: {}", names.join(", ")));
    }
}

fn of_pair(text: &mut String, pair: &Pair) {
    let full_name = arrow(&pair.old, &pair.new);
    line(text, "");
    line(text, &full_name);
    pair.failures.iter().for_each(|failure| line(text, &format!("failed: {failure}")));
    let changed: Vec<&Row> = pair.series.iter().filter(|row| is_told(row)).collect();
    if !changed.is_empty() {
        text.push_str(&table(&changed, &pair.one));
        if changed.iter().any(|row| has_doubtful_part(row)) {
            line(text, " ?: too small or too noisy to distinguish from none");
        }
        changed.iter().filter_map(|row| judged(row)).for_each(|said| line(text, &said));
    }
    folded(&pair.series).iter().for_each(|said| line(text, &format!(" {said}")));
    by_n(text, &changed, &pair.one);
    functions(text, &pair.functions);
    let consequences: Vec<String> =
        changed.iter().filter_map(|row| consequence(row, &pair.one)).collect();
    if !consequences.is_empty() {
        line(text, "");
        consequences.iter().for_each(|sentence| line(text, &format!(" {sentence}")));
    }
}

/// Formats by how much a noisy series has changed, with its interval.
fn judged(row: &Row) -> Option<String> {
    let Row { name, at, .. } = row;
    let shown = |Span { value, low, high }: Span, scale: f64| {
        let [value, low, high] = [value, low, high].map(|number| factor(number * scale));
        format!("{value} (95 %: {low} … {high})")
    };
    match (row.change, row.factor, row.growth) {
        (Change::More | Change::Less, Some(factor), _) => {
            Some(format!(" {name}: ×{} at every N, growth not counted", shown(factor, 1.0)))
        }
        (Change::Worse, _, Some(growth)) => {
            let share = shown(growth, 100.0);
            Some(format!(" {name}: in percent, {share} of it at N = {} is new growth", (*at)?))
        }
        _ => None,
    }
}

/// Whether a row has a line of its own.
fn is_told(row: &Row) -> bool {
    row.change != Change::Unchanged && row.at.is_some()
}

fn table(rows: &[&Row], one: &str) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let each = format!("per {one}");
    let header =
        ["series", "change", "N", "cost", "ratio", "fixed", &each, "superlinear", "exponent"];
    table.set_header(header);
    for column in 2..header.len() {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    rows.iter().for_each(|row| {
        table.add_row(cells(row));
    });
    trimmed(&table.to_string())
}

fn cells(row: &Row) -> [String; 9] {
    let unit = row.unit;
    let curves = [curve(&row.old), curve(&row.new)];
    let both = |cell: &dyn Fn(&Curve) -> String| {
        let [old, new] = curves.map(|curve| curve.map_or("–".to_owned(), cell));
        arrow(&old, &new)
    };
    let cost = |cost: Option<f64>| cost.map_or("–".to_owned(), |cost| short(cost, unit));
    let top = row.by_n.last();
    let ratio = row.ratio.map_or("–".to_owned(), |ratio| format!("×{}", factor(ratio)));
    [
        row.name.to_string(),
        change(row),
        row.at.map_or("–".to_owned(), |at| at.to_string()),
        top.map_or("–".to_owned(), |top| arrow(&short(top.old, unit), &short(top.new, unit))),
        ratio,
        both(&|curve| cost(curve.fixed)),
        both(&|curve| cost(curve.per_module)),
        both(&|curve| superlinear(curve, unit)),
        exponents(row, curves),
    ]
}

fn curve(found: &Found) -> Option<&Curve> {
    match found {
        Found::Curve(curve) => Some(curve),
        Found::NotCounted(_) => None,
    }
}

/// Describes how a series changed, with marks for the quality of its readings.
fn change(row: &Row) -> String {
    let word = match row.change {
        Change::Unchanged => "unchanged",
        Change::NotCompared if row.is_other_cpu => "other CPU",
        Change::NotCompared => "not compared",
        step => step.step(row.unit).unwrap_or_default(),
    };
    let running = [curve(&row.old), curve(&row.new)].into_iter().flatten();
    let least = running.filter_map(|curve| curve.running).min_by(f64::total_cmp);
    match least {
        Some(share) => format!("{word}, multiplexed ({:.0} % counted)", share * 100.0),
        None => word.to_owned(),
    }
}

/// Formats the superlinear part, with a mark if it may be 0.
fn superlinear(curve: &Curve, unit: &str) -> String {
    match curve.superlinear {
        None => "–".to_owned(),
        Some(cost) if curve.is_superlinear_sure || cost == 0.0 => short(cost, unit),
        Some(_) => "?".to_owned(),
    }
}

fn has_doubtful_part(row: &Row) -> bool {
    [curve(&row.old), curve(&row.new)].into_iter().flatten().any(|curve| {
        !curve.is_superlinear_sure && curve.superlinear.is_some_and(|cost| cost != 0.0)
    })
}

/// Formats the exponents of both sides.
fn exponents(row: &Row, [old, new]: [Option<&Curve>; 2]) -> String {
    let of = |curve: Option<&Curve>, cost: fn(&ByN) -> f64| {
        let is_flat = is_flat(row.by_n.iter().map(|at| Some(cost(at))));
        curve.map_or("–".to_owned(), |curve| exponent(curve, is_flat))
    };
    arrow(&of(old, |at| at.old), &of(new, |at| at.new))
}

fn exponent(curve: &Curve, is_flat: bool) -> String {
    let Some(Span { value, low, high }) = curve.exponent else {
        return without_exponent(is_flat).to_owned();
    };
    if high - low < 0.1 {
        return format!("{value:.2}");
    }
    format!("{value:.2} ({low:.2}…{high:.2})")
}

/// Describes what the table leaves out, one sentence per line: the unchanged series, and the series not
/// compared with reason and remedy.
fn folded(rows: &[Row]) -> Vec<String> {
    let unchanged = rows.iter().filter(|row| row.change == Change::Unchanged);
    let (undecided, same): (Vec<&Row>, Vec<&Row>) = unchanged.partition(|row| row.is_undecided);
    let mut parts = match undecided.len() + same.len() {
        0 => Vec::new(),
        n => vec![format!("{n} series unchanged")],
    };
    if !undecided.is_empty() {
        let names: Vec<String> = undecided.iter().map(|row| row.name.to_string()).collect();
        if let Some(first) = parts.first_mut() {
            // Writing to a String cannot fail.
            let _ = write!(first, "; of them too noisy to exclude growth: {}", names.join(", "));
        }
    }
    let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows {
        let reason = match (&row.old, &row.new) {
            (Found::NotCounted(old), Found::NotCounted(new)) if old == new => old.clone(),
            (Found::NotCounted(old), Found::NotCounted(new)) => {
                format!("old: {old}; new: {new}")
            }
            (Found::NotCounted(old), _) => format!("old: {old}"),
            (_, Found::NotCounted(new)) => format!("new: {new}"),
            (Found::Curve(_), Found::Curve(_)) => match &row.why {
                Some(why) => why.clone(),
                None => continue,
            },
        };
        reasons.entry(reason).or_default().push(row.name.to_string());
    }
    let not_compared = reasons.into_iter().map(|(reason, names)| {
        let shown = match names.as_slice() {
            names if names.len() > 4 => format!("{} series", names.len()),
            names => names.join(", "),
        };
        format!("not compared: {shown}: {reason}")
    });
    parts.extend(not_compared);
    parts
}

/// Adds the costs per module at each N for series that changed, if those costs vary over N.
fn by_n(text: &mut String, changed: &[&Row], one: &str) {
    let varying: Vec<&&Row> = changed.iter().filter(|row| varies(row)).collect();
    let mut sweeps: Vec<Vec<u64>> = Vec::new();
    for row in varying.iter().take(MOST_BY_N) {
        let sizes: Vec<u64> = row.by_n.iter().map(|row| row.n).collect();
        if !sweeps.contains(&sizes) {
            sweeps.push(sizes);
        }
    }
    for sweep in sweeps {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        let sizes = sweep.iter().map(u64::to_string);
        table.set_header([format!("per {one} at N =")].into_iter().chain(sizes));
        let here = varying.iter().take(MOST_BY_N);
        for row in here.filter(|row| row.by_n.iter().map(|row| row.n).eq(sweep.iter().copied())) {
            let each = row.by_n.iter().map(|at| {
                let each = |cost: f64| short(cost / at.n as f64, row.unit);
                (each(at.old), each(at.new))
            });
            let (old, new): (Vec<String>, Vec<String>) = each.unzip();
            table.add_row([format!("{} old", row.name)].into_iter().chain(old));
            table.add_row(["new".to_owned()].into_iter().chain(new));
        }
        for column in table.column_iter_mut() {
            column.set_cell_alignment(CellAlignment::Right);
        }
        line(text, "");
        text.push_str(&trimmed(&table.to_string()));
    }
    if let more @ 1.. = varying.len().saturating_sub(MOST_BY_N) {
        line(text, &format!(" {more} more vary with N (--format json has all numbers)"));
    }
}

/// Whether the cost per module varies over N by more than a tenth, and differs somewhere between the sides by
/// more than a fiftieth.
fn varies(row: &Row) -> bool {
    let differs = |at: &ByN| (at.new - at.old).abs() > 0.02 * at.old.max(at.new);
    if !row.by_n.iter().any(differs) {
        return false;
    }
    let spread = |cost: fn(&ByN) -> f64| {
        let each = row.by_n.iter().map(|at| cost(at) / at.n as f64);
        let (low, high) = each.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
        high > 1.10 * low
    };
    !row.by_n.is_empty() && (spread(|at| at.old) || spread(|at| at.new))
}

fn functions(text: &mut String, all: &[Moved]) {
    if all.is_empty() {
        return;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let at = all[0].at;
    table.set_header([
        "functions that changed most".to_owned(),
        "phase".to_owned(),
        format!("own at N = {at}"),
        "of phase".to_owned(),
        "own instructions over N".to_owned(),
        "exponent".to_owned(),
    ]);
    let mut causes: Vec<&String> = Vec::new();
    for moved in all.iter().take(MOST_FUNCTIONS) {
        let not_recorded = || "not recorded".to_owned();
        let own = |cost: Option<f64>| cost.map_or_else(not_recorded, |cost| short(cost, "count"));
        let formula = |formula: &Option<String>| formula.clone().unwrap_or_else(not_recorded);
        let exponent = |cost: Option<f64>, exponent: Option<f64>| match (cost, exponent) {
            (None, _) => "–".to_owned(),
            (_, None) => "flat".to_owned(),
            (_, Some(exponent)) => format!("{exponent:.2}"),
        };
        let share = moved.share_of_phase;
        table.add_row([
            name(moved),
            moved.phase.to_string(),
            arrow(&own(moved.old), &own(moved.new)),
            share.map_or("–".to_owned(), percent),
            arrow(&formula(&moved.old_formula), &formula(&moved.new_formula)),
            arrow(
                &exponent(moved.old, moved.old_exponent),
                &exponent(moved.new, moved.new_exponent),
            ),
        ]);
        if let Some(cause) = moved.cause.as_ref().filter(|cause| !causes.contains(cause)) {
            causes.push(cause);
        }
    }
    for column in 2..6 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    line(text, "");
    text.push_str(&trimmed(&table.to_string()));
    causes.iter().for_each(|cause| line(text, &format!("    cause: {cause}")));
}

/// Formats a function's name with its object, and its caller if that says more.
fn name(moved: &Moved) -> String {
    let Moved { object, function, caller, .. } = moved;
    let mut name = format!("{} ({object})", cut(function));
    if let Some(caller) = caller {
        // Writing to a String cannot fail.
        let _ = write!(name, " by {}", cut(caller));
    }
    name
}

/// Describes what a change of growth means for the cost of the next module, at the largest N and at the
/// limit.
fn consequence(row: &Row, one: &str) -> Option<String> {
    let (Some(old), Some(new)) = (curve(&row.old), curve(&row.new)) else { return None };
    let is_sure = old.is_superlinear_sure || new.is_superlinear_sure;
    let grows_otherwise = matches!(row.change, Change::Worse | Change::Improved);
    if !(is_sure && grows_otherwise) {
        return None;
    }
    let cost = |cost: f64| short(cost, row.unit);
    let next = arrow(&cost(old.next_module?), &cost(new.next_module?));
    let mut sentence = format!("{}: the next {one} at N = {} costs {next}", row.name, row.at?);
    if let (Some(before), Some(now)) = (old.extrapolated, new.extrapolated) {
        let exponent =
            |exponent: Option<f64>| exponent.map_or("flat".to_owned(), |e| format!("{e:.2}"));
        // Writing to a String cannot fail.
        let _ = write!(
            sentence,
            "; at N = {} {}, all {}, exponent {} (extrapolated)",
            before.n,
            arrow(&cost(before.next_module), &cost(now.next_module)),
            arrow(&cost(before.cost), &cost(now.cost)),
            arrow(&exponent(before.exponent), &exponent(now.exponent)),
        );
    }
    Some(sentence)
}
