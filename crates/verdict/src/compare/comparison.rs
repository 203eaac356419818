//! What two sides cost differently: [`Comparison`], as plain numbers. Prints nothing.
//!
//! Costs are compared at the sizes both sides have, and fitted at those alone: an exponent at one N
//! says nothing about one at another.

use loadline_growth::{PairOptions, PairVerdict, Series, judge_pair};
use loadline_scenario::{Environment, MetricKind, SeriesName};
use serde::Serialize;

use super::functions::{Moved, moved};
use super::model::{Foretold, Law, Span};
use super::side::{Readings, Side, SideScenario};
use crate::functions::horizon;
use crate::rules::readings::{medians, on_common_sizes};
use loadline_record::compat::{growth_differences, level_differences};

/// The format of `--json`; the verb's help describes it.
const FORMAT: u32 = 1;

/// Counts that differ by less than this share at every N are the same.
const SAME_COUNT: f64 = 1e-3;

/// A factor at every N within 1 ± this is no change of a noisy cost.
const SAME_TIME: f64 = 0.10;

/// All that differs between two sides.
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
    /// The titles of scenarios that only the old side has.
    pub only_old: Vec<String>,
    /// The titles of scenarios that only the new side has.
    pub only_new: Vec<String>,
}

/// One scenario, or two variants of it.
#[derive(Debug, Serialize)]
pub struct Pair {
    /// The old side's title.
    pub old: String,
    /// The new side's.
    pub new: String,
    /// The machine and build of each side, in one line.
    pub environment: [String; 2],
    /// What else differs between the two machines and builds, one sentence each: first what decides
    /// growth, then what decides levels.
    pub differences: Vec<String>,
    /// How many of those decide growth.
    #[serde(skip)]
    pub n_growth_differences: usize,
    /// Runs that failed on either side, one sentence each.
    pub failures: Vec<String>,
    /// The N that costs are foretold for.
    pub horizon: Option<u64>,
    /// Every series that either side has.
    pub series: Vec<Row>,
    /// The symbols that cost differently, the largest change first.
    pub symbols: Vec<Moved>,
}

/// One series of both sides.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Which.
    pub name: SeriesName,
    /// `ns`, `bytes` or `count`.
    pub unit: &'static str,
    /// What became of it.
    pub change: Change,
    /// Whether it is too noisy to exclude that it grows faster now.
    pub is_undecided: bool,
    /// Whether these are times of two processors, which do not compare.
    pub is_foreign: bool,
    /// Why it was not compared.
    pub why: Option<String>,
    /// The largest N that both sides have.
    pub at: Option<u64>,
    /// The new cost there over the old one; `None` where the old one is 0.
    pub ratio: Option<f64>,
    /// The factor at every N, growth apart, of what is noisy.
    pub factor: Option<Span>,
    /// The share of the new cost there that grows beyond the old side's growth.
    pub growth: Option<Span>,
    /// The costs of all N modules at each N that both sides have.
    pub by_n: Vec<ByN>,
    /// What the old side says.
    pub old: Found,
    /// What the new side says.
    pub new: Found,
}

/// What became of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// Nothing: counts are the same at every N, times within what they jitter.
    Unchanged,
    /// It grows faster.
    Worse,
    /// It grows less.
    Improved,
    /// It costs more, at the same growth.
    Dearer,
    /// It costs less, at the same growth.
    Cheaper,
    /// There was some, and is none now.
    Gone,
    /// There was none, and is some now.
    New,
    /// That cannot be said.
    NotCompared,
}

/// The median costs at one N.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ByN {
    /// N.
    pub n: u64,
    /// What the old side costs there.
    pub old: f64,
    /// What the new side costs.
    pub new: f64,
}

/// What one side says of a series.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// A curve.
    Curve(Box<Curve>),
    /// Nothing, and why.
    NotCounted(String),
}

/// A fitted cost, at the largest N that both sides have.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Curve {
    /// What is paid once, or grows slower than N.
    pub fixed: Option<f64>,
    /// What each module costs.
    pub per_module: Option<f64>,
    /// What grows faster than N log N, of all modules together.
    pub superlinear: Option<f64>,
    /// Whether the curve rule is sure of that part.
    pub is_superlinear_sure: bool,
    /// What the last of the modules costs.
    pub next_module: Option<f64>,
    /// The tail exponent; `None` for a flat curve, and for too few sizes.
    pub exponent: Option<Span>,
    /// Whether it is counted exactly.
    pub is_exact: bool,
    /// The smallest share of a phase in which the counter ran, where the kernel took turns.
    pub running: Option<f64>,
    /// What it comes to at the N that matters, where either side is sure to grow.
    pub foretold: Option<Foretold>,
}

impl Comparison {
    /// Compares the scenarios of `pairs`, and says which have no counterpart.
    pub fn of(old: &Side, new: &Side, pairs: &[(&SideScenario, &SideScenario)]) -> Comparison {
        let alone = |side: &Side, is_paired: &dyn Fn(&str) -> bool| {
            let titles = side.scenarios.iter().map(|scenario| scenario.title.clone());
            let mut alone: Vec<String> = titles.filter(|title| !is_paired(title)).collect();
            alone.dedup();
            alone
        };
        Comparison {
            format: FORMAT,
            old: old.name.clone(),
            new: new.name.clone(),
            scenarios: pairs.iter().map(|(old, new)| Pair::of(old, new)).collect(),
            only_old: alone(old, &|title| pairs.iter().any(|(old, _)| old.title == title)),
            only_new: alone(new, &|title| pairs.iter().any(|(_, new)| new.title == title)),
        }
    }

