//! Counters for Linux: perf events, in as few kernel groups as the CPU allows.
//!
//! The software events of a thread form one group. The hardware events form a second group if the CPU can
//! hold them all, otherwise as many groups as needed.
//!
//! Perf may be forbidden altogether, in containers or by `perf_event_paranoid` ≥ 3. Then the task clock comes
//! from `CLOCK_THREAD_CPUTIME_ID`, which needs no privilege and is the same quantity: time on a CPU, user and
//! kernel. Page faults come from `getrusage(2)`, which also counts the faults that the kernel itself causes
//! on the thread's pages. Each of the two costs one more system call per lap. Programs have no such clock
//! here, because only the code that starts them knows their process ids.

use std::time::Instant;

use super::thread_clock::{thread_cpu_ns, thread_faults};
use crate::event::Event;
use crate::group::CounterGroup;
use crate::inherited::Inherited;
use crate::known_work::{self, FreshPages};
use crate::perf::{Counting, cores, counting};
use crate::reading::Absence;
use crate::self_test::{PATIENCE, PROCESS_TRUST, Trust};
use crate::tally::{Cores, Mark, Marks, SLOTS};

/// The groups of one thread, and its own clock and fault count if perf has none. For programs, one counter
/// per event over all programs that the thread starts.
pub(crate) struct Counters {
    groups: Vec<CounterGroup>,
    /// Used instead of groups if programs are counted and not the thread.
    programs: Vec<Inherited>,
    thread_clock: bool,
    thread_faults: bool,
}

impl Counters {
    pub(crate) fn open(asked: &[Event], absences: &mut [Option<Absence>; SLOTS]) -> Counters {
        Counters::open_trusting(&PROCESS_TRUST, asked, absences)
    }

    fn open_trusting(
        trust: &Trust,
        asked: &[Event],
        absences: &mut [Option<Absence>; SLOTS],
    ) -> Counters {
        let mut software = Vec::new();
        let mut hardware = Vec::new();
        for &event in asked {
            let Some(counting) = counting(event) else { continue };
            match (trust.prove(event), counting) {
                (Ok(()), Counting::Software) => software.push(event),
                (Ok(()), Counting::Hardware) => hardware.push(event),
                (Err(absence), _) => absences[event as usize] = Some(absence),
            }
        }
        let mut groups = Vec::new();
        open_software(&software, &mut groups, absences);
        open_hardware(hardware, &mut groups, absences);
        let thread_clock = absences[Event::TaskClock as usize].is_some() && thread_clock_ticks();
        if thread_clock {
            absences[Event::TaskClock as usize] = None;
        }
        let thread_faults = absences[Event::PageFaults as usize].is_some()
            && thread_clock_ticks()
            && thread_faults_rise();
        if thread_faults {
            absences[Event::PageFaults as usize] = None;
        }
        Counters { groups, programs: Vec::new(), thread_clock, thread_faults }
    }

    /// Opens counters for the programs that this thread starts from now on.
    pub(crate) fn open_programs(
        asked: &[Event],
        absences: &mut [Option<Absence>; SLOTS],
    ) -> Counters {
        let mut programs = Vec::new();
        for &event in asked.iter().filter(|&&event| counting(event).is_some()) {
            match PROCESS_TRUST.prove(event).and_then(|()| Inherited::open(event)) {
                Ok(counter) => programs.push(counter),
                Err(absence) => absences[event as usize] = Some(absence),
            }
        }
        // Read the task clock first, because it always advances. Its read notices when a program leaves its
        // CPU, and then waits on behalf of all counters.
        programs.sort_by_key(|counter| counter.event() != Event::TaskClock);
        Counters { groups: Vec::new(), programs, thread_clock: false, thread_faults: false }
    }

    pub(crate) fn enable(&mut self, absences: &mut [Option<Absence>; SLOTS]) {
        for group in &mut self.groups {
            if let Err(absence) = group.enable() {
                lose(group, absence, absences);
            }
        }
    }

