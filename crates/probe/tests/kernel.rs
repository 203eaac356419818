//! Tests the probe with the kernel of this machine. Events that this machine cannot count must say so.

#![cfg(target_os = "linux")]
// Mapping fresh pages and reading the thread's clock are unsafe.
#![allow(unsafe_code)]

mod common;

use std::hint::black_box;
use std::panic::AssertUnwindSafe;
use std::thread;

use common::Phase;
use loadline_probe::{Absence, Event, Probe, Reading, Totals};
use perf_event::Builder;
use perf_event::events::{Cache, CacheOp, CacheResult, Event as PerfEvent, Hardware, WhichCache};

/// Untouched pages. Writing to each of them causes one fault.
struct FreshPages(*mut u8, usize);

const PAGE: usize = 65536; // A multiple of every page size we know.

impl FreshPages {
    fn map(n: usize) -> FreshPages {
        let n_bytes = n * PAGE;
        // SAFETY: new mappings overlap nothing; the advice concerns the one just made.
        let start = unsafe {
            let protection = libc::PROT_READ | libc::PROT_WRITE;
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let start = libc::mmap(std::ptr::null_mut(), n_bytes, protection, flags, -1, 0);
            assert_ne!(start, libc::MAP_FAILED);
            libc::madvise(start, n_bytes, libc::MADV_NOHUGEPAGE);
            start
        };
        FreshPages(start.cast(), n)
    }

    fn touch(&self) {
        for page in 0..self.1 {
            // SAFETY: within the mapping, which is writable and stays until the process ends.
            unsafe { self.0.add(page * PAGE).write_volatile(1) };
        }
    }
}

/// Computes until this thread has been on a CPU for another `ns`.
fn compute_for(ns: u64) {
    let end = thread_ns() + ns;
    while thread_ns() < end {
        (0..1000).for_each(|step| {
            black_box(step);
        });
    }
}

