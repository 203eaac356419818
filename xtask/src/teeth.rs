//! The gate's own proof: growth planted in every session, and whether the session saw it.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use loadline_growth::{
    CurveOptions, PairOptions, Series, Sight, Tau, judge_curve, judge_pair, sight_of_changes,
    sight_of_curves, sight_of_pairs,
};
use loadline_scenario::{
    Means, Metric, MetricKind, Phase, Planted, PlantedWork, Scenario, SeriesName, Subject, Suite,
    Variant,
};

use crate::judgement::{LOOKS, subject};
use crate::measured::Measured;

/// The names of the planted scenarios: the linear one twice, to see that nothing is seen.
pub mod planted {
    /// Linear work on the processor.
    pub const CPU_LINEAR: &str = "planted-cpu-linear";
    /// The same once more.
    pub const CPU_LINEAR_AGAIN: &str = "planted-cpu-linear-again";
    /// The same with a quadratic share.
    pub const CPU_QUADRATIC: &str = "planted-cpu-quadratic";
    /// Linear touching of pages.
    pub const PAGES_LINEAR: &str = "planted-pages-linear";
    /// The same with a quadratic share.
    pub const PAGES_QUADRATIC: &str = "planted-pages-quadratic";
    /// Linear use of the allocator.
    pub const ALLOCATIONS_LINEAR: &str = "planted-allocations-linear";
    /// The same with a quadratic share.
    pub const ALLOCATIONS_QUADRATIC: &str = "planted-allocations-quadratic";
    /// Linear work on the processor that callgrind makes up.
    pub const CALLGRIND_LINEAR: &str = "planted-callgrind-linear";
    /// The same with a quadratic share.
    pub const CALLGRIND_QUADRATIC: &str = "planted-callgrind-quadratic";
}

/// The self-check of a session over `scenarios`: work of known growth, measured by the same means and
/// in as many rounds as what is judged. A session is not checked for what it does not judge: noise in
/// times does not void a session that judges counts alone.
pub fn plant(scenarios: &[Scenario]) -> Vec<Scenario> {
    let processes = scenarios.iter().map(|scenario| scenario.processes).max().unwrap_or(0);
    let vouches = |tooth: &&Tooth| scenarios.iter().any(|scenario| tooth.vouches_for(scenario));
    TEETH.iter().filter(vouches).map(|t| Scenario { processes, ..t.plant() }).collect()
}

/// The planted scenario called `name`.
pub fn planted_as(name: &str) -> Option<Scenario> {
    TEETH.iter().find(|tooth| tooth.name == name).map(Tooth::plant)
}

/// Work by which a session proves that it can see.
struct Tooth {
    name: &'static str,
    work: PlantedWork,
    /// Which percentage of the work at the largest N grows with N².
    quadratic_percent: u8,
    means: Means,
}

const fn tooth_of(
    name: &'static str,
    work: PlantedWork,
    quadratic_percent: u8,
    means: Means,
) -> Tooth {
    Tooth { name, work, quadratic_percent, means }
}

const TEETH: [Tooth; 9] = [
    tooth_of(planted::CPU_LINEAR, PlantedWork::Cpu, 0, Means::Clock),
    tooth_of(planted::CPU_LINEAR_AGAIN, PlantedWork::Cpu, 0, Means::Clock),
    tooth_of(planted::CPU_QUADRATIC, PlantedWork::Cpu, 20, Means::Clock),
    tooth_of(planted::PAGES_LINEAR, PlantedWork::Pages, 0, Means::Clock),
    tooth_of(planted::PAGES_QUADRATIC, PlantedWork::Pages, 20, Means::Clock),
    tooth_of(planted::ALLOCATIONS_LINEAR, PlantedWork::Allocations, 0, Means::Count),
    tooth_of(planted::ALLOCATIONS_QUADRATIC, PlantedWork::Allocations, 20, Means::Count),
    tooth_of(planted::CALLGRIND_LINEAR, PlantedWork::Cpu, 0, Means::Callgrind),
    tooth_of(planted::CALLGRIND_QUADRATIC, PlantedWork::Cpu, 20, Means::Callgrind),
];

impl Tooth {
    /// Whether a verdict on `scenario` rests on what this work shows. Times and counted instructions
    /// rest on work of the CPU, and every other count that is read during runs by the clock on touched
    /// pages.
    fn vouches_for(&self, scenario: &Scenario) -> bool {
        let is_of_cpu =
            |metric: Metric| metric.kind() == MetricKind::Time || metric == Metric::Instructions;
        match (self.means, self.work) {
            (Means::Clock, work) => {
                let judged = scenario.judge.iter().map(|name| name.metric);
                let scaling = scenario.scaling.iter().map(|scaling| scaling.series.metric);
                let by_clock = |metric: &Metric| scenario.means_of(*metric).is_clock();
                let mut judged = judged.chain(scaling).filter(by_clock);
                judged.any(|metric| is_of_cpu(metric) == (work == PlantedWork::Cpu))
            }
            (means, _) => scenario.means().contains(&means),
        }
    }

