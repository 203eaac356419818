//! Computes the differences between two sides: [`Comparison`], as plain numbers. Prints nothing.
//!
//! Costs are compared and fitted only at the sizes that both sides have. An exponent at one N says nothing
//! about another N.

use loadline_growth::{PairOptions, PairVerdict, Series, judge_pair};
use loadline_scenario::{Environment, MetricKind, Scenario, SeriesName, Workload};
use serde::Serialize;

use super::functions::{Moved, moved};
use super::model::{Extrapolated, Model, Span};
use super::side::{Readings, Side, SideScenario};
use crate::functions::extrapolate_to;
use crate::rules::readings::{medians, on_common_sizes};
use loadline_record::compat::{growth_differences, level_differences};

/// The format of `diff --format json`. The help of the verb describes it.
const FORMAT: u32 = 2;

/// Counts that differ by less than this share at every N are equal.
const SAME_COUNT: f64 = 1e-3;

/// A factor within 1 ± this at every N is no change of a noisy cost.
const SAME_TIME: f64 = 0.10;

/// The differences between two sides.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// The format of this value.
    pub format: u32,
    /// What the old side is called.
    pub old: String,
    /// What the new side is called.
    pub new: String,
    /// The scenarios of both sides.
    pub scenarios: Vec<Pair>,
    /// The full names of scenarios that only the old side has.
    pub only_old: Vec<String>,
    /// The full names of scenarios that only the new side has.
    pub only_new: Vec<String>,
}

/// One scenario on both sides, or two variants of it.
#[derive(Debug, Serialize)]
pub struct Pair {
    /// The full name on the old side.
    pub old: String,
    /// The full name on the new side.
    pub new: String,
    /// The noun for one of the items that N counts, such as `module` or `row`.
    pub one: String,
    /// The machine and build of each side, one line per side.
    pub environment: [String; 2],
    /// The other differences between the two machines and builds, one sentence each. Differences that decide
    /// growth come before differences that decide only levels.
    pub differences: Vec<String>,
    /// How many of the differences decide growth.
    #[serde(skip)]
    pub n_growth_differences: usize,
    /// Runs that failed on either side, one sentence each.
    pub failures: Vec<String>,
    /// The N that costs are extrapolated to.
    pub extrapolate_to: Option<u64>,
    /// Every series that either side has.
    pub series: Vec<Row>,
    /// The functions whose cost changed, the largest change first.
    pub functions: Vec<Moved>,
}

/// One series of both sides.
#[derive(Debug, Serialize)]
pub struct Row {
    /// The name of the series.
    pub name: SeriesName,
    /// `ns`, `bytes` or `count`.
    pub unit: &'static str,
    /// How the series changed.
    pub change: Change,
    /// Whether the series is too noisy to exclude that it grows faster now.
    pub is_undecided: bool,
    /// Whether these are times of two CPUs, which cannot be compared.
    pub is_other_cpu: bool,
    /// Why the series was not compared.
    pub why: Option<String>,
    /// The largest N that both sides have.
    pub at: Option<u64>,
    /// The new cost at that N divided by the old cost; `None` if the old cost is 0.
    pub ratio: Option<f64>,
    /// For noisy costs, the factor at every N, not counting growth.
    pub factor: Option<Span>,
    /// The share of the new cost at that N that grows beyond the old side's growth.
    pub growth: Option<Span>,
    /// The cost of all N modules at each N that both sides have.
    pub by_n: Vec<ByN>,
    /// The cost on the old side.
    pub old: Found,
    /// The cost on the new side.
    pub new: Found,
}

/// How a series changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Nothing changed: counts are equal at every N, and times are within their jitter.
    Unchanged,
    /// The cost grows faster.
    Worse,
    /// The cost grows less.
    Improved,
    /// The cost is higher, with the same growth.
    More,
    /// The cost is lower, with the same growth.
    Less,
    /// The old side has this cost; the new side has none.
    Removed,
    /// The new side has this cost; the old side has none.
    New,
    /// The series cannot be compared.
    NotCompared,
}

