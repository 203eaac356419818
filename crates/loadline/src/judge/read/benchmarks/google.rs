//! Google Benchmark's JSON: one entry for each repetition, with aggregates between them.

use super::super::points::Point;
use super::entry::Entry;
use loadline_record::Result;

/// The option that gives a size more repetitions.
pub const MORE_ROUNDS: &str = "--benchmark_repetitions=10";

/// Parts of a name that look like an argument but are settings.
const SETTINGS: [&str; 5] = ["min_time", "min_warmup_time", "iterations", "repeats", "threads"];

pub fn is_aggregate(entry: &Entry) -> bool {
    let is_iteration = entry.run_type.as_ref().is_none_or(|run_type| run_type == "iteration");
    entry.aggregate_name.is_some() || !is_iteration
}

/// The CPU time of one repetition, or its real time if the benchmark asked for that.
///
/// # Errors
/// When the entry has neither time.
pub fn point(entry: Entry) -> Result<Point, String> {
    let name = entry.run_name.unwrap_or(entry.name);
    let is_real = name.split('/').any(|part| matches!(part, "real_time" | "manual_time"));
    let time = if is_real { entry.real_time } else { entry.cpu_time };
    let time = time.ok_or_else(|| {
        format!("{name:?} has no {}", if is_real { "real_time" } else { "cpu_time" })
    })?;
    let mut parameters = Vec::new();
    let mut family = Vec::new();
    for (place, part) in name.split('/').enumerate() {
        let (label, value) = part.rsplit_once(':').unwrap_or(("", part));
        if place == 0 || value.parse::<i64>().is_err() || SETTINGS.contains(&label) {
            family.push(part);
        } else if label.is_empty() {
            parameters.push((format!("arg{}", parameters.len() + 1), value.to_owned()));
        } else {
            parameters.push((label.to_owned(), value.to_owned()));
        }
    }
    Ok(Point { family: family.join("/"), parameters, readings: vec![time] })
}
