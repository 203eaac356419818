//! Reads the lines with which a command reports its progress: `loadline:KEY=VALUE` on its standard output.

use loadline_scenario::{Collector, Metric, Phase};

/// The beginning of a line for the runner. All other lines are ignored.
const PREFIX: &str = "loadline:";

/// A report of a command about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marker {
    /// `loadline:phase=unload`: the following work belongs to this phase. With `none`, it belongs to no
    /// phase.
    Phase(Option<Phase>),
    /// `loadline:metric=NAME:VALUE:UNIT`: adds to a count in the current phase.
    Count {
        /// The metric, or [`Metric::Reported`] for the command's own name.
        metric: Metric,
        /// The name as written.
        name: String,
        /// The value, in the unit of the metric.
        value: u64,
    },
    /// `loadline:check=VALUE`: the command's own check of its work.
    Check(String),
}

impl Marker {
    /// Reads `line`, or returns `None` if the line is not for the runner.
    ///
    /// # Errors
    /// If the line is for the runner but cannot be understood. The text describes a right line.
    pub fn read(line: &str) -> Option<Result<Marker, String>> {
        let said = line.trim().strip_prefix(PREFIX)?;
        let marker = match said.split_once('=') {
            Some(("phase", name)) => phase(name).map(Marker::Phase),
            Some(("metric", count)) => count_of(count),
            Some(("check", value)) => Ok(Marker::Check(value.to_owned())),
            _ => {
                Err("a line is loadline:phase=…, loadline:metric=… or loadline:check=…".to_owned())
            }
        };
        Some(
            marker.map_err(|problem| {
                format!("printed {:?}, which is not valid: {problem}", line.trim())
            }),
        )
    }
}

fn phase(name: &str) -> Result<Option<Phase>, String> {
    if name == "none" {
        return Ok(None);
    }
    match name.parse::<Phase>() {
        Ok(Phase::Total) => {
            Err("total is the sum of load and unload, so a command cannot mark it".to_owned())
        }
        Ok(phase) => Ok(Some(phase)),
        Err(error) => Err(format!("{error}; or none")),
    }
}

/// Reads `NAME:VALUE:UNIT`. An unknown name is the command's own metric.
fn count_of(text: &str) -> Result<Marker, String> {
    let mut fields = text.split(':');
    let (Some(name), Some(value), Some(unit), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err("a count is NAME:VALUE:UNIT, as in frames:123:count".to_owned());
    };
    if name.is_empty() {
        return Err("the count has no name".to_owned());
    }
    let metric = name.parse().unwrap_or(Metric::Reported);
    if !may_be_said(metric) {
        return Err(format!("{metric} is counted from outside; a command cannot report it"));
    }
    if unit != metric.unit() {
        return Err(format!("{name} is in {}, not in {unit}", metric.unit()));
    }
    let value = value.parse().map_err(|_| format!("{value:?} is not a whole number"))?;
    Ok(Marker::Count { metric, name: name.to_owned(), value })
}

/// Returns whether only the command itself can know the metric.
fn may_be_said(metric: Metric) -> bool {
    matches!(
        metric,
        Metric::UnwindTablesRegistered
            | Metric::UnwindTablesDeregistered
            | Metric::ResidentBytes
            | Metric::Reported
    ) || metric.collector() == Collector::Count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let count = |metric, name: &str, value| {
            Some(Ok(Marker::Count { metric, name: name.to_owned(), value }))
        };
        let table = [
            ("loadline:phase=unload", Some(Ok(Marker::Phase(Some(Phase::Unload))))),
            ("  loadline:phase=none\r", Some(Ok(Marker::Phase(None)))),
            ("loadline:metric=frames:123:count", count(Metric::Reported, "frames", 123)),
            (
                "loadline:metric=resident-bytes:5:bytes",
                count(Metric::ResidentBytes, "resident-bytes", 5),
            ),
            ("loadline:check=a=b", Some(Ok(Marker::Check("a=b".to_owned())))),
            ("loaded 5 modules", None),
            ("see loadline:phase=unload", None),
            ("", None),
        ];
        for (line, expected) in table {
            assert_eq!(Marker::read(line), expected, "{line}");
        }
    }

    #[test]
    fn mistakes_say_what_would_be_right() {
        let table = [
            ("loadline:phase=unlod", "unknown phase \"unlod\" (known: read, deserialize"),
            ("loadline:phase=total", "sum of load and unload"),
            ("loadline:pase=load", "a line is loadline:phase="),
            ("loadline:", "a line is loadline:phase="),
            ("loadline:metric=frames:123", "NAME:VALUE:UNIT"),
            ("loadline:metric=frames:1:2:count", "NAME:VALUE:UNIT"),
            ("loadline:metric=frames:-1:count", "not a whole number"),
            ("loadline:metric=frames:1:bytes", "frames is in count, not in bytes"),
            ("loadline:metric=:1:count", "no name"),
            ("loadline:metric=task-clock:1:ns", "counted from outside"),
        ];
        for (line, expected) in table {
            let error = Marker::read(line).expect("for us").expect_err("a mistake");
            assert!(error.contains(expected), "{error:?} does not say {expected:?}");
        }
    }
}