/// The median costs at one N.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ByN {
    /// N.
    pub n: u64,
    /// The cost on the old side.
    pub old: f64,
    /// The cost on the new side.
    pub new: f64,
}

/// The cost of a series on one side.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// A fitted curve.
    Curve(Box<Curve>),
    /// No curve, and why.
    NotCounted(String),
}

/// A fitted cost, at the largest N that both sides have.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Curve {
    /// The setup cost, plus costs that grow slower than N.
    pub fixed: Option<f64>,
    /// The cost of each module.
    pub per_module: Option<f64>,
    /// The superlinear cost (faster than N log N) of all modules together.
    pub superlinear: Option<f64>,
    /// Whether the curve rule is sure of the superlinear cost.
    pub is_superlinear_sure: bool,
    /// The cost of the last module.
    pub next_module: Option<f64>,
    /// The scaling exponent; `None` for a flat curve, and for too few sizes.
    pub exponent: Option<Span>,
    /// Whether the cost is counted exactly.
    pub is_exact: bool,
    /// The smallest share of a phase in which the counter ran, if the kernel shared the counter among
    /// metrics.
    pub running: Option<f64>,
    /// The cost at the limit, extrapolated. Present only for exact counts of which one side surely grows.
    pub extrapolated: Option<Extrapolated>,
}

impl Comparison {
    /// Compares the scenarios of `pairs`, and lists the scenarios without a counterpart.
    pub fn of(old: &Side, new: &Side, pairs: &[(&SideScenario, &SideScenario)]) -> Comparison {
        let alone = |side: &Side, is_paired: &dyn Fn(&str) -> bool| {
            let full_names = side.scenarios.iter().map(|scenario| scenario.full_name.clone());
            let mut alone: Vec<String> =
                full_names.filter(|full_name| !is_paired(full_name)).collect();
            alone.dedup();
            alone
        };
        Comparison {
            format: FORMAT,
            old: old.name.clone(),
            new: new.name.clone(),
            scenarios: pairs.iter().map(|(old, new)| Pair::of(old, new)).collect(),
            only_old: alone(old, &|full_name| {
                pairs.iter().any(|(old, _)| old.full_name == full_name)
            }),
            only_new: alone(new, &|full_name| {
                pairs.iter().any(|(_, new)| new.full_name == full_name)
            }),
        }
    }

    /// Whether failed runs kept a scenario from being compared.
    pub fn has_failures(&self) -> bool {
        self.scenarios.iter().any(|pair| !pair.failures.is_empty())
    }
}

impl Pair {
    fn of(old: &SideScenario, new: &SideScenario) -> Pair {
        let (before, now) = (&old.environment, &new.environment);
        let mut differences = growth_differences(before, now);
        let n_growth_differences = differences.len();
        differences.extend(level_differences(before, now));
        let failed = |side: &str, one: &SideScenario| -> Vec<String> {
            let full_name = &one.full_name;
            one.failures.iter().map(|failure| format!("{side}: {full_name}: {failure}")).collect()
        };
        let failures = [failed("old", old), failed("new", new)].concat();
        let extrapolate_to = [new, old].into_iter().find_map(|one| {
            let scenario = one.scenario.as_ref()?;
            Some(extrapolate_to(scenario) as u64)
        });
        let mut names: Vec<SeriesName> =
            old.series.keys().chain(new.series.keys()).copied().collect();
        names.sort_unstable();
        names.dedup();
        let row = |name: SeriesName| Row::of(name, old, new, extrapolate_to);
        let known = new.scenario.as_ref().or(old.scenario.as_ref());
        let line = |one: &SideScenario| {
            let scenario = one.scenario.as_ref().or(known);
            let is_command = scenario.is_some_and(|s| matches!(s.workload, Workload::Command(_)));
            one.environment.line_of(is_command)
        };
        Pair {
            old: old.full_name.clone(),
            new: new.full_name.clone(),
            one: known.map_or("item", Scenario::unit).to_owned(),
            environment: [line(old), line(new)],
            differences,
            n_growth_differences,
            failures,
            extrapolate_to,
            series: names.into_iter().map(row).collect(),
            functions: moved(old, new),
        }
    }
}

