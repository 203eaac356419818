//! Tests commands that run where `perf_event_open` is refused. CPU clocks and resource usage measure them.

use std::collections::BTreeMap;

use crate::common::{Answer, Runner};
use loadline_scenario::{
    Absence, Absent, Collector, Command, Metric, Phase, Reading, Uncounted, Workload,
};

const METRICS: [Metric; 3] = [Metric::PageFaults, Metric::TaskClock, Metric::ContextSwitches];

/// The errors with which an old kernel, a container and a sandbox refuse the call.
const REFUSALS: [(i32, Absence); 3] = [
    (libc::EPERM, Absence::NotPermitted),
    (libc::ENOSYS, Absence::NotOnThisPlatform),
    (libc::EINVAL, Absence::NotUnderstood),
];

/// The beginning of all scripts. `mark PHASE` prints a phase line and waits for its answer. `spin` takes much
/// more CPU time than starting a process.
const PRELUDE: &str = r#"
mark() { echo loadline:phase=$1; if [ "$LOADLINE_ACK" ]; then read answer; fi; }
spin() { i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; }
"#;

fn run_refused(script: &str, acknowledge: bool, errno: i32) -> Answer {
    let folder = tempfile::tempdir().unwrap();
    let script = format!("{PRELUDE}{script}");
    let command = Command {
        arguments: ["sh", "-c", &script, "sh", "{n}"].map(str::to_owned).to_vec(),
        directory: folder.path().to_owned(),
        environment: BTreeMap::new(),
        inherit: Vec::new(),
        exit_code: 0,
        check: None,
        acknowledge,
    };
    let runner = Runner::new();
    let started = runner.refusing(&[libc::SYS_perf_event_open], errno);
    let workload = Workload::Command(command);
    let answer = started.measure_by(Collector::Clock, &workload, 8, &METRICS).unwrap();
    let by_accounting = answer.proof.command.as_ref().unwrap().by_accounting.clone();
    assert_eq!(by_accounting, [Metric::PageFaults, Metric::TaskClock]);
    answer
}

fn clock(answer: &Answer, phase: Phase) -> Reading {
    answer.reading(phase, Metric::TaskClock)
}

fn ns(answer: &Answer, phase: Phase) -> f64 {
    clock(answer, phase).value().unwrap_or_else(|| panic!("{:?}", clock(answer, phase)))
}

#[test]
fn the_machine_says_what_is_counted_without_perf() {
    for (errno, absence) in REFUSALS {
        let runner = Runner::new();
        let absent = runner.refusing(&[libc::SYS_perf_event_open], errno).absent(&METRICS);
        let of = |metric, uncounted| Absent { metric, absence, uncounted };
        let expected = [
            of(Metric::PageFaults, Uncounted::None),
            of(Metric::TaskClock, Uncounted::None),
            of(Metric::ContextSwitches, Uncounted::All),
        ];
        assert_eq!(absent, expected, "errno {errno}");
    }
}

/// Without phase lines everything belongs to `run`, including a child that was waited for.
#[test]
fn a_whole_program_is_counted_with_its_children() {
    for (errno, absence) in REFUSALS {
        let idle = run_refused("sh -c :", false, errno);
        let busy = run_refused("(spin); (spin)", false, errno);
        for answer in [&idle, &busy] {
            assert!(matches!(clock(answer, Phase::Run), Reading::Exact(1..)), "{answer:?}");
            assert!(matches!(answer.reading(Phase::Run, Metric::PageFaults), Reading::Exact(50..)));
            let switches = answer.reading(Phase::Run, Metric::ContextSwitches);
            assert_eq!(switches, Reading::Unavailable(absence), "errno {errno}");
            let unmarked = clock(answer, Phase::Load);
            assert_eq!(unmarked, Reading::Unavailable(Absence::NotMeasured));
        }
        assert!(ns(&busy, Phase::Run) > 5.0 * ns(&idle, Phase::Run), "{idle:?}, {busy:?}");
    }
}

#[test]
fn phases_are_exact_to_the_clock_where_no_child_ended() {
    let answer =
        run_refused("spin; mark load; spin; mark unload; mark none; spin", true, libc::EPERM);
    let (load, unload) = (clock(&answer, Phase::Load), clock(&answer, Phase::Unload));
    assert!(matches!(load, Reading::Exact(1..)), "{load:?}");
    assert!(matches!(unload, Reading::Exact(1..)), "{unload:?}");
    assert!(ns(&answer, Phase::Load) > 5.0 * ns(&answer, Phase::Unload), "{load:?} {unload:?}");
    assert_eq!(ns(&answer, Phase::Total), ns(&answer, Phase::Load) + ns(&answer, Phase::Unload));
    assert_eq!(clock(&answer, Phase::Run), Reading::Unavailable(Absence::NotMeasured));
}

/// `tail` keeps its input until it reaches the end: 32 MiB are 8192 pages of 4 KiB, or 512 pages of 64 KiB.
#[test]
fn a_phase_in_which_a_child_ended_is_coarse_and_its_page_faults_are_not() {
    let script = "mark load; spin | cat; head -c 32M /dev/zero | tail -c 32M > /dev/null; \
                  mark unload; mark none";
    let answer = run_refused(script, true, libc::EPERM);
    let Reading::Coarse { value, resolution } = clock(&answer, Phase::Load) else {
        panic!("{:?}", clock(&answer, Phase::Load))
    };
    assert_eq!(resolution, 20_000_000, "two ticks of 10 ms");
    assert!(value > 2 * resolution, "{value} ns");
    assert!(matches!(clock(&answer, Phase::Unload), Reading::Exact(1..)));
    let faults = |phase| answer.exact(phase, Metric::PageFaults);
    assert!(faults(Phase::Load) > 500, "{}", faults(Phase::Load));
    assert!(faults(Phase::Unload) < faults(Phase::Load) / 5);
}

/// The child is still alive at the border, so its clock is exact. It ends in the next phase.
#[test]
fn a_living_child_is_counted_by_its_clock() {
    let script = "mkfifo pipe; mark load; (spin; echo > pipe; exec sleep 600) & read line < pipe; \
                  mark unload; kill $!; wait; mark none";
    let answer = run_refused(script, true, libc::EPERM);
    let (load, unload) = (clock(&answer, Phase::Load), clock(&answer, Phase::Unload));
    assert!(matches!(load, Reading::Exact(1..)), "{load:?}");
    let Reading::Coarse { value, resolution } = unload else { panic!("{unload:?}") };
    assert!(ns(&answer, Phase::Load) > 5.0 * value as f64, "{load:?}, {unload:?}");
    assert_eq!(resolution, 20_000_000);
}

#[test]
fn without_answers_only_the_whole_program_is_known() {
    let answer = run_refused("mark load; spin; mark none", false, libc::EPERM);
    let expected = Reading::Unavailable(Absence::NotAcknowledged);
    assert_eq!(clock(&answer, Phase::Load), expected);
    assert_eq!(answer.reading(Phase::Load, Metric::PageFaults), expected);
    assert_eq!(clock(&answer, Phase::Unload), Reading::Unavailable(Absence::NotMeasured));
}