fn thread_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` is valid and writable.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) }, 0);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn started(events: &[Event]) -> Probe<Phase> {
    let mut probe = Probe::open(events);
    probe.start();
    probe
}

/// Returns the count. If this machine has none, skips the test with the reason and returns `None`.
fn exact_or_skip(totals: &Totals, event: Event) -> Option<u64> {
    match totals.reading(event) {
        Some(Reading::Exact(count)) => Some(count),
        Some(Reading::Unavailable(absence)) => {
            assert_ne!(absence, Absence::NotMeasured, "{event}: the phase did occur");
            loadline_testing::skip!("{event} is {absence}; {}", absence.remedy());
            None
        }
        other => panic!("{event}: neither exact nor unavailable: {other:?}"),
    }
}

#[test]
fn page_faults_are_one_a_page() {
    let pages = FreshPages::map(100);
    let mut probe = started(&[Event::PageFaults]);
    probe.measure(Phase::Load, || pages.touch());
    if let Some(faults) = exact_or_skip(&probe.totals(Phase::Load), Event::PageFaults) {
        assert!((100..=105).contains(&faults), "{faults} faults on 100 fresh pages");
    }
}

#[test]
fn a_stretch_belongs_to_its_phase_alone() {
    let [before, read, deserialize, between, again] = [10, 20, 40, 80, 160].map(FreshPages::map);
    let mut probe = started(&[Event::PageFaults]);
    before.touch();
    probe.lap(None);
    read.touch();
    probe.lap(Some(Phase::Unload));
    deserialize.touch();
    probe.lap(Some(Phase::Load));
    between.touch();
    probe.lap(None);
    again.touch();
    probe.lap(Some(Phase::Load));

    for (phase, laps, pages) in [(Phase::Unload, 1, 20), (Phase::Load, 2, 200)] {
        let totals = probe.totals(phase);
        assert_eq!(totals.laps(), laps);
        if let Some(faults) = exact_or_skip(&totals, Event::PageFaults) {
            assert!((pages..=pages + 5).contains(&faults), "{phase:?}: {faults} of {pages}");
        }
    }
}

#[test]
fn a_stretch_that_ends_in_a_panic_belongs_to_nobody() {
    let [lost, kept] = [50, 20].map(FreshPages::map);
    let mut probe = started(&[Event::PageFaults]);
    let panicked = std::panic::catch_unwind(AssertUnwindSafe(|| {
        probe.measure(Phase::Load, || {
            lost.touch();
            panic!("on purpose");
        });
    }));
    assert!(panicked.is_err());
    kept.touch();
    probe.lap(Some(Phase::Unload));
    assert_eq!(probe.totals(Phase::Load).laps(), 0);
    if let Some(faults) = exact_or_skip(&probe.totals(Phase::Unload), Event::PageFaults) {
        // The pages that the panic itself touches are not counted either.
        assert!((20..=25).contains(&faults), "{faults} faults on 20 fresh pages");
    }
}

#[test]
fn a_phase_that_did_not_occur_is_not_zero() {
    let probe = started(&Event::ALL);
    let totals = probe.totals(Phase::Unload);
    for (event, availability) in probe.availability() {
        let absence = availability.err().unwrap_or(Absence::NotMeasured);
        let expected = Reading::Unavailable(absence);
        assert_eq!(totals.reading(event), Some(expected), "{event}");
    }
}

#[test]
fn the_task_clock_goes_with_the_thread() {
    let mut probe = started(&[Event::TaskClock]);
    probe.measure(Phase::Work, || compute_for(5_000_000));
    if let Some(ns) = exact_or_skip(&probe.totals(Phase::Work), Event::TaskClock) {
        // There is no upper bound, because time that a hypervisor steals counts as ours.
        assert!(ns >= 4_900_000, "5 ms of computing took {ns} ns");
    }
}

#[test]
fn sleeping_switches_context() {
    let mut probe = started(&[Event::ContextSwitches, Event::CpuMigrations]);
    probe.measure(Phase::Work, || {
        (0..3).for_each(|_| thread::sleep(std::time::Duration::from_millis(1)));
    });
    let totals = probe.totals(Phase::Work);
    if let Some(switches) = exact_or_skip(&totals, Event::ContextSwitches) {
        assert!(switches >= 3, "{switches} switches in 3 naps");
    }
    // Any number is right, but an event must not be missing without a reason.
    exact_or_skip(&totals, Event::CpuMigrations);
}

#[test]
fn threads_count_their_own_and_add_up() {
    let threads: Vec<Totals> = [60, 40]
        .map(|n_pages| {
            thread::spawn(move || {
                let pages = FreshPages::map(n_pages);
                let mut probe = started(&[Event::PageFaults]);
                probe.measure(Phase::Load, || pages.touch());
                probe.totals(Phase::Load)
            })
        })
        .map(|thread| thread.join().expect("a thread that counts"))
        .to_vec();
    let sum = Totals::sum(&threads);
    assert_eq!(sum.laps(), 2);
    let each = threads.iter().map(|totals| exact_or_skip(totals, Event::PageFaults));
    if let Some(each) = each.collect::<Option<Vec<u64>>>() {
        assert!((60..=65).contains(&each[0]) && (40..=45).contains(&each[1]), "{each:?}");
        assert_eq!(sum.reading(Event::PageFaults), Some(Reading::Exact(each[0] + each[1])));
    }
}

/// Returns the reason why the kernel does not open a counter of `event`, without using the probe.
fn refusal(event: Event) -> Option<Absence> {
    let perf: PerfEvent = match event {
        Event::Instructions => Hardware::INSTRUCTIONS.into(),
        Event::Cycles => Hardware::CPU_CYCLES.into(),
        Event::CacheReferences => Hardware::CACHE_REFERENCES.into(),
        Event::CacheMisses => Hardware::CACHE_MISSES.into(),
        Event::Branches => Hardware::BRANCH_INSTRUCTIONS.into(),
        Event::BranchMisses => Hardware::BRANCH_MISSES.into(),
        _ => PerfEvent::Cache(Cache {
            which: WhichCache::DTLB,
            operation: CacheOp::READ,
            result: CacheResult::MISS,
        }),
    };
    let error = Builder::new().kind(perf).build().err()?;
    Some(match error.raw_os_error() {
        Some(libc::ENOENT) => Absence::NotOffered,
        Some(libc::EOPNOTSUPP) => Absence::NotSupported,
        Some(libc::EACCES | libc::EPERM) => Absence::NotPermitted,
        Some(libc::ENOSYS) => Absence::NotOnThisPlatform,
        Some(libc::EINVAL) => Absence::NotUnderstood,
        other => panic!("{event}: {other:?}"),
    })
}

#[test]
fn hardware_is_counted_or_said_to_be_missing() {
    let asked = [
        Event::Instructions,
        Event::Cycles,
        Event::CacheReferences,
        Event::CacheMisses,
        Event::Branches,
        Event::BranchMisses,
        Event::DtlbMisses,
    ];
    let mut probe = started(&asked);
    probe.measure(Phase::Work, || compute_for(1_000_000));
    let totals = probe.totals(Phase::Work);
    for (event, availability) in probe.availability() {
        let reading = totals.reading(event).expect("asked for");
        match (availability, refusal(event)) {
            (Err(absence), Some(refused)) => {
                loadline_testing::skip!("{event} is {absence}; {}", absence.remedy());
                assert_eq!(absence, refused, "{event}");
                assert_eq!(reading, Reading::Unavailable(absence), "{event}");
            }
            // The kernel can open it, so the reason must be its behaviour and not that it is missing.
            (Err(absence), None) => {
                let reasons = [
                    Absence::NeverRan,
                    Absence::CountedNothing,
                    Absence::FailedSelfTest,
                    Absence::OneCoreType,
                ];
                assert!(reasons.contains(&absence), "{event}: {absence}");
            }
            (Ok(()), refused) => {
                assert_eq!(refused, None, "{event} is counted though the kernel refuses it");
                // It may never get a register, but an event that always happens must not be a silent zero.
                if matches!(event, Event::Instructions | Event::Cycles) {
                    assert_ne!(reading, Reading::Exact(0), "{event}");
                }
            }
        }
    }
    assert_eq!(totals.iter().count(), asked.len());
}

#[test]
fn an_event_is_counted_once_however_often_it_is_asked_for() {
    let probe = started(&[Event::WallTime, Event::TaskClock, Event::WallTime]);
    let asked: Vec<Event> = probe.availability().map(|(event, _)| event).collect();
    assert_eq!(asked, [Event::TaskClock, Event::WallTime]);
    assert_eq!(probe.totals(Phase::Work).reading(Event::PageFaults), None);
}
