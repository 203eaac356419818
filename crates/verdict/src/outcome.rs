//! The result of a session: its rows, its self-check, its growing functions, and the exit code.

use loadline_growth::{CheckOutcome, Verdict};
use loadline_record::{Exit, Strictness};
use loadline_scenario::{Collector, MetricKind};

use loadline_record::measured::Measured;

use crate::functions::{GrowingFunction, Standing};
use crate::judged::{Ground, Judged, Outcome};
use crate::self_check::{self, SelfCheck};

/// The result of a session.
#[derive(Debug)]
pub struct Report {
    /// The self-checks. If one fails, no verdict of the session counts.
    pub self_checks: Vec<SelfCheck>,
    /// One row per judged series, in the order of scenarios.
    pub rows: Vec<Judged>,
    /// The functions that grow beyond linear.
    pub functions: Vec<GrowingFunction>,
    /// Runs that failed, with their scenario.
    pub failures: Vec<String>,
}

impl Report {
    /// Returns the exit code of the session.
    pub fn exit(&self, strictness: Strictness) -> Exit {
        let mut several = Vec::new();
        if self.is_self_check_failed() {
            several.push(Exit::SelfCheckFailed);
        }
        if self.could_not_measure() {
            several.push(Exit::CouldNotMeasure);
        }
        if self.count(is_red) + self.new_functions() > 0 {
            several.push(Exit::Regressed);
        }
        let is_unsure =
            self.self_checks.iter().any(|check| check.outcome == CheckOutcome::Undecided);
        if strictness.inconclusive && (is_unsure || self.count(|row| self.is_unsettled(row)) > 0) {
            several.push(Exit::Inconclusive);
        }
        if strictness.no_baseline && self.count(|row| row.has_no_baseline) > 0 {
            several.push(Exit::NoBaseline);
        }
        Exit::of(&several)
    }

    /// Whether a run failed, or no judged series could be counted. A session without any reading must not
    /// pass.
    fn could_not_measure(&self) -> bool {
        let failed = |row: &Judged| matches!(row.outcome, Outcome::Failed);
        let is_unread = !self.rows.is_empty() && self.rows.iter().all(is_not_judged);
        is_unread || !self.failures.is_empty() || self.count(failed) > 0
    }

    /// Whether a row is neither red nor decided, so that `--strict` counts it.
    fn is_unsettled(&self, row: &Judged) -> bool {
        is_not_judged(row) || row.outcome.verdict().is_some_and(is_open) || self.is_gone(row)
    }

    /// Whether growth that the scenario accepts is no longer seen.
    pub fn is_gone(&self, row: &Judged) -> bool {
        // A growing function shows before the total grows.
        let grows = |function: &GrowingFunction| {
            row.collector == Collector::Callgrind
                && function.scenario == row.scenario
                && function.phase == row.name.phase
        };
        // One entry applies to all variants of a scenario.
        let is_there = |other: &Judged| {
            other.name == row.name && Report::shares_entry(row, other) && !other.is_gone()
        };
        row.is_gone() && !self.functions.iter().any(grows) && !self.rows.iter().any(is_there)
    }

    /// Whether another series still needs the entry that accepts the growth of `row`.
    pub fn keeps_entry(&self, row: &Judged) -> bool {
        let needs = |other: &Judged| {
            other.name != row.name && Report::shares_entry(row, other) && !other.is_gone()
        };
        self.rows.iter().any(needs)
    }

    /// Whether one entry of one scenario file accepts the growth of both rows.
    fn shares_entry(one: &Judged, other: &Judged) -> bool {
        let file = |row: &Judged| row.scenario.split(':').next().map(str::to_owned);
        let entry = |row: &Judged| {
            let known = row.known.as_ref()?;
            Some((known.reason.clone(), known.link.clone(), known.expires.clone()))
        };
        file(one) == file(other) && entry(one).is_some() && entry(one) == entry(other)
    }

