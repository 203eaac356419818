//! [`CounterGroup`]: counters that are opened, enabled and read together.
//!
//! This module opens counters with `perf-event` but reads them itself. `perf_event::Group::read` allocates,
//! and inside a measured phase that allocation would be part of the measurement.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use perf_event::{Counter, Group, ReadFormat};

use crate::event::Event;
use crate::perf::{builder, classify};
use crate::reading::Absence;
use crate::tally::{Mark, Marks};

/// The words before the values in what the kernel sends: number, time enabled, time running.
const HEAD: usize = 3;

/// The words per counter: value, id.
const PAIR: usize = 2;

/// The most words that a group can send: the head, perf-event's leading dummy and eleven events.
const WORDS: usize = HEAD + PAIR * 12;

/// Counters that run over exactly the same time, and that one `read(2)` reads.
#[derive(Debug)]
pub(crate) struct CounterGroup {
    leader: Leader,
    members: Vec<Member>,
    /// The index of the first real counter. perf-event's group has a dummy leader; a single counter leads
    /// itself.
    first: usize,
    buffer: [Word; WORDS],
}

#[derive(Debug)]
enum Leader {
    Dummy(Group),
    Alone(Counter),
}

#[derive(Debug)]
struct Member {
    event: Event,
    id: u64,
    /// Keeps the counter open as long as the group. `None` if the counter is the leader.
    _counter: Option<Counter>,
}

/// The result of opening a group.
pub(crate) struct Opened {
    /// The group, if the kernel accepted any event.
    pub(crate) group: Option<CounterGroup>,
    /// The events that the kernel refused, with the reasons.
    pub(crate) refused: Vec<(Event, Absence)>,
}

impl CounterGroup {
    /// Opens one counter by itself, disabled.
    pub(crate) fn alone(event: Event) -> Result<CounterGroup, Absence> {
        let mut builder = builder(event).ok_or(Absence::NotOnThisPlatform)?;
        // Use the layout of a group, so that the same code reads both.
        builder.read_format(
            ReadFormat::TOTAL_TIME_ENABLED | ReadFormat::TOTAL_TIME_RUNNING | ReadFormat::GROUP,
        );
        let counter = builder.build().map_err(absence)?;
        close_on_exec(&counter);
        let members = vec![Member { event, id: counter.id(), _counter: None }];
        let leader = Leader::Alone(counter);
        Ok(CounterGroup { leader, members, first: 0, buffer: [[0; 8]; WORDS] })
    }

    /// Opens `events` as one disabled group, without the events that the kernel refuses.
    ///
    /// The kernel may refuse the event itself, or the CPU cannot count it together with the events before it
    /// (`EINVAL`, from `validate_group` in arch/x86/events/core.c and drivers/perf/arm_pmu.c).
    pub(crate) fn of(events: &[Event]) -> Opened {
        let mut opened = Opened { group: None, refused: Vec::new() };
        let mut group = match Group::new() {
            Ok(group) => group,
            Err(error) => {
                let why = absence(error);
                opened.refused.extend(events.iter().map(|&event| (event, why)));
                return opened;
            }
        };
        close_on_exec(&group);
        let mut members = Vec::with_capacity(events.len());
        for &event in events {
            match Member::join(event, &mut group) {
                Ok(member) => members.push(member),
                Err(why) => opened.refused.push((event, why)),
            }
        }
        if !members.is_empty() {
            let leader = Leader::Dummy(group);
            opened.group =
                Some(CounterGroup { leader, members, first: 1, buffer: [[0; 8]; WORDS] });
        }
        opened
    }