    /// Reads all counters into `marks`, which hold the previous values, or zeros.
    #[inline]
    pub(crate) fn read(&mut self, marks: &mut Marks, absences: &mut [Option<Absence>; SLOTS]) {
        for group in &mut self.groups {
            if let Err(absence) = group.read(marks) {
                lose(group, absence, absences);
            }
        }
        for counter in &self.programs {
            let slot = counter.event() as usize;
            match counter.read(marks[slot]) {
                Ok(mark) => marks[slot] = mark,
                Err(absence) => {
                    absences[slot].get_or_insert(absence);
                }
            }
        }
        if self.thread_clock {
            match thread_cpu_ns() {
                Some(ns) => marks[Event::TaskClock as usize] = Mark::of_clock(ns),
                None => absences[Event::TaskClock as usize] = Some(Absence::NotOnThisPlatform),
            }
        }
        if self.thread_faults {
            match (thread_faults(), thread_cpu_ns()) {
                // The count covers all the time that the thread has run.
                (Some(count), Some(ns)) => {
                    marks[Event::PageFaults as usize] = Mark { count, ..Mark::of_clock(ns) };
                }
                _ => absences[Event::PageFaults as usize] = Some(Absence::NotOnThisPlatform),
            }
        }
    }
}

/// Returns the cores that the counter of each requested event covers.
pub(crate) fn cores_covered(asked: &[Event]) -> [Cores; SLOTS] {
    let mut covered = [Cores::All; SLOTS];
    asked.iter().for_each(|&event| covered[event as usize] = cores(event));
    covered
}

/// Marks the events of the group as absent in all phases from here on.
#[cold]
fn lose(group: &CounterGroup, absence: Absence, absences: &mut [Option<Absence>; SLOTS]) {
    for event in group.events() {
        absences[event as usize].get_or_insert(absence);
    }
}

fn open_software(
    events: &[Event],
    groups: &mut Vec<CounterGroup>,
    absences: &mut [Option<Absence>; SLOTS],
) {
    match events {
        [] => {}
        [event] => open_alone(*event, groups, absences),
        _ => {
            let opened = CounterGroup::of(events);
            groups.extend(opened.group);
            for (event, absence) in opened.refused {
                absences[event as usize] = Some(absence);
            }
        }
    }
}

/// The self-test of the thread clock. It is short, so each thread repeats it.
fn thread_clock_ticks() -> bool {
    let before = thread_cpu_ns();
    known_work::spin_until_later();
    before.is_some() && thread_cpu_ns() > before
}

/// The self-test of the thread's page faults, which is equally short.
fn thread_faults_rise() -> bool {
    let Ok(mut pages) = FreshPages::map(1) else { return false };
    let before = thread_faults();
    pages.write_each();
    before.is_some() && thread_faults() > before
}

/// Opens `events` in as few groups as can run. Each of the events could be opened by itself.
fn open_hardware(
    mut events: Vec<Event>,
    groups: &mut Vec<CounterGroup>,
    absences: &mut [Option<Absence>; SLOTS],
) {
    while let [_, _, ..] = events[..] {
        let opened = CounterGroup::of(&events);
        let Some(mut group) = opened.group else { break };
        if ever_runs(&mut group) {
            groups.push(group);
        } else {
            // The kernel accepts groups that fit the CPU in theory. If another user of the PMU holds a
            // register, such a group never runs. The NMI watchdog holds one permanently.
            let apart: Vec<Event> = group.events().collect();
            drop(group);
            apart.into_iter().for_each(|event| open_alone(event, groups, absences));
        }
        events = opened.refused.into_iter().map(|(event, _)| event).collect();
    }
    events.into_iter().for_each(|event| open_alone(event, groups, absences));
}

fn open_alone(
    event: Event,
    groups: &mut Vec<CounterGroup>,
    absences: &mut [Option<Absence>; SLOTS],
) {
    match CounterGroup::alone(event) {
        Ok(group) => groups.push(group),
        Err(absence) => absences[event as usize] = Some(absence),
    }
}

/// Returns whether the group runs on the CPU within [`PATIENCE`].
fn ever_runs(group: &mut CounterGroup) -> bool {
    let Some(event) = group.events().next() else { return false };
    let mut marks = [Mark::default(); SLOTS];
    let begin = Instant::now();
    let mut runs = false;
    if group.enable().is_ok() {
        while !runs && begin.elapsed() < PATIENCE {
            known_work::steps(1000);
            runs = group.read(&mut marks).is_ok() && marks[event as usize].running_ns > 0;
        }
    }
    runs && group.disable().is_ok()
}

#[cfg(test)]
mod tests;