impl Row {
    /// Compares two series without a machine or a scenario around them. Extrapolates nothing.
    pub fn between(name: SeriesName, old: &Series, new: &Series) -> Row {
        let mut row = Row::empty(name);
        let (new, old) = on_common_sizes(new, old);
        row.compare(&old, &new);
        row.fit(Some((old, None)), Some((new, None)), None);
        row
    }

    fn empty(name: SeriesName) -> Row {
        Row {
            name,
            unit: name.metric.unit(),
            change: Change::NotCompared,
            is_undecided: false,
            is_other_cpu: false,
            why: None,
            at: None,
            ratio: None,
            factor: None,
            growth: None,
            by_n: Vec::new(),
            old: not_counted(None),
            new: not_counted(None),
        }
    }

    fn of(
        name: SeriesName,
        old: &SideScenario,
        new: &SideScenario,
        extrapolate_to: Option<u64>,
    ) -> Row {
        let is_time = name.metric.kind() == MetricKind::Time;
        let mut row = Row {
            is_other_cpu: is_time && !is_one_processor(&old.environment, &new.environment),
            old: not_counted(old.series.get(&name)),
            new: not_counted(new.series.get(&name)),
            ..Row::empty(name)
        };
        let counted = |side: &SideScenario| match side.series.get(&name) {
            Some(Readings::Series { series, running }) => Some((series.clone(), *running)),
            _ => None,
        };
        let (mut before, mut now) = (counted(old), counted(new));
        if let (Some((old, _)), Some((new, _))) = (&mut before, &mut now) {
            (*new, *old) = on_common_sizes(new, old);
            row.compare(old, new);
        }
        row.fit(before, now, extrapolate_to);
        row
    }

    fn compare(&mut self, old: &Series, new: &Series) {
        if old.sizes() != new.sizes() {
            self.why = Some("no N is common to both sides".to_owned());
            return;
        }
        let by_n = medians(old).into_iter().zip(medians(new));
        self.by_n = by_n.map(|((n, old), (_, new))| ByN { n, old, new }).collect();
        self.at = Some(old.top_size());
        let pair = judge_pair(new, old, &PairOptions::default());
        let evidence = pair.evidence.as_ref();
        self.growth = evidence.map(|evidence| Span::of(&evidence.growth));
        if self.is_other_cpu {
            self.why = Some("times of two CPUs cannot be compared".to_owned());
            return;
        }
        self.ratio = self.by_n.last().and_then(|top| ratio(top.old, top.new));
        let is_exact = old.is_exact() && new.is_exact();
        let is_worse = pair.verdict == PairVerdict::Worse;
        let is_improved = !is_worse
            && judge_pair(old, new, &PairOptions::default()).verdict == PairVerdict::Worse;
        let is_count = self.name.metric.kind() == MetricKind::Count;
        self.change = match () {
            () if is_count && self.by_n.iter().all(ByN::is_same) => Change::Unchanged,
            () if is_count && self.by_n.iter().all(|row| row.new == 0.0) => Change::Removed,
            () if is_count && self.by_n.iter().all(|row| row.old == 0.0) => Change::New,
            () if is_worse => Change::Worse,
            () if is_improved => Change::Improved,
            () if is_exact => level(self.by_n.iter().rev().find(|row| !row.is_same())),
            () => {
                let Some(evidence) = evidence else {
                    if let PairVerdict::Inconclusive(doubt) = pair.verdict {
                        self.why = Some(doubt.to_string());
                    }
                    return;
                };
                let factor = Span::of(&evidence.constant_factor);
                self.factor = Some(factor);
                self.is_undecided = matches!(pair.verdict, PairVerdict::Inconclusive(_));
                // If the costs at the largest N contradict the factor, the factor is noise.
                let top = self.ratio.unwrap_or(1.0);
                match factor {
                    Span { low, .. } if low > 1.0 + SAME_TIME && top > 1.0 => Change::More,
                    Span { high, low, .. }
                        if high < 1.0 / (1.0 + SAME_TIME) && low > 0.0 && top < 1.0 =>
                    {
                        Change::Less
                    }
                    _ => Change::Unchanged,
                }
            }
        };
    }

