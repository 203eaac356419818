//! Tests with a simulated CPU, through the hooks of `perf-event`. The hooks open hardware events as task
//! clocks, or refuse them, so the tests do not depend on the CPU of this machine.

// Hooks and errno have no safe interface.
#![allow(unsafe_code)]

use libc::{c_int, c_uint, c_ulong, pid_t};
use perf_event::hooks::sys::bindings::{
    PERF_COUNT_SW_DUMMY, PERF_COUNT_SW_TASK_CLOCK, PERF_TYPE_SOFTWARE, perf_event_attr,
};
use perf_event::hooks::{Hooks, RealHooks, clear_thread_hooks, set_thread_hooks};

use super::*;
use crate::reading::Reading;

const HARDWARE: [Event; 7] = [
    Event::Instructions,
    Event::Cycles,
    Event::CacheReferences,
    Event::CacheMisses,
    Event::Branches,
    Event::BranchMisses,
    Event::DtlbMisses,
];

/// A CPU with `registers` registers, of which another user of the PMU holds `taken`.
#[derive(Default)]
struct Processor {
    registers: usize,
    taken: usize,
    /// The error that every attempt to open an event returns.
    errno: Option<c_int>,
    /// Whether its counters run but stay at 0.
    counts_nothing: bool,
    /// Whether its counters open but never run.
    is_taken: bool,
    /// The leader and the number of hardware events of each group so far.
    groups: Vec<(c_int, usize)>,
}

impl Processor {
    /// The kernel's `validate_group` knows the existing registers, not the taken ones.
    fn join(&mut self, leader: c_int) -> bool {
        let Some(group) = self.groups.iter_mut().find(|group| group.0 == leader) else {
            self.groups.push((leader, 1));
            return self.registers > 0;
        };
        let fits = group.1 < self.registers;
        group.1 += usize::from(fits);
        fits
    }

    fn fail(errno: c_int) -> c_int {
        // SAFETY: this is the errno of the calling thread.
        unsafe { *libc::__errno_location() = errno };
        -1
    }
}

impl Hooks for Processor {
    unsafe fn perf_event_open(
        &mut self,
        attributes: *mut perf_event_attr,
        pid: pid_t,
        cpu: c_int,
        group: c_int,
        flags: c_ulong,
    ) -> c_int {
        if let Some(errno) = self.errno {
            return Processor::fail(errno);
        }
        // SAFETY: perf-event passes its own attributes.
        let attributes = unsafe { &mut *attributes };
        if attributes.type_ != PERF_TYPE_SOFTWARE {
            if group >= 0 && !self.join(group) {
                return Processor::fail(libc::EINVAL);
            }
            attributes.type_ = PERF_TYPE_SOFTWARE;
            let event =
                if self.counts_nothing { PERF_COUNT_SW_DUMMY } else { PERF_COUNT_SW_TASK_CLOCK };
            attributes.config = event.into();
        }
        // SAFETY: the attributes are valid and passed through.
        unsafe { RealHooks.perf_event_open(attributes, pid, cpu, group, flags) }
    }

    unsafe fn ENABLE(&mut self, descriptor: c_int, argument: c_uint) -> c_int {
        let size = self.groups.iter().find(|group| group.0 == descriptor).map_or(0, |g| g.1);
        if self.is_taken || size > self.registers - self.taken {
            return 0; // Accepted, but never scheduled.
        }
        // SAFETY: passed through.
        unsafe { RealHooks.ENABLE(descriptor, argument) }
    }

    unsafe fn DISABLE(&mut self, descriptor: c_int, argument: c_uint) -> c_int {
        // SAFETY: passed through.
        unsafe { RealHooks.DISABLE(descriptor, argument) }
    }

    unsafe fn ID(&mut self, descriptor: c_int, id: *mut u64) -> c_int {
        // SAFETY: passed through.
        unsafe { RealHooks.ID(descriptor, id) }
    }
}

/// Opens counters on `processor`, and returns them with the reasons for those that could not be opened.
fn open_on(
    processor: Processor,
    trust: &Trust,
    events: &[Event],
) -> (Counters, [Option<Absence>; SLOTS]) {
    let mut absences = [None; SLOTS];
    // SAFETY: no counter of this thread outlives the ioctls of the hooks, except for reading, which is real.
    unsafe { set_thread_hooks(Box::new(processor)) };
    let counters = Counters::open_trusting(trust, events, &mut absences);
    // SAFETY: as above; the descriptors are real ones.
    unsafe { clear_thread_hooks() };
    (counters, absences)
}

fn n_events(counters: &Counters) -> Vec<usize> {
    counters.groups.iter().map(|group| group.events().count()).collect()
}

/// Returns whether this kernel lets us open the event that the simulation needs.
fn has_task_clock() -> bool {
    let opened = CounterGroup::alone(Event::TaskClock);
    if let Err(absence) = &opened {
        loadline_testing::skip!("task-clock is {absence}");
    }
    opened.is_ok()
}

#[test]
fn a_large_processor_takes_all_hardware_events_in_one_group() {
    if !has_task_clock() {
        return;
    }
    let processor = Processor { registers: 8, ..Processor::default() };
    let (counters, absences) = open_on(processor, &Trust::in_all(), &HARDWARE);
    assert_eq!(n_events(&counters), [7]);
    assert_eq!(absences, [None; SLOTS]);
}

