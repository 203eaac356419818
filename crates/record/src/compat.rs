//! What must be the same for runs to be judged together: on resuming a session, and on merging parts.

use loadline_scenario::{Environment, Scenario};

use crate::files::header::Planned;

type Field = (&'static str, fn(&Environment) -> &str);

/// What decides how a cost grows. Parts measured on two machines are judged together only where
/// these are the same; each series lies within one part, so the rest may differ.
const GROWTH: [Field; 8] = [
    ("loadline", |e| &e.loadline),
    ("wasmtime", |e| &e.wasmtime),
    ("wasmtime's features", |e| &e.wasmtime_features),
    ("cranelift", |e| &e.cranelift),
    ("the build", |e| &e.build),
    ("the unwinder's family", |e| &e.unwinder_family),
    ("the unwinder's version", |e| &e.unwinder_version),
    ("the architecture", |e| &e.arch),
];

/// What also decides the level of a cost: within one series all of it must be the same. Limits and
/// free memory are missing: they decide which rungs are measured, and that was decided before.
const LEVEL: [Field; 14] = [
    ("the instruction set", |e| &e.isa),
    ("the instruction set's flags", |e| &e.isa_flags),
    ("the unwinder's file", |e| &e.unwinder_path),
    ("the C library", |e| &e.libc),
    ("the kernel", |e| &e.kernel),
    ("the processor", |e| &e.cpu),
    ("the caches", |e| &e.caches),
    ("the processors to use", |e| &e.processors),
    ("which of them", |e| &e.affinity),
    ("the allocator's settings", |e| &e.allocator),
    ("what the process was started with", |e| &e.started_with),
    ("valgrind", |e| &e.valgrind),
    ("kernel.perf_event_paranoid", |e| &e.perf_event_paranoid),
    ("address randomisation", |e| &e.address_randomisation),
];

/// How `new` differs from `old` in what decides growth, one sentence each.
pub fn growth_differences(old: &Environment, new: &Environment) -> Vec<String> {
    differences(&GROWTH, old, new)
}

/// How `new` differs from `old` in what decides levels alone.
pub fn level_differences(old: &Environment, new: &Environment) -> Vec<String> {
    differences(&LEVEL, old, new)
}

fn differences(fields: &[Field], old: &Environment, new: &Environment) -> Vec<String> {
    let differing = fields.iter().filter(|(_, field)| field(old) != field(new));
    differing.map(|(name, field)| format!("{name}: {} | {}", field(old), field(new))).collect()
}

/// The planned scenarios that are not asked any more what they were asked then.
pub fn changed_scenarios(planned: &[Planned], scenarios: &[Scenario]) -> Vec<String> {
    let pairs = planned.iter().zip(scenarios);
    let changed = pairs.filter(|(planned, scenario)| {
        planned.subject.as_ref().is_some_and(|subject| *subject != scenario.subject)
            || planned.metrics.as_ref().is_some_and(|metrics| *metrics != scenario.metrics())
    });
    changed.map(|(planned, _)| planned.scenario.clone()).collect()
}
