//! The gate's own proof: growth planted in every session, and whether the session saw it.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use loadline_growth::{
    CurveOptions, PairOptions, Series, Sight, Tau, judge_curve, judge_pair, sight_of_changes,
    sight_of_curves, sight_of_pairs,
};
use loadline_scenario::{
    Means, Metric, Phase, Planted, PlantedWork, Scenario, SeriesName, Subject, Suite, Variant,
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

/// The growth planted in every session: measured by the same means and in as many rounds as what is
/// judged. Of means by which nothing is judged none is planted.
pub fn plant(scenarios: &[Scenario]) -> Vec<Scenario> {
    let processes = scenarios.iter().map(|scenario| scenario.processes).max().unwrap_or(0);
    let is_judged = |tooth: &&Tooth| {
        tooth.means.is_clock() || scenarios.iter().any(|s| s.means().contains(&tooth.means))
    };
    TEETH.iter().filter(is_judged).map(|t| Scenario { processes, ..t.plant() }).collect()
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
