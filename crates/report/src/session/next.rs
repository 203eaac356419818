//! The last line of a report: the next command or advice, about the finding that decides the exit code.

use loadline_growth::{Estimate, Verdict};
use loadline_record::measured::Measured;
use loadline_record::reproduce::shell_quoted;
use loadline_record::{PROGRAM, Shard};
use loadline_verdict::functions::Standing;
use loadline_verdict::judged::{Judged, Outcome};
use loadline_verdict::outcome::{Report, is_open, is_red};

use crate::session::advice::{Advice, Adviser};

/// Returns the next command or advice, about the finding that decides the exit code, the most severe first.
pub fn next(report: &Report, adviser: &Adviser<'_>) -> String {
    let measured = adviser.measured;
    if let Some(shard) = measured.part {
        return next_after_part(shard);
    }
    if report.is_self_check_failed() {
        return "repeat on a quieter machine".to_owned();
    }
    let again = |full_name: &str| {
        let one = measured.scenarios.iter().find(|m| m.scenario.full_name() == full_name);
        one.map(|one| adviser.regress(one, Some(measured.seed), &[]))
    };
    if let Some(failed) = next_after_failures(report, measured, &again) {
        return failed;
    }
    if let Some(row) = report.rows.iter().find(|row| is_red(row))
        && let Some(command) = again(asked_by(row))
    {
        return command;
    }
    if let Some(function) = report.functions.iter().find(|s| s.standing == Standing::Regressed) {
        let root = measured.again.root_flag();
        return format!("{PROGRAM} explain {}{root}", shell_quoted(&function.scenario));
    }
    let open = report.rows.iter().filter(|row| row.outcome.verdict().is_some_and(is_open));
    let advice: Vec<(&Judged, Advice)> =
        open.filter_map(|row| Some((row, adviser.settle(row)?))).collect();
    // A series that one command can decide comes before series that need more.
    let first = advice.iter().find(|(_, a)| a.command.is_some()).or(advice.first());
    if let Some((row, advice)) = first {
        let has_choice = row.outcome.verdict() == Some(Verdict::NoBaseline);
        return match &advice.command {
            Some(command) if !has_choice => command.clone(),
            _ => advice.line(),
        };
    }
    if let Some(row) = report.rows.iter().find(|row| report.is_gone(row)) {
        return format!(
            "remove {} from the known issues of {}, at the line above",
            row.name,
            row.scenario.split(':').next().unwrap_or_default()
        );
    }
    if let Some(remedy) = report.rows.iter().find_map(remedy_of_absence) {
        return remedy;
    }
    let is_without = |row: &&Judged| row.has_no_baseline && row.outcome.verdict().is_some();
    let without = report.rows.iter().find(is_without).map(|row| row.scenario.clone());
    let one = measured.scenarios.iter().find(|m| Some(m.scenario.full_name()) == without);
    match one {
        Some(one) => measured.again.baseline(&one.scenario, "--reason TEXT"),
        None => "nothing to do".to_owned(),
    }
}

/// Returns what to do about failed runs.
fn next_after_failures(
    report: &Report,
    measured: &Measured,
    again: &impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let failed = report.rows.iter().find(|row| matches!(row.outcome, Outcome::Failed));
    let failed = failed.map(asked_by);
    if report.failures.is_empty() && failed.is_none() {
        return None;
    }
    let of_session = || measured.scenarios.first().map(|m| m.scenario.full_name());
    let is_cut = measured.scenarios.iter().any(|m| m.is_given_up);
    // A merge of several sessions cannot be resumed as one session.
    if measured.before.is_none() && !is_cut && measured.saved.exists() {
        let saved = measured.saved.display().to_string();
        let (session, root) = (shell_quoted(&saved), measured.again.root_flag());
        return Some(format!(
            "look at the failed runs, then {PROGRAM} regress --resume {session}{root}"
        ));
    }
    let full_name = failed.map(str::to_owned).or_else(of_session)?;
    again(&full_name).map(|command| format!("look at the failed runs, then {command}"))
}

/// Returns how to get a series counted that is not counted.
fn remedy_of_absence(row: &Judged) -> Option<String> {
    let Outcome::NotJudged(absence) = &row.outcome else { return None };
    Some(format!("{} {} is not measured: {}", row.scenario, row.name, absence.remedy()))
}

/// Returns the scenario to name when a row is to be judged again. For the gain of threads, this is the
/// scenario on one thread.
fn asked_by(row: &Judged) -> &str {
    match &row.outcome {
        Outcome::Scaled(scaled) => &scaled.full_names[1],
        _ => &row.scenario,
    }
}

/// Returns the next command after one part of a suite was measured.
fn next_after_part(shard: Shard) -> String {
    let count = shard.count;
    format!("{PROGRAM} merge SESSION… (those of all {count} shards; this is {shard})")
}

/// Formats an interval for the screen.
pub fn range(estimate: &Estimate) -> String {
    format!("{:.2} … {:.2}", estimate.interval.low, estimate.interval.high)
}

/// Removes the spaces that a table adds at the ends of lines.
pub fn trimmed(table: &str) -> String {
    table.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}
