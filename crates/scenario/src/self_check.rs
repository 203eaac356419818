//! The self-check of a session: work of known growth that is measured with every suite. It proves that the
//! session would detect growth. Linear work proves that the session reports no false growth.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use crate::metric::collector::Collector;
use crate::metric::name::{Metric, MetricKind};
use crate::metric::phase::Phase;
use crate::metric::series_name::SeriesName;
use crate::scenario::variant::Variant;
use crate::scenario::{Scenario, Suite};
use crate::workload::Workload;
use crate::workload::known_work::{KnownWork, KnownWorkKind};

/// Linear work on the CPU.
pub const CPU_LINEAR: &str = "self-check-cpu-linear";
/// The same linear work on the CPU, measured a second time.
pub const CPU_LINEAR_AGAIN: &str = "self-check-cpu-linear-again";
/// Work on the CPU with a quadratic share.
pub const CPU_QUADRATIC: &str = "self-check-cpu-quadratic";
/// Touching a linear number of pages.
pub const PAGES_LINEAR: &str = "self-check-pages-linear";
/// Touching pages with a quadratic share.
pub const PAGES_QUADRATIC: &str = "self-check-pages-quadratic";
/// A linear number of allocations.
pub const ALLOCATIONS_LINEAR: &str = "self-check-allocations-linear";
/// Allocations with a quadratic share.
pub const ALLOCATIONS_QUADRATIC: &str = "self-check-allocations-quadratic";
/// Linear work on the CPU that callgrind simulates.
pub const CALLGRIND_LINEAR: &str = "self-check-callgrind-linear";
/// Work on the CPU that callgrind simulates, with a quadratic share.
pub const CALLGRIND_QUADRATIC: &str = "self-check-callgrind-quadratic";

/// The self-check of a session over `scenarios`. Its work is measured with the same collectors, and as often,
/// as the judged series. What a session does not judge is not checked. So noise in times does not invalidate
/// a session that judges only counts.
pub fn scenarios_for(scenarios: &[Scenario]) -> Vec<Scenario> {
    let repetitions = scenarios.iter().map(|scenario| scenario.repetitions).max().unwrap_or(0);
    let vouches = |check: &&Check| scenarios.iter().any(|scenario| check.vouches_for(scenario));
    CHECKS
        .iter()
        .filter(vouches)
        .map(|check| Scenario { repetitions, ..check.scenario() })
        .collect()
}

/// The self-check's scenario called `name`.
pub fn scenario(name: &str) -> Option<Scenario> {
    CHECKS.iter().find(|check| check.name == name).map(Check::scenario)
}

/// Work that proves that a session detects growth.
struct Check {
    name: &'static str,
    work: KnownWorkKind,
    /// The percentage of the work at the largest N that grows with N².
    quadratic_percent: u8,
    collector: Collector,
}

const fn check_of(
    name: &'static str,
    work: KnownWorkKind,
    quadratic_percent: u8,
    collector: Collector,
) -> Check {
    Check { name, work, quadratic_percent, collector }
}

const CHECKS: [Check; 9] = [
    check_of(CPU_LINEAR, KnownWorkKind::Cpu, 0, Collector::Clock),
    check_of(CPU_LINEAR_AGAIN, KnownWorkKind::Cpu, 0, Collector::Clock),
    check_of(CPU_QUADRATIC, KnownWorkKind::Cpu, 20, Collector::Clock),
    check_of(PAGES_LINEAR, KnownWorkKind::Pages, 0, Collector::Clock),
    check_of(PAGES_QUADRATIC, KnownWorkKind::Pages, 20, Collector::Clock),
    check_of(ALLOCATIONS_LINEAR, KnownWorkKind::Allocations, 0, Collector::Count),
    check_of(ALLOCATIONS_QUADRATIC, KnownWorkKind::Allocations, 20, Collector::Count),
    check_of(CALLGRIND_LINEAR, KnownWorkKind::Cpu, 0, Collector::Callgrind),
    check_of(CALLGRIND_QUADRATIC, KnownWorkKind::Cpu, 20, Collector::Callgrind),
];