    /// Whether a scenario could not be compared because its runs failed.
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
            let title = &one.title;
            one.failures.iter().map(|failure| format!("{side}: {title}: {failure}")).collect()
        };
        let failures = [failed("old", old), failed("new", new)].concat();
        let horizon = [new, old].into_iter().find_map(|one| {
            let scenario = one.scenario.as_ref()?;
            Some(horizon(scenario) as u64)
        });
        let mut names: Vec<SeriesName> =
            old.series.keys().chain(new.series.keys()).copied().collect();
        names.sort_unstable();
        names.dedup();
        let row = |name: SeriesName| Row::of(name, old, new, horizon);
        Pair {
            old: old.title.clone(),
            new: new.title.clone(),
            environment: [before.line(), now.line()],
            differences,
            n_growth_differences,
            failures,
            horizon,
            series: names.into_iter().map(row).collect(),
            symbols: moved(old, new),
        }
    }
}

impl Row {
    /// Two series that compare, without a machine or a scenario around them; nothing is foretold.
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
            is_foreign: false,
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

    fn of(name: SeriesName, old: &SideScenario, new: &SideScenario, horizon: Option<u64>) -> Row {
        let is_time = name.metric.kind() == MetricKind::Time;
        let mut row = Row {
            is_foreign: is_time && !is_one_processor(&old.environment, &new.environment),
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
        row.fit(before, now, horizon);
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
        if self.is_foreign {
            self.why = Some("times of two processors do not compare".to_owned());
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
            () if is_count && self.by_n.iter().all(|row| row.new == 0.0) => Change::Gone,
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
                // A factor that the costs themselves contradict is one of noise.
                let top = self.ratio.unwrap_or(1.0);
                match factor {
                    Span { low, .. } if low > 1.0 + SAME_TIME && top > 1.0 => Change::Dearer,
                    Span { high, low, .. }
                        if high < 1.0 / (1.0 + SAME_TIME) && low > 0.0 && top < 1.0 =>
                    {
                        Change::Cheaper
                    }
                    _ => Change::Unchanged,
                }
            }
        };
    }

    /// Fits what there is; foretells exact counts where one side is sure to grow beyond linear.
    fn fit(
        &mut self,
        old: Option<(Series, Option<f64>)>,
        new: Option<(Series, Option<f64>)>,
        horizon: Option<u64>,
    ) {
        let sides = [&old, &new].map(|side| side.as_ref().map(|(series, _)| series));
        let laws = sides.map(|series| series.and_then(Law::of));
        let is_grown = laws.iter().flatten().any(|law| law.is_sure);
        let is_exact = sides.iter().flatten().all(|series| series.is_exact());
        let horizon = horizon.filter(|n| is_grown && is_exact && self.at.is_some_and(|at| *n > at));
        let [before, now] = laws;
        let found = |side: Option<(Series, Option<f64>)>, law: Option<Law>| {
            side.map(|(series, running)| {
                Found::Curve(Box::new(Curve::of(law.as_ref(), series.is_exact(), running, horizon)))
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
    fn of(law: Option<&Law>, is_exact: bool, running: Option<f64>, horizon: Option<u64>) -> Curve {
        let parts = law.map(Law::parts);
        Curve {
            fixed: parts.map(|parts| parts[0]),
            per_module: parts.map(|parts| parts[1]),
            superlinear: parts.map(|parts| parts[2]),
            is_superlinear_sure: law.is_some_and(|law| law.is_sure),
            next_module: law.map(|law| law.next_module(law.top)),
            exponent: law.and_then(|law| law.exponent),
            is_exact,
            running,
            foretold: law.and_then(|law| Some(law.foretell(horizon?))),
        }
    }
}

fn is_one_processor(one: &Environment, other: &Environment) -> bool {
    one.cpu == other.cpu && one.caches == other.caches
}

/// What is said of a side that cannot be compared.
fn not_counted(readings: Option<&Readings>) -> Found {
    Found::NotCounted(match readings {
        Some(Readings::Missing(absence)) => format!("{absence}; {}", absence.remedy()),
        Some(Readings::Failed) => "runs failed".to_owned(),
        // What is counted gets a curve in this one's place.
        Some(Readings::Series { .. }) | None => "not asked there".to_owned(),
    })
}

fn ratio(old: f64, new: f64) -> Option<f64> {
    (old != 0.0).then(|| new / old)
}

fn level(differing: Option<&ByN>) -> Change {
    match differing {
        None => Change::Unchanged,
        Some(ByN { old, new, .. }) if new > old => Change::Dearer,
        Some(_) => Change::Cheaper,
    }
}

impl ByN {
    fn is_same(&self) -> bool {
        (self.new - self.old).abs() <= SAME_COUNT * self.old.abs()
    }
}

impl Change {
    /// What a reader is told of a step; nothing where there is none.
    pub fn step(self) -> Option<&'static str> {
        match self {
            Change::Unchanged | Change::NotCompared => None,
            Change::Worse => Some("GROWS FASTER"),
            Change::Improved => Some("grows less"),
            Change::Dearer => Some("dearer"),
            Change::Cheaper => Some("cheaper"),
            Change::Gone => Some("gone"),
            Change::New => Some("new"),
        }
    }
}
