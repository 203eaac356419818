//! Compares sessions under several unwinders in tables. Converts units and computes nothing else.
//!
//! Each scaling exponent comes from its own curve, so that the control's exponent can stand next to it.

use comfy_table::{CellAlignment, Table, presets};
use loadline_growth::{CurveOptions, Estimate, Series, Verdict, judge_curve};
use loadline_scenario::{Collector, MetricKind, Scaling, Scenario, SeriesName};

use crate::{range, trimmed, word};
use loadline_record::measured::MeasuredScenario;
use loadline_scenario::units::amount;
use loadline_verdict::judged::{Judged, Outcome};
use loadline_verdict::outcome::Concluded;
use loadline_verdict::outcome::is_open;
use loadline_verdict::readings::medians;

/// A function that says how to get the unwinders of all other families, one sentence per unwinder.
pub type Others<'a> = &'a dyn Fn(&[&str]) -> Vec<String>;

/// Builds one table per scenario: its judged series by unwinder, and its control. `others` says how to get
/// the unwinders that were not measured.
pub fn side_by_side(sessions: &[Concluded], others: Others<'_>) -> String {
    let mut text = String::from(
        "\ngrowth by unwinder: scaling exponent (1 = linear, 2 = quadratic), its 95 % interval and the verdict; for a time also its cost at the largest N\n",
    );
    for scenario in scenarios(sessions) {
        let full_name = scenario.full_name();
        let control = scenario.control_full_name();
        let own = |control: &String| match control.split_once(':') {
            Some((name, variant)) if name == scenario.name => format!("{variant} ¹"),
            _ => format!("{control} ¹"),
        };
        let header = columns(sessions).chain(control.iter().map(own));
        let mut table = table([full_name.clone()].into_iter().chain(header), 1);
        let mut n_folded = 0;
        for name in &scenario.judge {
            if sessions.iter().all(|session| holds_as_a_count(session, &full_name, *name)) {
                n_folded += 1;
                continue;
            }
            let mut row = vec![name.to_string()];
            let costly =
                |session| cell(session, &full_name, *name) + &top_cost(session, &full_name, *name);
            row.extend(sessions.iter().map(costly));
            row.extend(control.iter().map(|control| control_cell(sessions, control, *name)));
            table.add_row(row);
        }
        if let Some(scaling) = scenario.scales() {
            let mut row = vec![on_threads(scaling)];
            row.extend(sessions.iter().map(|session| speed_up_cell(session, scenario)));
            table.add_row(row);
        }
        text.push('\n');
        text.push_str(&trimmed(&table.to_string()));
        if n_folded > 0 {
            text.push_str(&format!(" {n_folded} operation counts pass under each\n"));
        }
    }
    text.push_str("\n¹ the control, under the first unwinder that measured it; times are compared with the control\n");
    text.push_str(&missing(sessions, others));
    text
}

/// Lists every scenario that was asked for once, in the order of the sessions.
fn scenarios(sessions: &[Concluded]) -> Vec<&Scenario> {
    let mut all: Vec<&Scenario> = Vec::new();
    let measured = sessions.iter().flat_map(|session| &session.measured.scenarios);
    let asked = measured.map(|m| &m.scenario).filter(|scenario| !scenario.workload.is_self_check());
    for scenario in asked {
        if !all.iter().any(|known| known.full_name() == scenario.full_name()) {
            all.push(scenario);
        }
    }
    // A control gets a column in the table of its scenario.
    let controls: Vec<String> =
        all.iter().filter_map(|scenario| scenario.control_full_name()).collect();
    all.retain(|scenario| {
        scenario.variant.is_as_written() || !controls.contains(&scenario.full_name())
    });
    all
}

fn columns(sessions: &[Concluded]) -> impl Iterator<Item = String> {
    sessions.iter().map(|session| session.measured.environment.unwinder())
}

fn table(header: impl Iterator<Item = String>, n_left: usize) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    let header: Vec<String> = header.collect();
    let n_columns = header.len();
    table.set_header(header);
    for column in n_left..n_columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn row<'a>(session: &'a Concluded, full_name: &str, name: SeriesName) -> Option<&'a Judged> {
    session.report.rows.iter().find(|row| row.scenario == full_name && row.name == name)
}

fn measured<'a>(session: &'a Concluded, full_name: &str) -> Option<&'a MeasuredScenario> {
    session.measured.scenarios.iter().find(|m| m.scenario.full_name() == full_name)
}

