//! [`SeriesName`]: a phase and a metric.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::name::Metric;
use super::phase::Phase;
use super::unknown_name::UnknownName;

/// The name of a series: a phase and a metric, such as `unload/task-clock`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SeriesName {
    /// The phase in which the metric is counted.
    pub phase: Phase,
    /// The metric that is counted.
    pub metric: Metric,
}

impl SeriesName {
    /// The series of `metric` over `phase`.
    pub const fn new(phase: Phase, metric: Metric) -> SeriesName {
        SeriesName { phase, metric }
    }
}

impl FromStr for SeriesName {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<SeriesName, UnknownName> {
        let Some((phase, metric)) = name.split_once('/') else {
            return Err(UnknownName {
                what: "series",
                name: name.to_owned(),
                known: "PHASE/METRIC, as in unload/task-clock".to_owned(),
            });
        };
        Ok(SeriesName { phase: phase.parse()?, metric: metric.parse()? })
    }
}

impl TryFrom<String> for SeriesName {
    type Error = UnknownName;

    fn try_from(name: String) -> Result<SeriesName, UnknownName> {
        name.parse()
    }
}

impl From<SeriesName> for String {
    fn from(series: SeriesName) -> String {
        series.to_string()
    }
}

impl fmt::Display for SeriesName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}/{}", self.phase.name(), self.metric.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::collector::Collector;
    use crate::metric::name::MetricKind;

    #[test]
    fn every_name_reads_back() {
        for phase in Phase::ALL {
            for metric in Metric::ALL {
                let name = SeriesName::new(phase, metric);
                assert_eq!(name.to_string().parse(), Ok(name));
            }
        }
    }

    #[test]
    fn what_is_counted_apart_is_a_count_in_bytes_or_in_times() {
        for metric in
            Metric::ALL.into_iter().filter(|metric| metric.collector() == Collector::Count)
        {
            let unit = if metric.name().ends_with("-bytes") { "bytes" } else { "count" };
            assert_eq!((metric.unit(), metric.kind()), (unit, MetricKind::Count), "{metric}");
            assert!(metric.may_be_judged(), "{metric}");
        }
    }

    #[test]
    fn unknown_names_list_the_known_ones() {
        let error = "unload/task-clok".parse::<SeriesName>().expect_err("misspelt");
        assert!(error.to_string().contains("task-clock"), "{error}");
        let error = "task-clock".parse::<SeriesName>().expect_err("no phase");
        assert!(error.to_string().contains("PHASE/METRIC"), "{error}");
    }
}
