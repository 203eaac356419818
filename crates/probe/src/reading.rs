//! [`Reading`]: the count of an event in a phase, or the reason why there is no count.

use std::fmt;

/// The result of one counter in one phase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reading {
    /// The event was counted through the whole phase.
    Exact(u64),
    /// The kernel took turns between counters, and the count was scaled up.
    Multiplexed {
        /// The estimated count, as if the counter had run all the time.
        estimate: f64,
        /// The share of the time in which the counter ran, between 0 and 1.
        share: f64,
    },
    /// There is no count, for this reason.
    Unavailable(Absence),
}

impl Reading {
    /// Returns the count as a number, or `None` if there is none.
    pub fn value(self) -> Option<f64> {
        match self {
            Reading::Exact(count) => Some(count as f64),
            Reading::Multiplexed { estimate, .. } => Some(estimate),
            Reading::Unavailable(_) => None,
        }
    }
}

/// The reason why there is no count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Absence {
    /// `ENOENT`: the CPU, as the kernel sees it, has no such event. This is usual in virtual machines.
    NotOffered,
    /// `EOPNOTSUPP`: the event exists, but the hardware cannot count it in the requested way.
    NotSupported,
    /// `EACCES` or `EPERM`: the kernel does not let this user count the event.
    NotPermitted,
    /// `EMFILE` or `ENFILE`: no file descriptor was left for the counter.
    TooManyFiles,
    /// `EINVAL`: this kernel does not know the event or the combination of events.
    NotUnderstood,
    /// `ENOSYS`, or another platform: the interface does not exist.
    NotOnThisPlatform,
    /// The counter was open and enabled, but the kernel never scheduled it.
    NeverRan,
    /// The phase ended before the counter ran for the first time, or before its clock moved.
    TooShort,
    /// The counter ran, and counted 0 of an event that always happens.
    CountedNothing,
    /// The counter covers one core type of a hybrid CPU, but the thread also ran on other cores.
    OneCoreType,
    /// The counter was open and ran, and miscounted a loop whose count is known.
    FailedSelfTest,
    /// The phase did not occur.
    NotMeasured,
    /// Another error of the kernel, by its number.
    Errno(i32),
}

impl Absence {
    /// Returns what to do about the absence, as an imperative sentence without a full stop.
    pub const fn remedy(self) -> &'static str {
        match self {
            Absence::NotOffered => "use a machine or VM with a virtual PMU",
            Absence::NotPermitted => {
                "lower kernel.perf_event_paranoid (sysctl -w kernel.perf_event_paranoid=1), grant CAP_PERFMON, or in a container allow perf_event_open"
            }
            Absence::TooManyFiles => "raise the limit of file descriptors (ulimit -n)",
            Absence::NotUnderstood => "use a newer kernel, or count another event",
            Absence::NeverRan => {
                "free the hardware counters (another profiler, the NMI watchdog) and repeat"
            }
            Absence::TooShort => "count over a longer phase",
            Absence::OneCoreType => "keep the thread on cores of one type, or count another event",
            Absence::NotMeasured => "count in a phase that occurs",
            Absence::NotSupported | Absence::NotOnThisPlatform => "count another event",
            Absence::CountedNothing | Absence::FailedSelfTest => {
                "do not trust this machine's counter; count another event"
            }
            Absence::Errno(_) => "look the errno up in perf_event_open(2)",
        }
    }
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Absence::NotOffered => "not offered by this machine (ENOENT)",
            Absence::NotSupported => "not supported by this hardware (EOPNOTSUPP)",
            Absence::NotPermitted => "not permitted to this user (EACCES or EPERM)",
            Absence::TooManyFiles => "too many open files (EMFILE)",
            Absence::NotUnderstood => "not understood by this kernel (EINVAL)",
            Absence::NotOnThisPlatform => "not available on this platform",
            Absence::NeverRan => "opened, but the kernel never scheduled it",
            Absence::TooShort => "the phase was over before its counter was read",
            Absence::CountedNothing => "opened and scheduled, but it counted 0",
            Absence::OneCoreType => "counted on one core type of a hybrid CPU only",
            Absence::FailedSelfTest => "miscounts a loop of known length",
            Absence::NotMeasured => "the phase did not occur",
            Absence::Errno(errno) => return write!(f, "refused by the kernel (errno {errno})"),
        })
    }
}
