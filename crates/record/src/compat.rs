//! Compares what must be the same for runs to be judged together, when a session is resumed or parts are
//! merged.

use loadline_scenario::{Environment, Scenario};

use crate::files::header::Planned;

type Field = (&'static str, fn(&Environment) -> &str);

/// The fields that decide how a cost grows. Parts measured on two machines are judged together only if these
/// fields are equal. Each series lies within one part, so the other fields may differ.
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

/// The fields that also decide the level of a cost, and so must be equal within one series. Limits and free
/// memory are missing. They decide which sizes are measured, and that was decided before.
const LEVEL: [Field; 14] = [
    ("the instruction set", |e| &e.isa),
    ("the instruction set's flags", |e| &e.isa_flags),
    ("the unwinder's file", |e| &e.unwinder_path),
    ("the C library", |e| &e.libc),
    ("the kernel", |e| &e.kernel),
    ("the CPU", |e| &e.cpu),
    ("the caches", |e| &e.caches),
    ("the number of CPUs to use", |e| &e.processors),
    ("the CPUs to use", |e| &e.affinity),
    ("the allocator's settings", |e| &e.allocator),
    ("the arguments and environment of the process", |e| &e.started_with),
    ("valgrind", |e| &e.valgrind),
    ("kernel.perf_event_paranoid", |e| &e.perf_event_paranoid),
    ("address randomisation", |e| &e.address_randomisation),
];

/// Lists how `new` differs from `old` in the fields that decide growth, one sentence per field.
pub fn growth_differences(old: &Environment, new: &Environment) -> Vec<String> {
    differences(&GROWTH, old, new)
}

/// Lists how `new` differs from `old` in the fields that decide only the level of a cost, one sentence per
/// field.
pub fn level_differences(old: &Environment, new: &Environment) -> Vec<String> {
    differences(&LEVEL, old, new)
}

fn differences(fields: &[Field], old: &Environment, new: &Environment) -> Vec<String> {
    let differing = fields.iter().filter(|(_, field)| field(old) != field(new));
    differing.map(|(name, field)| format!("{name}: {} | {}", field(old), field(new))).collect()
}

/// Lists the full names of the planned scenarios whose operation or metrics have changed since they were planned.
pub fn changed_scenarios(planned: &[Planned], scenarios: &[Scenario]) -> Vec<String> {
    let pairs = planned.iter().zip(scenarios);
    let changed = pairs.filter(|(planned, scenario)| {
        planned.workload.as_ref().is_some_and(|workload| *workload != scenario.workload)
            || planned.metrics.as_ref().is_some_and(|metrics| *metrics != scenario.metrics())
    });
    changed.map(|(planned, _)| planned.scenario.clone()).collect()
}
