//! pytest-benchmark's JSON: one entry for each test and choice of parameters, which contains its repetitions.

use loadline_record::Result;
use serde_json::Value;

use super::super::points::Point;
use super::entry::Entry;

/// The options that give a size more repetitions.
pub const MORE_ROUNDS: &str = "benchmark.pedantic(…, rounds=10) or --benchmark-min-rounds=10";

/// The repetitions of one test.
///
/// # Errors
/// When the file holds only their statistics.
pub fn point(entry: Entry) -> Result<Point, String> {
    let name = entry.fullname.unwrap_or(entry.name);
    let Some(readings) = entry.stats.and_then(|stats| stats.data) else {
        return Err(format!(
            "{name:?} has statistics, but no rounds: write the file with --benchmark-json, or with \
             --benchmark-save-data"
        ));
    };
    let parameters = entry.params.unwrap_or_default().into_iter();
    let parameters = parameters.map(|(label, value)| match value {
        Value::String(value) => (label, value),
        value => (label, value.to_string()),
    });
    Ok(Point { family: function(&name).to_owned(), parameters: parameters.collect(), readings })
}

/// The name of a test without its parameters, which pytest puts into brackets.
fn function(name: &str) -> &str {
    let start = name.rfind("::").map_or(0, |colons| colons + 2);
    let end = name[start..].find('[').map_or(name.len(), |bracket| start + bracket);
    &name[..end]
}
