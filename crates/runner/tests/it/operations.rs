//! Tests runs by `Collector::Count` of the real runner with real modules. All counts are exact.

use crate::common::{Answer, Runner, generated, modules, not_zero};
use loadline_scenario::{
    Absence, Absent, Collector, Command, Corpus, Generated, KnownWork, KnownWorkKind, LoadFrom,
    Metric, Phase, Reading, Tables, TypeSharing, UnloadThread, Workload,
};

/// Returns the difference of the counts of `metric` in `phase` with 2·N and with N modules. This is the cost
/// of N modules without constant costs.
fn of_n(runner: &Runner, workload: &Workload, n: usize, phase: Phase, metric: Metric) -> u64 {
    let count = |n| runner.measure(workload, n, &[metric]).exact(phase, metric);
    count(2 * n) - count(n)
}

#[test]
fn a_module_from_bytes_takes_two_mappings() {
    let (runner, workload) = (Runner::new(), Workload::Modules(modules(generated())));
    runner.prepare(&workload, 128);
    assert_eq!(of_n(&runner, &workload, 64, Phase::Load, Metric::MappingsLive), 2 * 64);
    assert_eq!(of_n(&runner, &workload, 64, Phase::Load, Metric::DescriptorsLive), 0);
    assert_eq!(of_n(&runner, &workload, 64, Phase::Unload, Metric::MappingsLive), 0);
    let artifact = 4096;
    let mapped = of_n(&runner, &workload, 64, Phase::Load, Metric::MappedBytes);
    assert!(mapped > 2 * 64 * artifact, "{mapped}");
}

#[test]
fn a_module_from_a_file_takes_three_and_a_descriptor() {
    let mut workload = modules(generated());
    workload.load_from = LoadFrom::File;
    let (runner, workload) = (Runner::new(), Workload::Modules(workload));
    runner.prepare(&workload, 128);
    assert_eq!(of_n(&runner, &workload, 64, Phase::Load, Metric::MappingsLive), 3 * 64);
    assert_eq!(of_n(&runner, &workload, 64, Phase::Load, Metric::DescriptorsLive), 64);
    let answer = runner.measure(&workload, 128, &[Metric::DescriptorsLive]);
    assert_eq!(answer.exact(Phase::Load, Metric::DescriptorsLive), 128);
    assert_eq!(answer.exact(Phase::Unload, Metric::DescriptorsLive), 0);
}

#[test]
fn a_module_from_a_pack_takes_none_and_registers_nothing() {
    let mut workload = modules(generated());
    (workload.load_from, workload.tables) = (LoadFrom::Pack, Tables::Strip);
    let (runner, workload) = (Runner::new(), Workload::Modules(workload));
    runner.prepare(&workload, 128);
    let metrics = [
        Metric::UnwindTablesRegistered,
        Metric::MappingsMade,
        Metric::MappingsChanged,
        Metric::MappingsLive,
    ];
    let answer = runner.measure(&workload, 128, &metrics);
    // The number of mappings of the heap depends on where the system placed the heap, not on N.
    let alive = answer.exact(Phase::Load, Metric::MappingsLive);
    assert!(alive < 128 / 2, "{alive}");
    assert_eq!(answer.exact(Phase::Load, Metric::UnwindTablesRegistered), 0);
    if let Reading::Unavailable(absence) = answer.reading(Phase::Load, Metric::MappingsMade) {
        return loadline_testing::skip!("{absence}");
    }
    assert_eq!(answer.exact(Phase::Load, Metric::MappingsMade), 0);
    assert_eq!(answer.exact(Phase::Load, Metric::MappingsChanged), 0);
}

#[test]
fn unwind_tables_kept_by_a_pack_are_not_registered() {
    if let Err(reason) = loadline_workload::loader::native_unwind::enable() {
        return loadline_testing::skip!("{reason}");
    }
    let mut workload = modules(generated());
    (workload.load_from, workload.tables) = (LoadFrom::Pack, Tables::Keep);
    workload.load_order.unwind_every = Some(not_zero(8));
    let (runner, workload) = (Runner::new(), Workload::Modules(workload));
    runner.prepare(&workload, 64);
    let answer =
        runner.measure(&workload, 64, &[Metric::UnwindTablesRegistered, Metric::Allocations]);
    assert_eq!(answer.exact(Phase::Load, Metric::UnwindTablesRegistered), 0);
    // No unwinder allocates memory for an unwind.
    assert_eq!(answer.exact(Phase::Unwind, Metric::Allocations), 0);
    assert_eq!(answer.proof.unwound, 8);
}