    /// Returns the events that this group counts.
    pub(crate) fn events(&self) -> impl Iterator<Item = Event> + '_ {
        self.members.iter().map(|member| member.event)
    }

    /// Starts all counters at the same moment.
    pub(crate) fn enable(&mut self) -> Result<(), Absence> {
        match &mut self.leader {
            Leader::Dummy(group) => group.enable(),
            Leader::Alone(counter) => counter.enable(),
        }
        .map_err(absence)
    }

    /// Stops all counters, which keep their counts.
    pub(crate) fn disable(&mut self) -> Result<(), Absence> {
        match &mut self.leader {
            Leader::Dummy(group) => group.disable(),
            Leader::Alone(counter) => counter.disable(),
        }
        .map_err(absence)
    }

    /// Reads all counters at one moment into `marks`, with one `read(2)` and no allocation.
    #[inline]
    pub(crate) fn read(&mut self, marks: &mut Marks) -> Result<(), Absence> {
        let n_counters = self.first + self.members.len();
        let words = &mut self.buffer[..HEAD + PAIR * n_counters];
        if read_words(&self.leader, words)? != words.len() {
            // A counter in error state reads as end of file (`perf_read_group`, `__perf_read`).
            return Err(Absence::NeverRan);
        }
        let number = u64::from_ne_bytes;
        let (enabled_ns, running_ns) = (number(words[1]), number(words[2]));
        let pairs = words[HEAD + PAIR * self.first..].chunks_exact(PAIR);
        for (member, pair) in self.members.iter().zip(pairs) {
            // Siblings are in the order in which they joined (`perf_group_attach` appends, `perf_read_group`
            // walks). Without this check, a change of that order would mix up the counts of two events.
            if number(pair[1]) != member.id {
                return Err(Absence::NotUnderstood);
            }
            marks[member.event as usize] = Mark { count: number(pair[0]), enabled_ns, running_ns };
        }
        Ok(())
    }
}

impl Member {
    fn join(event: Event, group: &mut Group) -> Result<Member, Absence> {
        let builder = builder(event).ok_or(Absence::NotOnThisPlatform)?;
        let counter = builder.group(group).build().map_err(absence)?;
        close_on_exec(&counter);
        Ok(Member { event, id: counter.id(), _counter: Some(counter) })
    }
}

impl AsRawFd for Leader {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Leader::Dummy(group) => group.as_raw_fd(),
            Leader::Alone(counter) => counter.as_raw_fd(),
        }
    }
}

pub(crate) fn absence(error: io::Error) -> Absence {
    error.raw_os_error().map_or(Absence::NotUnderstood, classify)
}

/// Calls `read(2)` once, and returns the number of whole words read.
#[inline]
pub(crate) fn read_words(counter: &impl AsRawFd, words: &mut [Word]) -> Result<usize, Absence> {
    let n_read = rustix::io::read(descriptor(counter), words.as_flattened_mut());
    n_read.map(|n_read| n_read / size_of::<u64>()).map_err(|error| absence(error.into()))
}

/// A word that the kernel sends: 64 bits in the byte order of this machine.
pub(crate) type Word = [u8; size_of::<u64>()];

/// Sets close-on-exec, because perf-event opens counters without `PERF_FLAG_FD_CLOEXEC`. Otherwise a program
/// that is started later would hold, and feed, our counters. A failure changes no count, so it is ignored.
pub(crate) fn close_on_exec(counter: &impl AsRawFd) {
    let _ = rustix::io::fcntl_setfd(descriptor(counter), rustix::io::FdFlags::CLOEXEC);
}

/// Borrows the descriptor of a counter. perf-event offers no such borrow as a type of the standard library.
#[allow(unsafe_code)]
fn descriptor(counter: &impl AsRawFd) -> BorrowedFd<'_> {
    // SAFETY: counters and groups of perf-event hold their descriptor open until they are dropped, and the
    // result borrows the counter.
    unsafe { BorrowedFd::borrow_raw(counter.as_raw_fd()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_counter_lives_on_in_other_programs() {
        let events = [Event::TaskClock, Event::PageFaults];
        let Some(group) = CounterGroup::of(&events).group else {
            loadline_testing::skip!("this machine lets us open no group");
            return;
        };
        let members = group.members.iter().filter_map(|member| member._counter.as_ref());
        let leader = descriptor(&group.leader);
        for descriptor in members.map(|counter| descriptor(counter)).chain([leader]) {
            let flags = rustix::io::fcntl_getfd(descriptor).expect("it is open");
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
        }
    }

    #[test]
    fn who_is_refused_does_not_keep_the_others_out() {
        // perf has no event for wall time.
        let opened = CounterGroup::of(&[Event::WallTime, Event::TaskClock]);
        let refused_first = opened.refused.first().copied();
        let Some(group) = opened.group else {
            loadline_testing::skip!("this machine lets us open no group");
            return;
        };
        assert_eq!(refused_first, Some((Event::WallTime, Absence::NotOnThisPlatform)));
        assert_eq!(group.events().collect::<Vec<_>>(), [Event::TaskClock]);
    }
}
