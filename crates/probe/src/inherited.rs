//! [`Inherited`]: one counter for the programs that this thread starts, including their threads and children.
//!
//! The event is opened on the calling thread, disabled, and an `execve` enables it. The thread itself never
//! calls `execve`, so it is never counted. A forked child inherits the event (`perf_event_init_task`). The
//! child's copy is enabled when the child becomes another program (`perf_event_enable_on_exec`). Everything
//! that this program starts inherits the enabled copy. Nothing between fork and exec is counted, and no
//! process has to be stopped for this.

use std::time::{Duration, Instant};

use perf_event::{Counter, ReadFormat};

use crate::event::Event;
use crate::group::{absence, close_on_exec, read_words};
use crate::perf::builder;
use crate::reading::Absence;
use crate::tally::Mark;

/// The words that the kernel sends: value, time enabled, time running.
const WORDS: usize = 3;

/// How long a program may take to leave its CPU ([`settled`]). Leaving takes some hundred instructions, but
/// the host can stop a virtual machine in the middle of it for any time.
const LEAVING: Duration = Duration::from_millis(100);

/// One counter without a group, because the kernel refuses to inherit events that are read as a group
/// (`EINVAL`, `perf_event_alloc` in kernel/events/core.c).
#[derive(Debug)]
pub(crate) struct Inherited {
    event: Event,
    counter: Counter,
}

impl Inherited {
    /// Opens the counter. It counts the programs that this thread starts from now on.
    pub(crate) fn open(event: Event) -> Result<Inherited, Absence> {
        let mut builder = builder(event).ok_or(Absence::NotOnThisPlatform)?;
        builder
            .inherit(true)
            .enable_on_exec(true)
            .read_format(ReadFormat::TOTAL_TIME_ENABLED | ReadFormat::TOTAL_TIME_RUNNING);
        let counter = builder.build().map_err(absence)?;
        close_on_exec(&counter);
        Ok(Inherited { event, counter })
    }

    /// Returns the event that this counter counts.
    pub(crate) fn event(&self) -> Event {
        self.event
    }

    /// Returns the sum over all programs that inherited the counter, including programs that have ended.
    /// `last` is the previous result. This takes one `read(2)`, and more while one of the programs is leaving
    /// its CPU.
    #[inline]
    pub(crate) fn read(&self, last: Mark) -> Result<Mark, Absence> {
        settled(last, LEAVING, || self.read_once())
    }

    /// Reads the counter once, with one `read(2)`.
    #[inline]
    fn read_once(&self) -> Result<Mark, Absence> {
        let mut words = [[0; 8]; WORDS];
        if read_words(&self.counter, &mut words)? != WORDS {
            return Err(Absence::NeverRan);
        }
        let [count, enabled_ns, running_ns] = words.map(u64::from_ne_bytes);
        Ok(Mark { count, enabled_ns, running_ns })
    }
}

/// Reads until the count and its time belong together, but at most for `patience`.
///
/// When a program leaves its CPU, the kernel updates the count before the running time (`event_sched_out` in
/// kernel/events/core.c). A read in between sees the old time (`perf_event_read`, if the event is active and
/// on no CPU). A program that waits for an answer at each phase line is read exactly then. About once in some
/// hundred thousand reads, the read falls in between. A count without running time would look like a counter
/// that never ran.
#[inline]
fn settled(
    last: Mark,
    patience: Duration,
    mut read: impl FnMut() -> Result<Mark, Absence>,
) -> Result<Mark, Absence> {
    let is_torn = |mark: Mark| mark.count != last.count && mark.running_ns == last.running_ns;
    let mut mark = read()?;
    if is_torn(mark) {
        let begin = Instant::now();
        while is_torn(mark) && begin.elapsed() < patience {
            // The program that is about to leave may be waiting for this very CPU.
            std::thread::yield_now();
            mark = read()?;
        }
    }
    Ok(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAST: Mark = Mark { count: 10, enabled_ns: 100, running_ns: 100 };

    /// Simulates a counter that returns each of `marks` in turn and then repeats the last one. Returns the
    /// result and the number of reads.
    fn read(marks: &[(u64, u64, u64)], patience: Duration) -> (Result<Mark, Absence>, usize) {
        let mut n_reads = 0;
        let mark = settled(LAST, patience, || {
            let (count, enabled_ns, running_ns) = marks[n_reads.min(marks.len() - 1)];
            n_reads += 1;
            Ok(Mark { count, enabled_ns, running_ns })
        });
        (mark, n_reads)
    }

    #[test]
    fn a_count_ahead_of_its_time_is_read_again() {
        let marks = [(17, 100, 100), (17, 100, 100), (18, 108, 108)];
        let whole = Mark { count: 18, enabled_ns: 108, running_ns: 108 };
        assert_eq!(read(&marks, LEAVING), (Ok(whole), 3));
    }

    #[test]
    fn what_belongs_together_is_read_once() {
        // In turn: a running counter, a sleeping program, a counter without a register, and a shared counter.
        for mark in [(18, 108, 108), (10, 100, 100), (10, 200, 100), (18, 200, 150)] {
            let (_, n_reads) = read(&[mark], LEAVING);
            assert_eq!(n_reads, 1, "{mark:?}");
        }
    }

    #[test]
    fn a_counter_that_keeps_no_time_is_not_waited_for_long() {
        let torn = Mark { count: 17, ..LAST };
        let (mark, n_reads) = read(&[(17, 100, 100)], Duration::from_millis(1));
        assert_eq!(mark, Ok(torn));
        assert!(n_reads > 1);
    }

    #[test]
    fn a_counter_in_error_is_not_read_again() {
        let gone = settled(LAST, LEAVING, || Err(Absence::NeverRan));
        assert_eq!(gone, Err(Absence::NeverRan));
    }
}
