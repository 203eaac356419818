//! Tests operations on loaded modules in the real runner: they happen, are counted in their phases, and are
//! proven.

use crate::common::{Runner, modules, not_zero};
use loadline_scenario::{
    Collector, Corpus, Engines, Exhausted, Generated, HostFunction, Limit, LoadFrom, Metric,
    Modules, Operation, OperationKind, Phase, Profiler, Tables, Workload,
};

const N: usize = 32;

fn acting(kind: OperationKind, host_function: HostFunction) -> Workload {
    let mut workload = modules(Corpus::Generated(Generated {
        functions: not_zero(2),
        exported: not_zero(2),
        host_function,
        ..Generated::default()
    }));
    workload.load_order.operation = Some(Operation { kind, every: not_zero(4) });
    Workload::Modules(workload)
}

#[test]
fn every_operation_has_its_phase_and_its_proof() {
    let runner = Runner::new();
    let shared = HostFunction::SharedType;
    for (kind, phase) in [
        (OperationKind::Backtrace, Phase::Backtrace),
        (OperationKind::Trap, Phase::Trap),
        (OperationKind::Panic, Phase::Panic),
        (OperationKind::Instantiate, Phase::Instantiate),
    ] {
        let workload = acting(kind, shared);
        runner.prepare(&workload, N);
        let answer = runner.measure(&workload, N, &[Metric::Allocations]);
        assert_eq!(answer.proof.acted, N / 4, "{kind:?}");
        // Modules with imports are not called separately.
        assert_eq!((answer.proof.called, answer.proof.released), (0, N), "{kind:?}");
        // A backtrace may allocate nothing. The test only requires that its allocations were counted.
        assert!(answer.reading(phase, Metric::Allocations).value().is_some(), "{kind:?}");
        let clock = runner.measure_by(Collector::Clock, &workload, N, &[Metric::WallTime]).unwrap();
        assert_eq!(clock.proof.acted, N / 4, "{kind:?}");
        assert!(clock.reading(phase, Metric::WallTime).value().is_some_and(|ns| ns > 0.0));
    }
}

/// A trap keeps a backtrace, so it allocates more than the call that causes it. A panic of the host allocates
/// only its payload.
#[test]
fn a_trap_keeps_a_native_backtrace() {
    let runner = Runner::new();
    let allocated = |kind, phase| {
        let workload = acting(kind, HostFunction::SharedType);
        runner.prepare(&workload, N);
        runner.measure(&workload, N, &[Metric::AllocatedBytes]).exact(phase, Metric::AllocatedBytes)
    };
    let trap = allocated(OperationKind::Trap, Phase::Trap);
    let backtrace = allocated(OperationKind::Backtrace, Phase::Backtrace);
    assert!(trap > 100 * backtrace.max(1), "{trap} bytes a trap, {backtrace} a call");
}

#[test]
fn a_profiler_is_told_in_a_private_file() {
    let runner = Runner::new();
    let of = |core_modules: usize, profiler| {
        let corpus = Corpus::Generated(Generated {
            functions: not_zero(2),
            exported: not_zero(2),
            core_modules: Some(not_zero(core_modules)),
            ..Generated::default()
        });
        let workload = Workload::Modules(Modules { profiler, ..modules(corpus) });
        runner.prepare(&workload, 1);
        let answer = runner.measure(&workload, 1, &[Metric::Allocations]);
        assert_eq!((answer.proof.loaded, answer.proof.called), (1, 1));
        answer.exact(Phase::Load, Metric::Allocations)
    };
    let told =
        |core_modules| of(core_modules, Profiler::PerfMap) - of(core_modules, Profiler::None);
    // The whole image is processed once per core module. With four times the functions four times as often,
    // the cost is sixteen times as high, except for a small constant part.
    let (two, eight) = (told(2), told(8));
    assert!(eight > 8 * two, "{two} allocations with two core modules, {eight} with eight");
}

/// Returns where file descriptors run out, with the limit lowered to `lowered`.
fn exhaust(runner: &Runner, lowered: u64, most: usize) -> Result<Exhausted, String> {
    let workload = Modules {
        load_from: LoadFrom::File,
        tables: Tables::Strip,
        ..modules(Corpus::Generated(Generated::default()))
    };
    runner.prepare(&Workload::Modules(workload.clone()), 8);
    runner.exhaust(workload, Limit::Descriptors, Some(lowered), 8, most)
}

#[test]
fn a_limit_is_an_error_and_the_process_goes_on() {
    let runner = Runner::new();
    let met = exhaust(&runner, 200, 400).unwrap();
    // Each module takes one descriptor up to the limit. Inherited descriptors may have numbers above the
    // limit.
    let all = met.in_use + met.modules as u64;
    assert!((200..210).contains(&all), "{met:?}");
    assert!(met.ended.contains("Too many open files"), "{}", met.ended);
}

/// The sizes decide whether the heap or an image reaches the limit first. Both lead to an error.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn address_space_ends_in_an_error_whatever_meets_its_end() {
    let runner = Runner::new();
    let mut last = usize::MAX;
    for functions in [2, 40, 250] {
        let generated = Generated { functions: not_zero(functions), ..Generated::default() };
        let workload = Modules { tables: Tables::Strip, ..modules(Corpus::Generated(generated)) };
        runner.prepare(&Workload::Modules(workload.clone()), 8);
        let met =
            runner.exhaust(workload, Limit::AddressSpace, Some(256 << 20), 8, 20_000).unwrap();
        assert!(met.in_use < 256 << 20 && met.ended.contains("Cannot allocate memory"), "{met:?}");
        assert!((100..last).contains(&met.modules), "{met:?} after {last}");
        last = met.modules;
    }
}

#[test]
fn a_limit_that_is_not_met_is_said() {
    let error = exhaust(&Runner::new(), 4000, 16).unwrap_err();
    assert_eq!(error, "16 modules were loaded and the limit of file descriptors was not met");
}

#[test]
fn each_module_may_have_an_engine() {
    let runner = Runner::new();
    let workload = |engines| {
        let corpus = Corpus::Generated(Generated::default());
        Workload::Modules(Modules { engines, ..modules(corpus) })
    };
    runner.prepare(&workload(Engines::One), 16);
    let allocations = |engines| {
        let answer = runner.measure(&workload(engines), 16, &[Metric::Allocations]);
        assert_eq!((answer.proof.called, answer.proof.released), (1, 16));
        answer.exact(Phase::Load, Metric::Allocations)
    };
    assert!(allocations(Engines::Each) > allocations(Engines::One) + 16 * 16);
}
