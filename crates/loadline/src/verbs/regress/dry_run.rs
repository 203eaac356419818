//! `--dry-run`: the plan of a session, as text.

use comfy_table::{CellAlignment, Table, presets};
use loadline_measure::session::bench::Bench;
use loadline_measure::session::measurement::estimate::Estimate;
use loadline_measure::session::places::Place;
use loadline_record::Result;
use loadline_record::header::Header;
use loadline_record::measured::Measured;
use loadline_report::{absent_lines, environment_line, trimmed};
use loadline_scenario::{Collector, Scenario};

use super::plan::Planned;

/// Renders the plan of the session at `place`: scenarios, sizes, repetitions, what is counted, the estimated
/// time, and what is left out.
///
/// # Errors
/// When a saved session cannot be read.
pub fn text(bench: &Bench<'_>, place: &Place, planned: &Planned) -> Result<String> {
    let (environment, absent) = &place.described;
    let Planned { scenarios, left_out, .. } = planned;
    let header = Header::new(0, Vec::new(), environment.clone(), absent.clone());
    let saved = bench.project.sessions();
    let measured = Measured::of(&header, scenarios.clone(), &[], saved);
    let estimate = Estimate::of(bench, scenarios, absent);
    let mut lines = vec![environment_line(&measured)];
    if let Some(before) = &place.before {
        lines.push(format!("in turn with {}", before.name));
    }
    lines.extend(absent_lines(&measured));
    lines.push(format!("\n{}", table(scenarios)));
    lines.extend(left_out.iter().cloned());
    lines.push(format!("plan: {estimate}; nothing was measured"));
    Ok(lines.iter().map(|line| format!("{line}\n")).collect())
}

fn table(scenarios: &[Scenario]) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["scenario", "sizes", "repetitions", "by clock", "counted", "callgrind"]);
    for column in 2..6 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let is_control = |full_name: &str| {
        scenarios.iter().any(|one| one.control_full_name().as_deref() == Some(full_name))
    };
    for scenario in scenarios {
        let full_name = scenario.full_name();
        let kind = if is_control(&full_name) { " (control)" } else { "" };
        let has = |collector| !scenario.metrics_by(collector).is_empty();
        let by_clock = has(Collector::Clock) || has(Collector::Count);
        let mut sizes: Vec<String> = Vec::new();
        sizes.extend(by_clock.then(|| range(&scenario.sizes)));
        let callgrind = || match scenario.callgrind_sizes.as_slice() {
            [] => "callgrind: chosen by a trial".to_owned(),
            sizes => format!("callgrind: {}", range(sizes)),
        };
        sizes.extend(has(Collector::Callgrind).then(callgrind));
        let repetitions = match has(Collector::Clock) {
            true => scenario.repetitions.to_string(),
            false => "1".to_owned(),
        };
        let judged = |collector: Collector| {
            let own = scenario
                .judge
                .iter()
                .filter(|name| scenario.collector_of(name.metric) == collector);
            match own.count() {
                0 => "–".to_owned(),
                n => format!("{n} series"),
            }
        };
        table.add_row([
            format!("{full_name}{kind}"),
            sizes.join("; "),
            repetitions,
            judged(Collector::Clock),
            judged(Collector::Count),
            judged(Collector::Callgrind),
        ]);
    }
    trimmed(&table.to_string())
}

/// The smallest and the largest size, and how many there are.
fn range(sizes: &[usize]) -> String {
    match sizes {
        [] => "none".to_owned(),
        [only] => only.to_string(),
        [first, .., last] => format!("{first} … {last} ({} sizes)", sizes.len()),
    }
}