impl Check {
    /// Whether a verdict on `scenario` relies on this work. Times and counted instructions rely on work of
    /// the CPU. All other counts by the clock rely on touched pages.
    fn vouches_for(&self, scenario: &Scenario) -> bool {
        let is_of_cpu =
            |metric: Metric| metric.kind() == MetricKind::Time || metric == Metric::Instructions;
        match (self.collector, self.work) {
            (Collector::Clock, work) => {
                let judged = scenario.judge.iter().map(|name| name.metric);
                let scaling = scenario.scaling.iter().map(|scaling| scaling.series.metric);
                let by_clock = |metric: &Metric| scenario.collector_of(*metric).is_clock();
                let mut judged = judged.chain(scaling).filter(by_clock);
                judged.any(|metric| is_of_cpu(metric) == (work == KnownWorkKind::Cpu))
            }
            (collector, _) => scenario.collectors().contains(&collector),
        }
    }

    fn scenario(&self) -> Scenario {
        let sizes = match self.collector {
            Collector::Clock => vec![64, 128, 256, 512, 1024, 2048, 4096],
            // A unit is one allocation, or is executed instruction by instruction.
            Collector::Count | Collector::Callgrind => vec![8, 16, 32, 64, 128, 256, 512],
        };
        let metrics: &[Metric] = match (self.collector, self.work) {
            (Collector::Callgrind, _) => &[Metric::CallgrindInstructions],
            (_, KnownWorkKind::Cpu) => &[Metric::TaskClock, Metric::Instructions],
            (_, KnownWorkKind::Pages) => &[Metric::PageFaults, Metric::ResidentBytes],
            (_, KnownWorkKind::Allocations) => &[Metric::Allocations],
        };
        let judge = metrics.iter().map(|metric| SeriesName::new(Phase::Work, *metric)).collect();
        let largest = sizes.last().copied().and_then(NonZeroUsize::new);
        let known = KnownWork {
            work: self.work,
            quadratic_percent: self.quadratic_percent,
            largest: largest.unwrap_or(NonZeroUsize::MIN),
        };
        Scenario {
            name: self.name.to_owned(),
            group: None,
            suite: Suite::Default,
            variant: Variant::default(),
            settings: BTreeMap::new(),
            question: "Does this session detect growth of a known size?".to_owned(),
            expectation: "The known growth.".to_owned(),
            workload: Workload::SelfCheck(known),
            unit: None,
            unwinder: None,
            recipe: None,
            digest: None,
            judge,
            observe: Vec::new(),
            repetitions: 1,
            callgrind_sizes: sizes.clone(),
            sizes,
            timeout: Duration::from_secs(120),
            budget: Duration::ZERO,
            extrapolate_to: None,
            limit: None,
            control: None,
            known_issue: Vec::new(),
            scaling: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "format = 2\nquestion = \"?\"\nexpectation = \"\"\nload_order = \"hold-all\"\njudge = [\"load/task-clock\"]\nsizes = { from = 8, to = 128, factor = 2 }";

    fn asked() -> Scenario {
        Scenario::parse("mine", TEXT).expect("it is a scenario")
    }

    /// The names of the self-check's scenarios for a scenario that judges these series.
    fn checks_for(judge: &[&str], observe: &[&str]) -> Vec<String> {
        let series = |names: &[&str]| {
            let names = names.iter().map(|name| name.parse::<SeriesName>());
            names.collect::<Result<Vec<_>, _>>().expect("they are series")
        };
        let asked = Scenario { judge: series(judge), observe: series(observe), ..asked() };
        scenarios_for(&[asked]).into_iter().map(|scenario| scenario.name).collect()
    }

    #[test]
    fn a_session_is_checked_for_what_it_judges_and_for_nothing_else() {
        let pages = [PAGES_LINEAR, PAGES_QUADRATIC];
        let cpu = [CPU_LINEAR, CPU_LINEAR_AGAIN, CPU_QUADRATIC];
        let clocks = ["load/task-clock", "load/wall-time"];
        for count in ["load/unwind-tables-registered", "load/page-faults", "load/resident-bytes"] {
            assert_eq!(checks_for(&[count], &clocks), pages, "{count}");
        }
        for judged in ["load/task-clock", "load/instructions"] {
            assert_eq!(checks_for(&[judged], &["load/page-faults"]), cpu, "{judged}");
        }
        let both = checks_for(&["load/task-clock", "load/page-faults"], &[]);
        assert_eq!(both, [&cpu[..], &pages].concat());
        let counted = [ALLOCATIONS_LINEAR, ALLOCATIONS_QUADRATIC];
        assert_eq!(checks_for(&["load/allocations"], &clocks), counted);
        let profiled = [CALLGRIND_LINEAR, CALLGRIND_QUADRATIC];
        assert_eq!(checks_for(&["unload/callgrind-instructions"], &[]), profiled);
    }
}
