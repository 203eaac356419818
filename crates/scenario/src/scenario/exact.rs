//! The exactly counted series of modules, unwind tables and commands. Scenario files need not name them.

use std::collections::BTreeSet;

use crate::metric::collector::Collector;
use crate::metric::name::Metric;
use crate::metric::phase::Phase;
use crate::metric::series_name::SeriesName;
use crate::scenario::Scenario;
use crate::scenario::error::{ScenarioError, wrong};
use crate::workload::Workload;
use crate::workload::command::Command;

/// The exactly counted series of loading and unloading that are judged.
const COUNTED: [(Phase, &[Metric]); 2] = [
    (
        Phase::Load,
        &[
            Metric::FdesRegistered,
            Metric::Allocations,
            Metric::AllocatedBytes,
            Metric::LiveBytes,
            Metric::MappingsMade,
            Metric::MappingsChanged,
            Metric::MappingsLive,
            Metric::MappedBytes,
            Metric::DescriptorsLive,
            Metric::CallgrindInstructions,
        ],
    ),
    (
        Phase::Unload,
        &[Metric::FdesDeregistered, Metric::MappingsRemoved, Metric::CallgrindInstructions],
    ),
];

/// The exactly counted series of registering unwind tables that are judged.
const REGISTERED: [(Phase, &[Metric]); 2] = [
    (Phase::Register, &[Metric::FdesRegistered, Metric::CallgrindInstructions]),
    (Phase::Deregister, &[Metric::FdesDeregistered, Metric::CallgrindInstructions]),
];

/// What is left over when everything is unloaded. These metrics are informational: a handful of mappings is
/// not growth, however it depends on N.
const LEFT_OVER: [Metric; 3] = [Metric::LiveBytes, Metric::MappingsLive, Metric::DescriptorsLive];

/// The series that a file need not name.
pub(super) struct Exact {
    pub(super) judged: Vec<SeriesName>,
    pub(super) observed: Vec<SeriesName>,
}

impl Scenario {
    /// This scenario with its exactly counted series alone. `None` if it judges none.
    pub fn counted_exactly(&self) -> Option<Scenario> {
        let exact = |names: &[SeriesName]| -> Vec<SeriesName> {
            let is_exact = |name: &&SeriesName| self.collector_of(name.metric) != Collector::Clock;
            names.iter().filter(is_exact).copied().collect()
        };
        let judge = exact(&self.judge);
        let observe = exact(&self.observe);
        // Both are measured by the clock.
        let (scaling, limit) = (None, None);
        (!judge.is_empty()).then(|| Scenario { judge, observe, scaling, limit, ..self.clone() })
    }
}

/// The exactly counted series of the collectors that `asked` names, or of all exact collectors if `asked` is
/// `None`. `named` are the series that the file names.
///
/// # Errors
/// When `asked` names the clock, or operations for a command. Only the command itself could count those.
pub(super) fn exact(
    asked: &Option<Vec<Collector>>,
    workload: &Workload,
    named: impl Iterator<Item = SeriesName>,
) -> Result<Exact, ScenarioError> {
    let (counted, left_over): (&[_], &[_]) = match workload {
        Workload::Modules(_) => (&COUNTED, &LEFT_OVER),
        Workload::Registration(_) => (&REGISTERED, &[]),
        Workload::Command(_) | Workload::SelfCheck(_) => (&[], &[]),
    };
    let is_command = matches!(workload, Workload::Command(_));
    let asked = match asked {
        Some(asked) if asked.contains(&Collector::Clock) => {
            return Err(wrong("count_with", "is count, callgrind or both: the clock is not exact"));
        }
        Some(asked) if is_command && asked.contains(&Collector::Count) => {
            let problem = "counts no operations of a command: the command reports them itself";
            return Err(wrong("count_with", problem));
        }
        Some(asked) => asked.clone(),
        None => vec![Collector::Count, Collector::Callgrind],
    };
    if let Workload::Command(command) = workload {
        let named = named.map(|name| name.phase).filter(|phase| *phase != Phase::Total);
        let named: BTreeSet<Phase> = named.collect();
        let is_asked = asked.contains(&Collector::Callgrind);
        let judged = if is_asked { instructions_of(command, &named) } else { Vec::new() };
        return Ok(Exact { judged, observed: memory_of(&named) });
    }
    // Modules that become larger need no more mappings than before.
    let is_of_their_number = |metric: Metric| {
        matches!(
            metric,
            Metric::MappingsMade
                | Metric::MappingsChanged
                | Metric::MappingsRemoved
                | Metric::MappingsLive
                | Metric::MappedBytes
                | Metric::DescriptorsLive
        )
    };
    let is_number = match workload {
        Workload::Modules(modules) => modules.n_counts.is_modules(),
        Workload::Registration(_) | Workload::Command(_) | Workload::SelfCheck(_) => true,
    };
    let is_asked = |name: &SeriesName| {
        asked.contains(&name.metric.collector()) && (is_number || !is_of_their_number(name.metric))
    };
    let of = |(phase, metrics): &(Phase, &[Metric])| {
        metrics.iter().map(|metric| SeriesName::new(*phase, *metric)).collect::<Vec<_>>()
    };
    let left_over = left_over.iter().map(|metric| SeriesName::new(Phase::Unload, *metric));
    Ok(Exact {
        judged: counted.iter().flat_map(of).filter(is_asked).collect(),
        observed: left_over.filter(is_asked).collect(),
    })
}

/// The instructions of a whole command, and of each phase that the file names. Phases can be separated while
/// the command waits for an answer.
fn instructions_of(command: &Command, named: &BTreeSet<Phase>) -> Vec<SeriesName> {
    let phases = named.iter().copied().filter(|phase| command.acknowledge && *phase != Phase::Run);
    let series = |phase| SeriesName::new(phase, Metric::CallgrindInstructions);
    [Phase::Run].into_iter().chain(phases).map(series).collect()
}

/// The informational series of a command's memory: its peak, and the page faults of each phase that the file
/// names.
fn memory_of(named: &BTreeSet<Phase>) -> Vec<SeriesName> {
    let faults = named.iter().map(|phase| SeriesName::new(*phase, Metric::PageFaults));
    faults.chain([SeriesName::new(Phase::Run, Metric::PeakResidentBytes)]).collect()
}
