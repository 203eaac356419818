//! Refuses scenarios that cannot be measured or judged.

use std::time::Duration;

use crate::metric::collector::Collector;
use crate::metric::name::{Metric, MetricKind};
use crate::metric::phase::Phase;
use crate::scenario::error::{ScenarioError, wrong};
use crate::scenario::known_issue::KnownGrowth;
use crate::scenario::scaling::{KnownContention, Scaling};
use crate::scenario::{Control, FEWEST_SIZES, LARGEST_MODULES, SMALLEST_RATIO, Scenario};
use crate::workload::Workload;
use crate::workload::corpus::{Corpus, HostFunction, LoadFrom};
use crate::workload::load_order::OperationKind;
use crate::workload::modules::{Engines, Modules, Profiler};
use crate::workload::n_counts::NCounts;

impl Scenario {
    /// Refuses a scenario that cannot be measured or judged.
    pub(super) fn check(&self) -> Result<(), ScenarioError> {
        check_sizes("sizes", &self.sizes)?;
        if !self.callgrind_sizes.is_empty() {
            check_sizes("callgrind_sizes", &self.callgrind_sizes)?;
        }
        self.check_numbers()?;
        self.check_workload()?;
        self.check_series()?;
        self.known_issue.iter().try_for_each(
            |KnownGrowth { unwinders, link, expires, .. }| {
                KnownGrowth::check("known_issue", unwinders, link, expires)
            },
        )?;
        self.check_scaling()
    }

    fn check_numbers(&self) -> Result<(), ScenarioError> {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        if !(1..=100).contains(&self.repetitions) {
            return Err(wrong(
                "repetitions",
                format!("{} is not within 1 to 100", self.repetitions),
            ));
        }
        if self.timeout.is_zero() || self.timeout > DAY {
            return Err(wrong("timeout_seconds", "is not within 1 to 86400"));
        }
        if self.budget > DAY {
            return Err(wrong("budget_seconds", "is more than 86400"));
        }
        if self.extrapolate_to.is_some_and(|n| n == 0 || n > LARGEST_MODULES) {
            return Err(wrong("extrapolate_to", format!("is not within 1 to {LARGEST_MODULES}")));
        }
        Ok(())
    }

    fn check_workload(&self) -> Result<(), ScenarioError> {
        if let Some(group) = &self.group
            && (group.is_empty() || !group.chars().all(|c| c.is_ascii_lowercase() || c == '-'))
        {
            return Err(wrong(
                "group",
                format!("{group:?} has other characters than lowercase letters and hyphens"),
            ));
        }
        let is_noun = |unit: &String| {
            let is_plain = |c: char| c.is_alphabetic() || c == ' ' || c == '-';
            unit.chars().all(is_plain) && unit.trim() == unit && !unit.is_empty()
        };
        if let Some(unit) = self.unit.as_ref().filter(|unit| !is_noun(unit)) {
            let problem = format!("{unit:?} is not a noun for one of N (such as \"row\")");
            return Err(wrong("unit", problem));
        }
        match &self.workload {
            Workload::Modules(modules) => {
                modules.check()?;
                if self.limit.is_some() && !modules.n_counts.is_modules() {
                    return Err(wrong(
                        "limit",
                        "needs an N that counts modules, because larger modules reach no limit",
                    ));
                }
            }
            _ if self.limit.is_some() => {
                return Err(wrong("limit", "is for scenarios that load modules only"));
            }
            _ => {}
        }
        Ok(())
    }

    fn check_series(&self) -> Result<(), ScenarioError> {
        let fail = |problem: String| Err(wrong("judge", problem));
        if self.judge.is_empty() {
            return fail("names no series, so no run could fail".to_owned());
        }
        if let Some(series) = self.judge.iter().find(|series| !series.metric.may_be_judged()) {
            return fail(format!(
                "{series} follows the machine more than the program (move it to observe)"
            ));
        }
        let mut seen = Vec::new();
        for series in self.series() {
            if seen.contains(&series) {
                return fail(format!("{series} is there twice, in judge and observe together"));
            }
            if !self.workload.may_have(series.phase) {
                return fail(format!("{series}: no run of this kind has this phase"));
            }
            if !self.workload.may_count(series.metric) {
                return fail(format!("{series}: only a command has this metric"));
            }
            if series.metric == Metric::PeakResidentBytes && series.phase != Phase::Run {
                return fail(format!("{series}: a command has one peak, run/{}", series.metric));
            }
            seen.push(series);
        }
        Ok(())
    }

