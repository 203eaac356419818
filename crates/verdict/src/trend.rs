//! What a scenario cost over time: at each commit that changed its baseline, and in each session that is
//! kept.

use std::collections::BTreeMap;

use loadline_growth::Series;
use loadline_record::baseline::Key;
use loadline_record::time::date;
use loadline_scenario::{MetricKind, Scenario, SeriesName};
use serde::Serialize;

use crate::compare::{Change, Law, Row, Span};
use crate::rules::readings::medians;

/// The format of `history --json`; the verb's help describes it.
pub const FORMAT: u32 = 1;

/// Where a point comes from.
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
    /// A session, by the name of its folder.
    Session(String),
}

/// What one series cost, once.
#[derive(Debug, Clone)]
pub struct Point {
    /// Where it comes from.
    pub origin: Origin,
    /// Seconds since 1970: when it was committed, or measured.
    pub when: u64,
    /// The processor; times of two do not compare.
    pub processor: String,
    /// The rounds.
    pub series: Series,
}

/// The points of each series, for each environment whose growth compares, the oldest first.
pub type Past = BTreeMap<(Key, SeriesName), Vec<Point>>;

/// Whether two points of a series compare: times of two processors do not.
pub fn compare(name: SeriesName, one: &Point, other: &Point) -> bool {
    name.metric.kind() == MetricKind::Count || one.processor == other.processor
}

/// The past of one scenario.
#[derive(Debug, Serialize)]
pub struct Told {
    /// The format of this value.
    pub format: u32,
    /// The title of the scenario.
    pub scenario: String,
    /// Its series, each by the environments in which it was measured.
    pub series: Vec<Line>,
    /// What could not be read, one sentence each.
    pub unread: Vec<String>,
}

/// The past of one series in one kind of environment.
#[derive(Debug, Serialize)]
pub struct Line {
    /// The series.
    pub series: SeriesName,
    /// The unit of its cost.
    pub unit: &'static str,
    /// The environments whose growth compares.
    pub environment: String,
    /// The points, the oldest first.
    pub points: Vec<Step>,
}

/// One point of it.
#[derive(Debug, Serialize)]
pub struct Step {
    /// The commit or the session.
    pub origin: Origin,
    /// The day, in UTC.
    pub date: String,
    /// The largest N.
    pub n: u64,
    /// What each module costs there.
    pub per_module: f64,
    /// The scaling exponent; `None` for a flat curve.
    pub exponent: Option<Span>,
    /// What became of it since the point before; `None` for the first, and where they do not compare.
    pub change: Option<Change>,
}

/// The past of `scenario`, of those of its series that are `wanted`.
pub fn told(scenario: &Scenario, past: Past, unread: Vec<String>, wanted: &[SeriesName]) -> Told {
    let lines = past.into_iter().filter(|((_, name), _)| wanted.contains(name));
    let line = |((key, name), points): ((Key, SeriesName), Vec<Point>)| Line {
        series: name,
        unit: name.metric.unit(),
        environment: key.to_string(),
        points: tell_points(name, &points),
    };
    Told { format: FORMAT, scenario: scenario.title(), series: lines.map(line).collect(), unread }
}

/// Each point of a series, with what became of it since the one before that compares.
pub fn tell_points(name: SeriesName, points: &[Point]) -> Vec<Step> {
    let told = |(index, point): (usize, &Point)| {
        // The one before it that compares: between two processors' there may be another's.
        let mut before = points[..index].iter().rev();
        let before = before.find(|before| compare(name, before, point));
        let change = before.map(|before| Row::between(name, &before.series, &point.series).change);
        let (n, cost) = medians(&point.series).last().copied().unwrap_or((1, 0.0));
        Step {
            origin: point.origin.clone(),
            date: date(point.when),
            n,
            per_module: cost / n as f64,
            exponent: Law::of(&point.series).and_then(|law| law.exponent),
            change: change.filter(|change| *change != Change::NotCompared),
        }
    };
    points.iter().enumerate().map(told).collect()
}

impl Line {
    /// Whether these are counts that have not changed; times jitter, and are looked at.
    pub fn is_steady(&self) -> bool {
        self.series.metric.kind() == MetricKind::Count && !self.has_step()
    }

    /// Whether its cost or growth has changed at some point.
    pub fn has_step(&self) -> bool {
        self.points.iter().any(|point| point.change.is_some_and(|change| change.step().is_some()))
    }
}