#[test]
fn a_module_from_a_store_is_a_copy_of_its_entry() {
    let mut workload = modules(generated());
    workload.load_from = LoadFrom::Store;
    let (runner, workload) = (Runner::new(), Workload::Modules(workload));
    runner.prepare(&workload, 128);
    assert_eq!(of_n(&runner, &workload, 64, Phase::Load, Metric::MappingsLive), 2 * 64);
    assert_eq!(of_n(&runner, &workload, 64, Phase::Load, Metric::DescriptorsLive), 0);
    let answer = runner.measure(&workload, 64, &[Metric::Allocations, Metric::AllocatedBytes]);
    let artifact = 4096;
    assert!(answer.exact(Phase::Read, Metric::AllocatedBytes) > 64 * artifact);
}

#[test]
fn calls_past_the_c_library_are_counted() {
    let (runner, workload) = (Runner::new(), Workload::Modules(modules(generated())));
    runner.prepare(&workload, 64);
    let metrics = [Metric::MappingsMade, Metric::MappingsChanged, Metric::MappingsRemoved];
    let answer = runner.measure(&workload, 64, &metrics);
    if let Reading::Unavailable(absence) = answer.reading(Phase::Load, Metric::MappingsMade) {
        loadline_testing::skip!("{absence}");
        return;
    }
    let count = |phase, metric| answer.exact(phase, metric);
    assert_eq!(count(Phase::Deserialize, Metric::MappingsMade), 64);
    assert_eq!(count(Phase::Read, Metric::MappingsMade), 0);
    assert_eq!(count(Phase::Unload, Metric::MappingsMade), 0);
    assert_eq!(count(Phase::Load, Metric::MappingsRemoved), 0);
    assert_eq!(count(Phase::Unload, Metric::MappingsRemoved), 64);
    assert_eq!(count(Phase::Total, Metric::MappingsMade), 64);
    assert_eq!(count(Phase::Total, Metric::MappingsRemoved), 64);
    // One change makes the code read-only, and another makes it executable.
    assert_eq!(count(Phase::Load, Metric::MappingsChanged), 2 * 64);
}

#[test]
fn a_kernel_that_forbids_to_follow_calls_is_no_count() {
    let (runner, workload) = (Runner::new(), Workload::Modules(modules(generated())));
    runner.prepare(&workload, 16);
    let metrics = [Metric::MappingsMade, Metric::MappingsLive, Metric::Allocations];
    let answer = runner.forbidding(&[libc::SYS_seccomp]).measure(&workload, 16, &metrics);
    let forbidden = Reading::Unavailable(Absence::SystemCallsNotFollowed(libc::EPERM));
    assert_eq!(answer.reading(Phase::Load, Metric::MappingsMade), forbidden);
    assert_eq!(answer.reading(Phase::Total, Metric::MappingsMade), forbidden);
    assert!(answer.exact(Phase::Load, Metric::MappingsLive) >= 2 * 16);
    assert!(answer.exact(Phase::Load, Metric::Allocations) > 16);
    let text = Absence::SystemCallsNotFollowed(libc::EPERM).to_string();
    assert_eq!(text, "system calls cannot be followed (forbidden: EPERM)");
}

/// The kernel can refuse the listener in three ways. The number of mapped bytes does not depend on the
/// listener.
#[test]
fn as_much_is_mapped_with_the_listener_as_without() {
    let (runner, workload) = (Runner::new(), Workload::Modules(modules(generated())));
    runner.prepare(&workload, 64);
    let metrics = [Metric::MappingsMade, Metric::MappedBytes];
    let followed = runner.measure(&workload, 64, &metrics).exact(Phase::Load, Metric::MappedBytes);
    let ways = [
        (runner.forbidding(&[libc::SYS_seccomp]), libc::EPERM),
        (runner.forbidding(&[libc::SYS_ioctl]), libc::EPERM),
        (runner.listened_to(), libc::EBUSY),
    ];
    for (place, (started, errno)) in ways.into_iter().enumerate() {
        for _ in 0..3 {
            let answer = started.measure(&workload, 64, &metrics);
            let expected = Reading::Unavailable(Absence::SystemCallsNotFollowed(errno));
            assert_eq!(answer.reading(Phase::Load, Metric::MappingsMade), expected, "way {place}");
            let mapped = answer.exact(Phase::Load, Metric::MappedBytes);
            assert_eq!(mapped, followed, "way {place}");
        }
    }
}