    fn plant(&self) -> Scenario {
        let ladder = match self.means {
            Means::Clock => vec![64, 128, 256, 512, 1024, 2048, 4096],
            // A unit is an allocation, or is executed instruction by instruction.
            Means::Count | Means::Callgrind => vec![8, 16, 32, 64, 128, 256, 512],
        };
        let metrics: &[Metric] = match (self.means, self.work) {
            (Means::Callgrind, _) => &[Metric::CallgrindInstructions],
            (_, PlantedWork::Cpu) => &[Metric::TaskClock, Metric::Instructions],
            (_, PlantedWork::Pages) => &[Metric::PageFaults, Metric::ResidentBytes],
            (_, PlantedWork::Allocations) => &[Metric::Allocations],
        };
        let judge = metrics.iter().map(|metric| SeriesName::new(Phase::Work, *metric)).collect();
        let largest = ladder.last().copied().and_then(NonZeroUsize::new);
        let planted = Planted {
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
            question: "Does this session see planted growth?".to_owned(),
            expectation: "What was planted.".to_owned(),
            subject: Subject::Planted(planted),
            unwinder: None,
            recipe: None,
            digest: None,
            judge,
            observe: Vec::new(),
            processes: 1,
            callgrind_ladder: ladder.clone(),
            ladder,
            timeout: Duration::from_secs(120),
            budget: Duration::ZERO,
            horizon: None,
            limit: None,
            control: None,
            known_growth: Vec::new(),
            scaling: None,
        }
    }
}

/// Whether a session can see growth of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Teeth {
    /// The planted series.
    pub name: SeriesName,
    /// What it saw.
    pub sight: Sight,
    /// The planted scenarios it rests on.
    pub scenarios: Vec<&'static str>,
}

/// Whether the session missed growth that was planted in it, or saw some where there was none.
pub fn is_blind(teeth: &[Teeth]) -> bool {
    teeth.iter().any(|teeth| teeth.sight == Sight::Blind)
}

/// What the session saw of the growth planted in it; one answer a series that was counted. `tau` is
/// the floor that times are judged with.
pub fn seen(measured: &Measured, tau: Option<Tau>) -> Vec<Teeth> {
    let find = |scenario: &str, name: SeriesName| {
        let found = measured.scenarios.iter().find(|m| m.scenario.name == scenario)?;
        subject(found, name).ok()
    };
    let mut teeth = Vec::new();
    let clock = SeriesName::new(Phase::Work, Metric::TaskClock);
    let linear = find(planted::CPU_LINEAR, clock);
    let again = find(planted::CPU_LINEAR_AGAIN, clock);
    let quadratic = find(planted::CPU_QUADRATIC, clock);
    if let (Some(linear), Some(again), Some(quadratic)) = (linear, again, quadratic) {
        let options = PairOptions { looks: LOOKS, tau };
        let quadratic = judge_pair(&quadratic, &linear, &options).verdict;
        let unchanged = judge_pair(&again, &linear, &options).verdict;
        let sight = sight_of_pairs(quadratic, unchanged).worse(sight_of_changes(&linear, &options));
        let scenarios =
            vec![planted::CPU_LINEAR, planted::CPU_LINEAR_AGAIN, planted::CPU_QUADRATIC];
        teeth.push(Teeth { name: clock, sight, scenarios });
    }
    let counted = [
        (planted::CPU_LINEAR, planted::CPU_QUADRATIC, Metric::Instructions),
        (planted::PAGES_LINEAR, planted::PAGES_QUADRATIC, Metric::PageFaults),
        (planted::PAGES_LINEAR, planted::PAGES_QUADRATIC, Metric::ResidentBytes),
        (planted::ALLOCATIONS_LINEAR, planted::ALLOCATIONS_QUADRATIC, Metric::Allocations),
        (planted::CALLGRIND_LINEAR, planted::CALLGRIND_QUADRATIC, Metric::CallgrindInstructions),
    ];
    for (linear, quadratic, metric) in counted {
        let name = SeriesName::new(Phase::Work, metric);
        let scenarios = vec![linear, quadratic];
        let (Some(linear), Some(quadratic)) = (find(linear, name), find(quadratic, name)) else {
            continue;
        };
        let verdict = |series: &Series| judge_curve(series, &CurveOptions::default()).verdict;
        let changes = sight_of_changes(&linear, &PairOptions { looks: LOOKS, tau: None });
        let sight = sight_of_curves(verdict(&quadratic), verdict(&linear)).worse(changes);
        teeth.push(Teeth { name, sight, scenarios });
    }
    teeth
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tests::scenario;

    /// The names of what is planted beside a scenario that judges these series.
    fn planted_for(judge: &[&str], observe: &[&str]) -> Vec<String> {
        let series = |names: &[&str]| {
            let names = names.iter().map(|name| name.parse::<SeriesName>());
            names.collect::<Result<Vec<_>, _>>().expect("they are series")
        };
        let asked = Scenario { judge: series(judge), observe: series(observe), ..scenario("keep") };
        plant(&[asked]).into_iter().map(|scenario| scenario.name).collect()
    }

    #[test]
    fn a_session_is_checked_for_what_it_judges_and_for_nothing_else() {
        let pages = [planted::PAGES_LINEAR, planted::PAGES_QUADRATIC];
        let cpu = [planted::CPU_LINEAR, planted::CPU_LINEAR_AGAIN, planted::CPU_QUADRATIC];
        let clocks = ["load/task-clock", "load/wall-time"];
        for count in ["load/frames-registered", "load/page-faults", "load/resident-bytes"] {
            assert_eq!(planted_for(&[count], &clocks), pages, "{count}");
        }
        for judged in ["load/task-clock", "load/instructions"] {
            assert_eq!(planted_for(&[judged], &["load/page-faults"]), cpu, "{judged}");
        }
        let both = planted_for(&["load/task-clock", "load/page-faults"], &[]);
        assert_eq!(both, [&cpu[..], &pages].concat());
        let counted = [planted::ALLOCATIONS_LINEAR, planted::ALLOCATIONS_QUADRATIC];
        assert_eq!(planted_for(&["load/allocations"], &clocks), counted);
        let profiled = [planted::CALLGRIND_LINEAR, planted::CALLGRIND_QUADRATIC];
        assert_eq!(planted_for(&["unload/callgrind-instructions"], &[]), profiled);
    }
}
