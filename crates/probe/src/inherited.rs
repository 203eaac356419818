//! [`Inherited`]: one counter over the programs that this thread starts, their threads and children.
//!
//! The event is opened on the calling thread, disabled, to be enabled by an `execve`. The thread
//! itself never calls that, so it is never counted; what it forks inherits the event
//! (`perf_event_init_task`), and enables its copy when it becomes another program
//! (`perf_event_enable_on_exec`). All that program starts inherits the enabled copy. Nothing between
//! fork and exec is counted, and nobody has to be stopped for it.

use std::os::fd::AsRawFd;

use loadline_scenario::metric::{Absence, Metric};
use perf_event::{Counter, ReadFormat};

use crate::event::builder;
use crate::group::{absence, close_on_exec, read_words};
use crate::tally::Mark;

/// Value, time enabled, time running.
const WORDS: usize = 3;

/// A counter of its own: the kernel refuses to inherit events that are read as a group (`EINVAL`,
/// `perf_event_alloc` in kernel/events/core.c).
#[derive(Debug)]
pub(crate) struct Inherited {
    metric: Metric,
    counter: Counter,
}

impl Inherited {
    /// Opens the counter; it counts programs started by this thread from now on.
    pub(crate) fn open(metric: Metric) -> Result<Inherited, Absence> {
        let mut builder = builder(metric).ok_or(Absence::NotOnThisPlatform)?;
        builder
            .inherit(true)
            .enable_on_exec(true)
            .read_format(ReadFormat::TOTAL_TIME_ENABLED | ReadFormat::TOTAL_TIME_RUNNING);
        let counter = builder.build().map_err(absence)?;
        close_on_exec(&counter);
        Ok(Inherited { metric, counter })
    }

    /// The metric it counts.
    pub(crate) fn metric(&self) -> Metric {
        self.metric
    }

    /// The sum over all who inherited it, those that have ended included. One `read(2)`.
    #[inline]
    pub(crate) fn read(&self) -> Result<Mark, Absence> {
        let mut words = [0; WORDS];
        if read_words(self.counter.as_raw_fd(), &mut words)? != WORDS {
            return Err(Absence::NeverRan);
        }
        let [count, enabled_ns, running_ns] = words;
        Ok(Mark { count, enabled_ns, running_ns })
    }
}