/// Whether the series is an operation count that passes or was not measured. The table leaves such series
/// out.
fn holds_as_a_count(session: &Concluded, full_name: &str, name: SeriesName) -> bool {
    name.metric.collector() == Collector::Count
        && match row(session, full_name, name).map(|row| (&row.outcome, &row.notes)) {
            Some((Outcome::Verdict { verdict: Verdict::Holds, .. }, notes)) => notes.is_empty(),
            Some((Outcome::NotJudged(_), _)) => true,
            _ => false,
        }
}

/// Describes a curve by itself: its scaling exponent, or that it is flat.
fn growth(series: &Series) -> String {
    let judged = judge_curve(series, &CurveOptions::default());
    match judged.evidence {
        None => "too few sizes".to_owned(),
        Some(evidence) => evidence.tail_exponent.as_ref().map_or_else(|| "flat".to_owned(), shown),
    }
}

fn shown(tail: &Estimate) -> String {
    format!("{:.2}  {}", tail.value, range(tail))
}

fn cell(session: &Concluded, full_name: &str, name: SeriesName) -> String {
    let Some(one) = measured(session, full_name) else { return "not measured".to_owned() };
    let Some(row) = row(session, full_name, name) else { return "not measured".to_owned() };
    let said = match &row.outcome {
        _ if session.report.is_self_check_failed() => "self-check failed",
        Outcome::Verdict { verdict, .. } => said_of(*verdict, is_known(session, one, name)),
        Outcome::Scaled(_) => "judged separately",
        Outcome::ControlOnly => "control",
        Outcome::Failed => return "FAILED".to_owned(),
        Outcome::NotJudged(absence) => return format!("not measurable here: {absence}"),
    };
    match one.complete(name) {
        Some(series) => format!("{}  {said}", growth(&series)),
        None => said.to_owned(),
    }
}

/// Returns one word for a verdict. A series that passes despite a known issue is accepted.
fn said_of(verdict: Verdict, is_known: bool) -> &'static str {
    match verdict {
        Verdict::Holds if is_known => "accepted",
        verdict if is_open(verdict) => "undecided",
        verdict => word(verdict),
    }
}

fn is_known(session: &Concluded, one: &MeasuredScenario, name: SeriesName) -> bool {
    one.scenario.expected(name, &session.measured.environment.unwinder_family).is_some()
}

fn control_cell(sessions: &[Concluded], control: &str, name: SeriesName) -> String {
    let of = |session: &Concluded| {
        let series = measured(session, control)?.complete(name)?;
        Some(growth(&series) + &top_cost(session, control, name))
    };
    sessions.iter().find_map(of).unwrap_or_else(|| "–".to_owned())
}

/// Formats a time at the largest N, which may differ between unwinders.
fn top_cost(session: &Concluded, full_name: &str, name: SeriesName) -> String {
    let series = measured(session, full_name).and_then(|one| one.complete(name));
    let series = series.filter(|_| name.metric.kind() == MetricKind::Time);
    let top = series.and_then(|series| medians(&series).pop());
    top.map_or_else(String::new, |(n, cost)| {
        format!("  {} at N = {n}", amount(cost, name.metric.unit()))
    })
}

fn on_threads(scaling: &Scaling) -> String {
    format!("{} on {} threads", scaling.series, scaling.threads)
}

/// Formats the speed-up of threads, and the speed-up of the control.
fn speed_up_cell(session: &Concluded, scenario: &Scenario) -> String {
    let not_measured = || "not measured".to_owned();
    let Some([several, _]) = scenario.full_names_on_threads() else { return not_measured() };
    let is_it = |row: &&Judged| {
        row.scenario == several && matches!(row.outcome, Outcome::Scaled(_) | Outcome::Failed)
    };
    let Some(row) = session.report.rows.iter().find(is_it) else { return not_measured() };
    let Outcome::Scaled(scaled) = &row.outcome else { return "FAILED".to_owned() };
    let said = match session.report.is_self_check_failed() {
        true => "self-check failed",
        false => said_of(scaled.verdict, !row.notes.is_empty()),
    };
    scaled.judgement.evidence.map_or_else(
        || said.to_owned(),
        |evidence| {
            let own = shown(&evidence.speed_up);
            format!("× {own} (control × {:.2})  {said}", evidence.control_speed_up.value)
        },
    )
}

/// Lists the unwinders that were not measured, and what to install.
fn missing(sessions: &[Concluded], others: Others<'_>) -> String {
    let family = |session: &Concluded| session.measured.environment.unwinder_family.clone();
    let families: Vec<String> = sessions.iter().map(family).collect();
    let families: Vec<&str> = families.iter().map(String::as_str).collect();
    others(&families).iter().map(|sentence| format!("{sentence}\n")).collect()
}