#[test]
fn a_small_processor_takes_them_in_several_groups() {
    if !has_task_clock() {
        return;
    }
    let processor = Processor { registers: 3, ..Processor::default() };
    let (mut counters, mut absences) = open_on(processor, &Trust::in_all(), &HARDWARE);
    assert_eq!(n_events(&counters), [3, 3, 1]);
    assert_eq!(absences, [None; SLOTS]);

    // Each event must also find its own place in the marks.
    let mut marks = [Mark::default(); SLOTS];
    counters.enable(&mut absences);
    known_work::spin_until_later();
    counters.read(&mut marks, &mut absences);
    for event in HARDWARE {
        assert!(marks[event as usize].running_ns > 0, "{event}");
        assert!(marks[event as usize].count > 0, "{event}");
    }
}

#[test]
fn a_group_that_never_runs_is_taken_apart() {
    if !has_task_clock() {
        return;
    }
    let processor = Processor { registers: 7, taken: 1, ..Processor::default() };
    let (counters, absences) = open_on(processor, &Trust::in_all(), &HARDWARE);
    assert_eq!(n_events(&counters), [1; 7]);
    assert_eq!(absences, [None; SLOTS]);
}

#[test]
fn every_refusal_is_told_by_its_reason() {
    let table = [
        (libc::ENOENT, Absence::NotOffered),
        (libc::EOPNOTSUPP, Absence::NotSupported),
        (libc::EPERM, Absence::NotPermitted),
        (libc::EMFILE, Absence::TooManyFiles),
        (libc::EINVAL, Absence::NotUnderstood),
        (libc::ENOSYS, Absence::NotOnThisPlatform),
    ];
    for trust in [Trust::new(), Trust::in_all()] {
        for (errno, expected) in table {
            let processor = Processor { errno: Some(errno), ..Processor::default() };
            let asked = [Event::BranchMisses, Event::Instructions, Event::Cycles];
            let (counters, absences) = open_on(processor, &trust, &asked);
            assert!(counters.groups.is_empty());
            for event in asked {
                assert_eq!(absences[event as usize], Some(expected), "{event}, errno {errno}");
            }
        }
    }
}

#[test]
fn counters_that_stay_at_zero_are_told() {
    if !has_task_clock() {
        return;
    }
    let processor = Processor { counts_nothing: true, ..Processor::default() };
    let (counters, absences) = open_on(processor, &Trust::new(), &HARDWARE);
    assert!(counters.groups.is_empty());
    for event in HARDWARE {
        assert_eq!(absences[event as usize], Some(Absence::CountedNothing), "{event}");
    }
}

#[test]
fn counters_that_never_run_are_told_from_those_that_count_nothing() {
    if !has_task_clock() {
        return;
    }
    let trust = Trust::new();
    let of = |processor| open_on(processor, &trust, &[Event::Instructions]).1;
    let taken = of(Processor { is_taken: true, ..Processor::default() });
    assert_eq!(taken[Event::Instructions as usize], Some(Absence::NeverRan));
    // The registers are free again, so a temporary failure must not be remembered.
    let blind = of(Processor { counts_nothing: true, ..Processor::default() });
    assert_eq!(blind[Event::Instructions as usize], Some(Absence::CountedNothing));
}

#[test]
fn without_perf_the_thread_keeps_its_own_accounts() {
    let processor = Processor { errno: Some(libc::EPERM), ..Processor::default() };
    let asked = [Event::PageFaults, Event::TaskClock, Event::ContextSwitches];
    let (mut counters, mut absences) = open_on(processor, &Trust::new(), &asked);
    let absent = asked.map(|event| absences[event as usize]);
    assert_eq!(absent, [None, None, Some(Absence::NotPermitted)]);

    let mut marks = [[Mark::default(); SLOTS]; 2];
    counters.enable(&mut absences);
    let mut pages = FreshPages::map(100).expect("a mapping");
    counters.read(&mut marks[0], &mut absences);
    pages.write_each();
    known_work::spin_until_later();
    counters.read(&mut marks[1], &mut absences);
    let reading = |event: Event| {
        let mut tally = crate::tally::Tally::default();
        tally.add(marks[0][event as usize], marks[1][event as usize]);
        tally.reading(event, Cores::All)
    };
    assert!(matches!(reading(Event::TaskClock), Reading::Exact(1..)));
    let faults = reading(Event::PageFaults);
    assert!(matches!(faults, Reading::Exact(100..=110)), "{faults:?} on 100 fresh pages");
}

#[test]
fn asked_for_nothing_of_perf_it_opens_nothing() {
    // Panics at the first event.
    struct Untouchable;
    impl Hooks for Untouchable {
        unsafe fn perf_event_open(
            &mut self,
            _: *mut perf_event_attr,
            _: pid_t,
            _: c_int,
            _: c_int,
            _: c_ulong,
        ) -> c_int {
            panic!("nothing was asked of perf")
        }
    }
    // SAFETY: there are no counters on this thread.
    unsafe { set_thread_hooks(Box::new(Untouchable)) };
    let counters = Counters::open(&[Event::WallTime], &mut [None; SLOTS]);
    assert!(counters.groups.is_empty() && !counters.thread_clock && !counters.thread_faults);
    // SAFETY: as above.
    unsafe { clear_thread_hooks() };
}