    /// Fits each side. Extrapolates exact counts if one side surely grows beyond linear.
    fn fit(
        &mut self,
        old: Option<(Series, Option<f64>)>,
        new: Option<(Series, Option<f64>)>,
        extrapolate_to: Option<u64>,
    ) {
        let sides = [&old, &new].map(|side| side.as_ref().map(|(series, _)| series));
        let models = sides.map(|series| series.and_then(Model::of));
        let is_grown = models.iter().flatten().any(|model| model.is_sure);
        let is_exact = sides.iter().flatten().all(|series| series.is_exact());
        let extrapolate_to =
            extrapolate_to.filter(|n| is_grown && is_exact && self.at.is_some_and(|at| *n > at));
        let [before, now] = models;
        let found = |side: Option<(Series, Option<f64>)>, model: Option<Model>| {
            side.map(|(series, running)| {
                Found::Curve(Box::new(Curve::of(
                    model.as_ref(),
                    series.is_exact(),
                    running,
                    extrapolate_to,
                )))
            })
        };
        if let Some(found) = found(old, before) {
            self.old = found;
        }
        if let Some(found) = found(new, now) {
            self.new = found;
        }
    }
}

impl Curve {
    fn of(
        model: Option<&Model>,
        is_exact: bool,
        running: Option<f64>,
        extrapolate_to: Option<u64>,
    ) -> Curve {
        let parts = model.map(Model::parts);
        Curve {
            fixed: parts.map(|parts| parts[0]),
            per_module: parts.map(|parts| parts[1]),
            superlinear: parts.map(|parts| parts[2]),
            is_superlinear_sure: model.is_some_and(|model| model.is_sure),
            next_module: model.map(|model| model.next_module(model.top)),
            exponent: model.and_then(|model| model.exponent),
            is_exact,
            running,
            extrapolated: model.and_then(|model| Some(model.extrapolate(extrapolate_to?))),
        }
    }
}

fn is_one_processor(one: &Environment, other: &Environment) -> bool {
    one.cpu == other.cpu && one.caches == other.caches
}

/// Explains why a side cannot be compared.
fn not_counted(readings: Option<&Readings>) -> Found {
    Found::NotCounted(match readings {
        Some(Readings::Missing(absence)) => format!("{absence}; {}", absence.remedy()),
        Some(Readings::Failed) => "runs failed".to_owned(),
        // A counted series gets a curve later, which replaces this text.
        Some(Readings::Series { .. }) | None => "not requested there".to_owned(),
    })
}

fn ratio(old: f64, new: f64) -> Option<f64> {
    (old != 0.0).then(|| new / old)
}

fn level(differing: Option<&ByN>) -> Change {
    match differing {
        None => Change::Unchanged,
        Some(ByN { old, new, .. }) if new > old => Change::More,
        Some(_) => Change::Less,
    }
}

impl ByN {
    fn is_same(&self) -> bool {
        (self.new - self.old).abs() <= SAME_COUNT * self.old.abs()
    }
}

impl Change {
    /// Whether the cost or its growth made a step.
    pub fn is_step(self) -> bool {
        !matches!(self, Change::Unchanged | Change::NotCompared)
    }

    /// Returns the word for a step in a cost with this unit, or `None` if there is no step.
    pub fn step(self, unit: &str) -> Option<&'static str> {
        match self {
            Change::Unchanged | Change::NotCompared => None,
            Change::Worse => Some("GROWS FASTER"),
            Change::Improved => Some("grows less"),
            Change::More if unit == "ns" => Some("slower"),
            Change::More => Some("more"),
            Change::Less if unit == "ns" => Some("faster"),
            Change::Less => Some("less"),
            Change::Removed => Some("removed"),
            Change::New => Some("new"),
        }
    }
}