#[test]
fn what_cannot_be_counted_is_said_when_the_machine_is_described() {
    let absent = Runner::new().forbidding(&[libc::SYS_seccomp]).absent(&counted());
    let calls = [Metric::MappingsMade, Metric::MappingsChanged, Metric::MappingsRemoved];
    let absence = Absence::SystemCallsNotFollowed(libc::EPERM);
    assert_eq!(absent, calls.map(|metric| Absent::everywhere(metric, absence)));
}

const FRAMES: [Metric; 4] = [
    Metric::UnwindTablesRegistered,
    Metric::UnwindTablesDeregistered,
    Metric::FdesRegistered,
    Metric::FdesDeregistered,
];

/// Checks that every entry of N artifacts is registered and deregistered, and returns the number of calls.
fn frames_of(runner: &Runner, unwinder: Option<&str>) -> u64 {
    let workload = Workload::Modules(modules(generated()));
    runner.prepare(&workload, 32);
    let answer = runner.preloading(unwinder).measure(&workload, 32, &FRAMES);
    let count = |phase, metric| answer.exact(phase, metric);
    let entries = runner.fdes(32);
    assert!(entries > 32 * 12, "each exported function has a trampoline: {entries}");
    assert_eq!(count(Phase::Load, Metric::FdesRegistered), entries);
    assert_eq!(count(Phase::Load, Metric::FdesDeregistered), 0);
    assert_eq!(count(Phase::Unload, Metric::FdesDeregistered), entries);
    assert_eq!(count(Phase::Total, Metric::FdesRegistered), entries);
    assert_eq!(count(Phase::Total, Metric::FdesDeregistered), entries);
    let calls = count(Phase::Load, Metric::UnwindTablesRegistered);
    assert_eq!(count(Phase::Unload, Metric::UnwindTablesDeregistered), calls);
    assert_eq!(answer.proof.registered, Some(calls));
    calls
}

#[test]
fn every_entry_of_an_unwind_table_is_counted() {
    if cfg!(not(target_env = "gnu")) {
        loadline_testing::skip!("registrations are counted with glibc only");
        return;
    }
    let runner = Runner::new();
    assert_eq!(frames_of(&runner, None), 32, "libgcc takes a section at once");
    let unwinder = "/usr/lib/llvm-14/lib/libunwind.so.1";
    if !std::path::Path::new(unwinder).exists() {
        loadline_testing::skip!("no {unwinder}");
        return;
    }
    assert!(frames_of(&runner, Some(unwinder)) > 32 * 12, "LLVM's takes each entry by itself");
}

#[test]
fn stripped_artifacts_register_nothing() {
    let mut workload = modules(generated());
    workload.tables = Tables::Strip;
    let (runner, workload) = (Runner::new(), Workload::Modules(workload));
    runner.prepare(&workload, 16);
    let answer = runner.measure(&workload, 16, &FRAMES);
    for metric in FRAMES {
        assert_eq!(answer.exact(Phase::Total, metric), 0, "{metric}");
    }
}

/// Returns all metrics that count operations.
fn counted() -> Vec<Metric> {
    Metric::ALL.into_iter().filter(|metric| metric.collector() == Collector::Count).collect()
}

/// Hash seeds are fixed here. If a container forbids fixed addresses, addresses differ between processes, but
/// that does not change the allocations.
#[test]
fn counts_are_the_same_in_every_run() {
    let mut workload = modules(generated());
    workload.load_order.unwinds_before_unload = 1;
    let (runner, workload) = (Runner::new(), Workload::Modules(workload));
    runner.prepare(&workload, 200);
    let first = runner.measure(&workload, 200, &counted());
    assert!(first.exact(Phase::Load, Metric::Allocations) > 200);
    assert!(first.exact(Phase::Load, Metric::AllocatedBytes) > 200 * 4096);
    for _ in 0..5 {
        assert_eq!(runner.measure(&workload, 200, &counted()).samples, first.samples);
    }
    let answer = runner.forbidding(&[libc::SYS_personality]).measure(&workload, 200, &counted());
    for metric in [Metric::Allocations, Metric::AllocatedBytes, Metric::LiveBytes] {
        assert_eq!(answer.exact(Phase::Load, metric), first.exact(Phase::Load, metric), "{metric}");
    }
}

