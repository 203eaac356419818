//! [`CounterGroup`]: counters opened, enabled and read as one.
//!
//! It opens with `perf-event` and reads by itself: `perf_event::Group::read` allocates, which
//! inside a measured phase would be part of the measurement.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

use perf_event::{Counter, Group, ReadFormat};

use crate::event::Event;
use crate::perf::{builder, classify};
use crate::reading::Absence;
use crate::tally::{Mark, Marks};

/// Words before the values in what the kernel sends: number, time enabled, time running.
const HEAD: usize = 3;

/// Words a counter takes: value, id.
const PAIR: usize = 2;

/// The most a group can send: its head, perf-event's leading dummy and eleven events.
const WORDS: usize = HEAD + PAIR * 12;

/// Counters that run over exactly the same time and are read by one `read(2)`.
#[derive(Debug)]
pub(crate) struct CounterGroup {
    leader: Leader,
    members: Vec<Member>,
    /// perf-event's group leads with a counter of nothing, a counter alone leads itself.
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
    /// Open as long as the group is; `None` where the leader is the counter.
    _counter: Option<Counter>,
}

/// How far a group came in taking up events.
pub(crate) struct Opened {
    /// The group, if it took any.
    pub(crate) group: Option<CounterGroup>,
    /// Who was refused, and why.
    pub(crate) refused: Vec<(Event, Absence)>,
}

impl CounterGroup {
    /// Opens one counter by itself, not yet enabled.
    pub(crate) fn alone(event: Event) -> Result<CounterGroup, Absence> {
        let mut builder = builder(event).ok_or(Absence::NotOnThisPlatform)?;
        // The layout of a group, so that both are read by the same words.
        builder.read_format(
            ReadFormat::TOTAL_TIME_ENABLED | ReadFormat::TOTAL_TIME_RUNNING | ReadFormat::GROUP,
        );
        let counter = builder.build().map_err(absence)?;
        close_on_exec(&counter);
        let members = vec![Member { event, id: counter.id(), _counter: None }];
        let leader = Leader::Alone(counter);
        Ok(CounterGroup { leader, members, first: 0, buffer: [[0; 8]; WORDS] })
    }

    /// Opens `events` as one group, not yet enabled, leaving out whom the kernel refuses: for a
    /// reason of its own, or since the processor cannot hold it together with those before it
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

    /// The events it counts.
    pub(crate) fn events(&self) -> impl Iterator<Item = Event> + '_ {
        self.members.iter().map(|member| member.event)
    }

    /// Lets all counters run from the same moment on.
    pub(crate) fn enable(&mut self) -> Result<(), Absence> {
        match &mut self.leader {
            Leader::Dummy(group) => group.enable(),
            Leader::Alone(counter) => counter.enable(),
        }
        .map_err(absence)
    }

    /// Stops all counters; they keep their counts.
    pub(crate) fn disable(&mut self) -> Result<(), Absence> {
        match &mut self.leader {
            Leader::Dummy(group) => group.disable(),
            Leader::Alone(counter) => counter.disable(),
        }
        .map_err(absence)
    }

    /// Reads all counters at one moment into their places in `marks`. One `read(2)`, no allocation.
    #[inline]
    pub(crate) fn read(&mut self, marks: &mut Marks) -> Result<(), Absence> {
        let n_counters = self.first + self.members.len();
        let words = &mut self.buffer[..HEAD + PAIR * n_counters];
        if read_words(&self.leader, words)? != words.len() {
            // End of file is what a counter in error state says (`perf_read_group`, `__perf_read`).
            return Err(Absence::NeverRan);
        }
        let number = u64::from_ne_bytes;
        let (enabled_ns, running_ns) = (number(words[1]), number(words[2]));
        let pairs = words[HEAD + PAIR * self.first..].chunks_exact(PAIR);
        for (member, pair) in self.members.iter().zip(pairs) {
            // Siblings come in the order they joined (`perf_group_attach` appends,
            // `perf_read_group` walks); were it ever otherwise, one event's count would pass for
            // another's.
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

/// One `read(2)`; returns the number of whole words read.
#[inline]
pub(crate) fn read_words(counter: &impl AsRawFd, words: &mut [Word]) -> Result<usize, Absence> {
    let n_read = rustix::io::read(descriptor(counter), words.as_flattened_mut());
    n_read.map(|n_read| n_read / size_of::<u64>()).map_err(|error| absence(error.into()))
}

/// What the kernel sends: a number of 64 bits in the byte order of this machine.
pub(crate) type Word = [u8; size_of::<u64>()];

/// perf-event opens without `PERF_FLAG_FD_CLOEXEC`: a program started later would hold, and feed,
/// our counters. Failing to set it changes no count, so the result is not looked at.
pub(crate) fn close_on_exec(counter: &impl AsRawFd) {
    let _ = rustix::io::fcntl_setfd(descriptor(counter), rustix::io::FdFlags::CLOEXEC);
}

/// The descriptor of a counter, which perf-event does not lend out by a type of the standard library.
#[allow(unsafe_code)]
fn descriptor(counter: &impl AsRawFd) -> BorrowedFd<'_> {
    // SAFETY: counters and groups of perf-event hold their descriptor open until they are dropped,
    // and the result borrows the counter.
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
        // Wall time is no event of perf's.
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