    fn check_scaling(&self) -> Result<(), ScenarioError> {
        let Some(Scaling { threads, series, known }) = &self.scaling else { return Ok(()) };
        if !matches!(self.workload, Workload::Modules(_)) {
            return Err(wrong("scaling", "is for scenarios that load modules"));
        }
        if !(2..=256).contains(&threads.get()) {
            return Err(wrong("scaling", format!("{threads} threads are not within 2 to 256")));
        }
        if series.metric.kind() != MetricKind::Time || !self.series().any(|own| own == *series) {
            let problem = format!("{series} is not a time that this scenario judges or observes");
            return Err(wrong("scaling", problem));
        }
        if !self.judge.iter().any(|name| name.metric.collector() == Collector::Clock) {
            let problem = "needs a series that is measured by the clock in judge";
            return Err(wrong("scaling", problem));
        }
        if !matches!(self.control, Some(Control::Set(_))) {
            let problem = "needs a control = { set = … }, which shows what threads gain here";
            return Err(wrong("scaling", problem));
        }
        known.iter().try_for_each(|KnownContention { unwinders, link, expires, .. }| {
            KnownGrowth::check("scaling", unwinders, link, expires)
        })
    }
}

fn check_sizes(field: &'static str, sizes: &[usize]) -> Result<(), ScenarioError> {
    let (Some(first), Some(last)) = (sizes.first(), sizes.last()) else {
        return Err(wrong(field, "has no size"));
    };
    if *first == 0 {
        return Err(wrong(field, "N = 0 loads nothing (begin at 1 or more)"));
    }
    if !sizes.is_sorted_by(|a, b| a < b) {
        return Err(wrong(field, "each N must be larger than the previous N"));
    }
    if *last > LARGEST_MODULES {
        return Err(wrong(field, format!("N = {last} is more than {LARGEST_MODULES}")));
    }
    if sizes.len() < FEWEST_SIZES || last / first < SMALLEST_RATIO {
        let n = sizes.len();
        let problem = format!(
            "too few sizes to judge growth: {n}, from {first} to {last} (give at least {FEWEST_SIZES} sizes that span a factor of {SMALLEST_RATIO})"
        );
        return Err(wrong(field, problem));
    }
    Ok(())
}

impl Modules {
    /// Refuses settings that no run could follow.
    pub(crate) fn check(&self) -> Result<(), ScenarioError> {
        let is_made_first = matches!(self.load_from, LoadFrom::Pack | LoadFrom::Store);
        if self.profiler != Profiler::None && is_made_first {
            let problem = "is for modules that are loaded from bytes or file";
            return Err(wrong("profiler", problem));
        }
        if self.load_from == LoadFrom::Pack && self.engines == Engines::Each {
            let problem = "each is not for packs, which are made for one engine";
            return Err(wrong("engines", problem));
        }
        let generated = match &self.corpus {
            Corpus::Generated(axes) => Some(axes),
            Corpus::Files(_) => None,
        };
        if generated.is_none() && self.n_counts != NCounts::Modules {
            let problem = "needs generated modules, because modules from files cannot change";
            return Err(wrong("n_counts", problem));
        }
        let is_component = self.n_counts == NCounts::CoreModules
            || generated.is_some_and(|a| a.core_modules.is_some());
        let host_function = generated.map_or(HostFunction::None, |axes| axes.host_function);
        if is_component && host_function != HostFunction::None {
            let problem = "is not for components (leave core_modules or host_function out)";
            return Err(wrong("artifact.host_function", problem));
        }
        let Some(operation) = self.load_order.operation else { return Ok(()) };
        match operation.kind {
            OperationKind::Unwind | OperationKind::Panic => {}
            OperationKind::Backtrace | OperationKind::Trap
                if host_function == HostFunction::SharedType => {}
            OperationKind::Backtrace | OperationKind::Trap => {
                let problem = "needs modules with artifact.host_function = \"shared-type\"";
                return Err(wrong("operation", problem));
            }
            OperationKind::Instantiate if host_function != HostFunction::None => {}
            OperationKind::Instantiate => {
                let problem = "instantiate needs modules with an artifact.host_function";
                return Err(wrong("operation", problem));
            }
        }
        Ok(())
    }
}