#[test]
fn checkpoints_are_what_a_smaller_run_counts() {
    let (runner, workload) = (Runner::new(), Workload::Modules(modules(generated())));
    runner.prepare(&workload, 64);
    let (small, large) =
        (runner.measure(&workload, 32, &counted()), runner.measure(&workload, 64, &counted()));
    let metrics = [Metric::Allocations, Metric::MappingsLive, Metric::FdesRegistered];
    for metric in metrics {
        let early = large.at(32, Phase::Load, metric);
        assert_eq!(early, small.reading(Phase::Load, metric), "{metric}");
    }
}

#[test]
fn types_of_their_own_take_superlinear_memory() {
    let runner = Runner::new();
    let ratio = |type_sharing| {
        let axes = Generated { types: 50, type_sharing, ..Generated::default() };
        let workload = Workload::Modules(modules(Corpus::Generated(axes)));
        runner.prepare(&workload, 256);
        let alive = |n| {
            let answer = runner.measure(&workload, n, &[Metric::LiveBytes]);
            answer.exact(Phase::Load, Metric::LiveBytes) as f64
        };
        alive(256) / alive(128)
    };
    let (own, shared) = (ratio(TypeSharing::Own), ratio(TypeSharing::Shared));
    assert!(own > 2.5, "twice the modules with types of their own: {own} times the memory");
    assert!(shared < 2.1, "twice the modules with shared types: {shared} times the memory");
}

#[test]
fn threads_are_added_up_and_told_apart() {
    let mut workload = modules(generated());
    workload.load_order.threads = not_zero(2);
    workload.load_order.unload_thread = UnloadThread::Other;
    let (runner, workload) = (Runner::new(), Workload::Modules(workload));
    runner.prepare(&workload, 32);
    let answer = runner.measure(&workload, 32, &counted());
    let entries = answer.exact(Phase::Load, Metric::FdesRegistered);
    assert_eq!(answer.exact(Phase::Unload, Metric::FdesDeregistered), entries);
    let of_threads = answer.of_threads(Phase::Load, Metric::FdesRegistered);
    assert_eq!(of_threads.len(), 2, "both loading threads");
    assert_eq!(of_threads.iter().sum::<u64>(), entries);
    assert_eq!(answer.exact(Phase::Unload, Metric::DescriptorsLive), 0);
    let unknown = Reading::Unavailable(Absence::NotMeasured);
    assert_eq!(answer.reading(Phase::Load, Metric::LiveBytes), unknown);
}

#[test]
fn allocations_of_a_self_check_are_counted_one_by_one() {
    let runner = Runner::new();
    let known = KnownWork {
        work: KnownWorkKind::Allocations,
        quadratic_percent: 20,
        largest: not_zero(64),
    };
    for n in [16, 64] {
        let answer = runner.measure(&Workload::SelfCheck(known), n, &counted());
        assert_eq!(answer.proof.known_work, known.units(n));
        assert_eq!(answer.exact(Phase::Work, Metric::Allocations), known.units(n));
        assert_eq!(answer.exact(Phase::Work, Metric::LiveBytes), 0);
    }
}

#[test]
fn a_run_by_the_clock_counts_none_of_it() {
    let (runner, workload) = (Runner::new(), Workload::Modules(modules(generated())));
    runner.prepare(&workload, 16);
    let mut metrics = counted();
    metrics.push(Metric::UnwindTablesRegistered);
    let answer: Answer = runner.measure_by(Collector::Clock, &workload, 16, &metrics).unwrap();
    assert!(answer.samples.iter().all(|sample| sample.metric == Metric::UnwindTablesRegistered));
}

#[test]
fn a_command_is_refused() {
    let command = Command {
        arguments: vec!["true".to_owned()],
        directory: "/".into(),
        environment: Default::default(),
        inherit: Vec::new(),
        exit_code: 0,
        check: None,
        acknowledge: false,
    };
    let refused =
        Runner::new().measure_by(Collector::Count, &Workload::Command(command), 16, &counted());
    let error = refused.unwrap_err();
    assert!(error.contains("cannot count the operations of a command"), "{error}");
}