    /// Whether the session gives no verdict. The session missed known growth or saw growth in linear work,
    /// or a collector has no self-check.
    pub fn is_self_check_failed(&self) -> bool {
        self_check::has_failed(&self.self_checks) || !self.unchecked().is_empty()
    }

    /// Lists the collectors that counted judged series without a self-check.
    pub fn unchecked(&self) -> Vec<&'static str> {
        let judged = self.rows.iter().filter(|row| row.outcome.verdict().is_some());
        let unchecked =
            judged.filter(|row| !self.self_checks.iter().any(|check| checks(check, row)));
        let name = |row: &Judged| match (row.collector, row.name.metric.kind()) {
            (Collector::Clock, MetricKind::Time) => "times",
            (Collector::Clock, MetricKind::Count) => "counts of the measured process",
            (Collector::Count, _) => "operation counts",
            (Collector::Callgrind, _) => "instructions by callgrind",
        };
        let mut names: Vec<&'static str> = unchecked.map(name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Counts the rows for which `is` returns true.
    pub fn count(&self, is: impl Fn(&Judged) -> bool) -> usize {
        self.rows.iter().filter(|row| is(row)).count()
    }

    /// Counts the growing functions that are new: neither known, nor in the baseline, nor in the other build.
    pub fn new_functions(&self) -> usize {
        self.functions.iter().filter(|s| s.standing == Standing::Regressed).count()
    }

    /// Summarizes how many series have each verdict.
    pub fn summary(&self) -> String {
        if self.is_self_check_failed() {
            return "self-check failed".to_owned();
        }
        let is = |row: &Judged, verdict| row.outcome.verdict() == Some(verdict);
        let is_undecided =
            |row: &Judged| row.outcome.verdict().is_some_and(is_open) && !is_not_gated(row);
        let functions = match self.new_functions() {
            1 => "new superlinear function",
            _ => "new superlinear functions",
        };
        let words = [
            (functions, self.new_functions()),
            ("REGRESSED", self.count(is_red)),
            ("superlinear, not gated", self.count(is_not_gated)),
            ("undecided", self.count(is_undecided)),
            ("not measured", self.count(is_not_judged)),
            ("known issue no longer seen", self.count(|row| self.is_gone(row))),
            ("improved", self.count(|row| is(row, Verdict::Improved))),
            ("pass", self.count(|row| is(row, Verdict::Holds) && !self.is_gone(row))),
        ];
        let said = words.iter().filter(|(_, count)| *count > 0);
        let said: Vec<String> = said.map(|(word, count)| format!("{count} {word}")).collect();
        if said.is_empty() { "nothing judged".to_owned() } else { said.join(", ") }
    }
}

/// The measurements of a session and its result.
#[derive(Debug)]
pub struct Concluded {
    /// The session.
    pub measured: Measured,
    /// The result of the session.
    pub report: Report,
}

/// Whether the self-check `check` was measured and judged like `row`.
fn checks(check: &SelfCheck, row: &Judged) -> bool {
    let (known, judged) = (check.name.metric, row.name.metric);
    match row.collector {
        Collector::Clock => {
            known.collector().is_clock()
                && (judged.kind() == MetricKind::Count || known.kind() == MetricKind::Time)
        }
        collector => known.collector() == collector,
    }
}

/// Whether a row fails the gate.
pub fn is_red(row: &Judged) -> bool {
    row.outcome.verdict() == Some(Verdict::Regressed)
}

/// Whether a row has no verdict, because its series was not measured.
pub fn is_not_judged(row: &Judged) -> bool {
    matches!(row.outcome, Outcome::NotJudged(_))
}

/// Whether a row is superlinear with nothing to compare it with.
pub fn is_not_gated(row: &Judged) -> bool {
    matches!(row.outcome, Outcome::Verdict { ground: Ground::NotGated, .. })
}

/// Whether the verdict leaves the series undecided.
pub fn is_open(verdict: Verdict) -> bool {
    matches!(verdict, Verdict::Inconclusive(_) | Verdict::NoBaseline)
}
