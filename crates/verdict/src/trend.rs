//! The costs of a scenario over time: at each commit that changed its baseline, and in each saved session.

use std::collections::BTreeMap;

use loadline_growth::Series;
use loadline_record::baseline::Key;
use loadline_record::time::date;
use loadline_scenario::{MetricKind, Scenario, SeriesName};
use serde::Serialize;

use crate::compare::{Change, Model, Row, Span};
use crate::rules::readings::medians;

/// The format of `history --format json`. The help of the verb describes it.
pub const FORMAT: u32 = 2;

/// The origin of a point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A commit that changed the baseline.
    Commit {
        /// Its hash.
        hash: String,
        /// The first line of its message.
        subject: String,
    },
    /// A session, named by its folder.
    Session(String),
}

/// The cost of one series at one point in time.
#[derive(Debug, Clone)]
pub struct Point {
    /// The origin of the point.
    pub origin: Origin,
    /// When the commit or the measurement was made, in seconds since 1970.
    pub when: u64,
    /// The CPU. Times of two CPUs cannot be compared.
    pub processor: String,
    /// The repetitions of the series.
    pub series: Series,
}

/// The points of each series, the oldest first. Each key is a set of environments whose growth can be
/// compared.
pub type Past = BTreeMap<(Key, SeriesName), Vec<Point>>;

/// Whether two points of a series can be compared; times of two CPUs cannot.
pub fn compare(name: SeriesName, one: &Point, other: &Point) -> bool {
    name.metric.kind() == MetricKind::Count || one.processor == other.processor
}

/// The history of one scenario.
#[derive(Debug, Serialize)]
pub struct Trend {
    /// The format of this value.
    pub format: u32,
    /// The full name of the scenario.
    pub scenario: String,
    /// The series of the scenario, one line per kind of environment.
    pub series: Vec<Line>,
    /// The points that could not be read, one sentence each.
    pub unread: Vec<String>,
}

/// The history of one series in one kind of environment.
#[derive(Debug, Serialize)]
pub struct Line {
    /// The series.
    pub series: SeriesName,
    /// The unit of its cost.
    pub unit: &'static str,
    /// The noun for one of the items that N counts, such as `module` or `row`.
    pub one: String,
    /// The environments whose growth can be compared.
    pub environment: String,
    /// The points, the oldest first.
    pub points: Vec<Step>,
}

/// One point of the history.
#[derive(Debug, Serialize)]
pub struct Step {
    /// The commit or the session.
    pub origin: Origin,
    /// The day, in UTC.
    pub date: String,
    /// The largest N.
    pub n: u64,
    /// The cost of each module at that N.
    pub per_module: f64,
    /// The scaling exponent; `None` for a flat curve.
    pub exponent: Option<Span>,
    /// How the series changed since the last comparable point; `None` if there is none or the two cannot be
    /// compared.
    pub change: Option<Change>,
}

/// Returns the history of `scenario`, limited to the `wanted` series.
pub fn trend(scenario: &Scenario, past: Past, unread: Vec<String>, wanted: &[SeriesName]) -> Trend {
    let lines = past.into_iter().filter(|((_, name), _)| wanted.contains(name));
    let line = |((key, name), points): ((Key, SeriesName), Vec<Point>)| Line {
        series: name,
        unit: name.metric.unit(),
        one: scenario.unit().to_owned(),
        environment: key.to_string(),
        points: steps_of(name, &points),
    };
    Trend {
        format: FORMAT,
        scenario: scenario.full_name(),
        series: lines.map(line).collect(),
        unread,
    }
}

/// Returns each point of a series, with its change since the last comparable point.
pub fn steps_of(name: SeriesName, points: &[Point]) -> Vec<Step> {
    let step = |(index, point): (usize, &Point)| {
        // The last comparable point may lie further back, because points of other CPUs can be in between.
        let mut before = points[..index].iter().rev();
        let before = before.find(|before| compare(name, before, point));
        let change = before.map(|before| Row::between(name, &before.series, &point.series).change);
        let (n, cost) = medians(&point.series).last().copied().unwrap_or((1, 0.0));
        Step {
            origin: point.origin.clone(),
            date: date(point.when),
            n,
            per_module: cost / n as f64,
            exponent: Model::of(&point.series).and_then(|model| model.exponent),
            change: change.filter(|change| *change != Change::NotCompared),
        }
    };
    points.iter().enumerate().map(step).collect()
}

impl Line {
    /// Whether the counts have not changed. Times jitter, so they are never steady.
    pub fn is_steady(&self) -> bool {
        self.series.metric.kind() == MetricKind::Count && !self.has_step()
    }

    /// Whether the cost or its growth has changed at some point.
    pub fn has_step(&self) -> bool {
        self.points.iter().any(|point| point.change.is_some_and(|change| change.is_step()))
    }
}
