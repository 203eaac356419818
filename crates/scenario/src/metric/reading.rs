//! [`Reading`]: the result of a counter, or the reason why there is none.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The result of one counter for one phase of one run.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
pub enum Reading {
    /// The count over the whole phase, in the metric's unit.
    Exact(u64),
    /// The kernel shared the counter among events, so the count is scaled up from `share` of the phase, `0 <
    /// share < 1`.
    Multiplexed {
        /// The estimated count over the whole phase, in the metric's unit.
        estimate: f64,
        /// The share of the enabled time in which the counter really ran.
        share: f64,
    },
    /// A value that is only known to within a step, because the system accounts a part of it in clock ticks.
    Coarse {
        /// The value, in the metric's unit.
        value: u64,
        /// The step by which the value may be off, in the metric's unit.
        resolution: u64,
    },
    /// There is no count, for this reason.
    Unavailable(Absence),
}

impl Reading {
    /// The reading as a number in the metric's unit. `None` if there is no count.
    pub fn value(self) -> Option<f64> {
        match self {
            Reading::Exact(count) | Reading::Coarse { value: count, .. } => Some(count as f64),
            Reading::Multiplexed { estimate, .. } => Some(estimate),
            Reading::Unavailable(_) => None,
        }
    }
}

/// The reason why there is no count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "kebab-case")]
#[non_exhaustive]
pub enum Absence {
    /// `ENOENT`: this CPU, as the kernel sees it, does not offer the event. This is usual on virtual
    /// machines.
    NotOffered,
    /// `EOPNOTSUPP`: the event exists, but the hardware cannot count it in this way.
    NotSupported,
    /// `EACCES` or `EPERM`: the kernel does not permit this user to count.
    NotPermitted,
    /// `EMFILE` or `ENFILE`: no file descriptor is left for the counter.
    TooManyFiles,
    /// `EINVAL`: this kernel does not know the event or the combination.
    NotUnderstood,
    /// `ENOSYS`, or another platform: the system has no such interface.
    NotOnThisPlatform,
    /// The counter was open and enabled, but its running time was 0: the kernel never scheduled it.
    NeverRan,
    /// The phase ended before the counter ran for the first time, or its clock moved.
    TooShort,
    /// The counter ran, but counted 0 of an event that always happens.
    CountedNothing,
    /// The counter covers only one core type of a hybrid CPU, and the run also used other cores.
    OneCoreType,
    /// CPU clocks can be read at a phase line only while the command waits for an answer.
    NotAcknowledged,
    /// A process that the command started went on after the process that should have waited for it.
    NotWaitedFor,
    /// The counter was open and ran, but miscounted a loop whose count is known.
    FailedSelfTest,
    /// The phase did not occur in this run.
    NotMeasured,
    /// The runner was built from sources that do not know the metric.
    UnknownToBuild,
    /// callgrind counts instructions, and valgrind is not installed.
    NoValgrind,
    /// callgrind counted the command as a whole, and its phases could not be separated.
    PhasesNotSeparated,
    /// The command fails under valgrind, or a run there takes too long.
    NotUnderValgrind,
    /// The kernel does not let this process follow its own system calls, for the reason with this errno.
    SystemCallsNotFollowed(i32),
    /// Any other error of the kernel, as its errno.
    Errno(i32),
}

impl Absence {
    /// The remedy, as a continuation of "… is unavailable: ".
    pub const fn remedy(self) -> &'static str {
        match self {
            Absence::NotOffered => {
                "use a machine or VM with a virtual PMU; the other metrics are judged without it"
            }
            Absence::NotSupported => {
                "judge another metric; the hardware cannot count this one here"
            }
            Absence::NotPermitted => {
                "lower kernel.perf_event_paranoid (sysctl -w kernel.perf_event_paranoid=1), grant CAP_PERFMON, or in a container allow perf_event_open"
            }
            Absence::TooManyFiles => "raise the limit of file descriptors (ulimit -n)",
            Absence::NotUnderstood => "use a newer kernel, or judge another metric",
            Absence::NotOnThisPlatform => "judge a metric this platform has",
            Absence::NeverRan => {
                "free the hardware counters (another profiler, the NMI watchdog) and repeat"
            }
            Absence::TooShort => "set acknowledge = true, or start at a larger size",
            Absence::CountedNothing => "do not trust this machine's counter; judge another metric",
            Absence::OneCoreType => {
                "keep the runs on cores of one type (--processors), or judge another metric"
            }
            Absence::NotAcknowledged => {
                "set acknowledge = true and have the command wait for the answer, or allow perf_event_open (sysctl -w kernel.perf_event_paranoid=1)"
            }
            Absence::NotWaitedFor => {
                "have the command wait for the processes that it starts, or allow perf_event_open"
            }
            Absence::FailedSelfTest => "do not trust this machine's counter; judge another metric",
            Absence::NotMeasured => "judge a phase that the load order or command has",
            Absence::UnknownToBuild => "compare with a build that knows it",
            Absence::NoValgrind => {
                "install valgrind (apt-get install valgrind); without it Loadline cannot name the function that grows"
            }
            Absence::PhasesNotSeparated => {
                "set acknowledge = true and allow ptrace (in a container --cap-add=SYS_PTRACE), mark the phases with loadline-harness or loadline.h, or judge run/callgrind-instructions"
            }
            Absence::NotUnderValgrind => {
                "name sizes that valgrind can run (callgrind_sizes), or set count_with = [] to count no instructions"
            }
            Absence::SystemCallsNotFollowed(_) => {
                "allow seccomp(2) with a listener (Linux 5.5 or newer; in a container by its seccomp profile), or judge mappings-live"
            }
            Absence::Errno(_) => "look the errno up in perf_event_open(2)",
        }
    }
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Absence::NotOffered => f.write_str("not offered by this machine (ENOENT)"),
            Absence::NotSupported => f.write_str("not supported by this hardware (EOPNOTSUPP)"),
            Absence::NotPermitted => f.write_str("not permitted to this user (EACCES or EPERM)"),
            Absence::TooManyFiles => f.write_str("too many open files (EMFILE)"),
            Absence::NotUnderstood => f.write_str("not understood by this kernel (EINVAL)"),
            Absence::NotOnThisPlatform => f.write_str("not available on this platform"),
            Absence::NeverRan => f.write_str("opened, but the kernel never scheduled it"),
            Absence::TooShort => f.write_str("the phase was over before its counter was read"),
            Absence::CountedNothing => f.write_str("opened and scheduled, but it counted 0"),
            Absence::OneCoreType => f.write_str("counted on one core type of a hybrid CPU only"),
            Absence::NotAcknowledged => {
                f.write_str("CPU clocks need acknowledged phase lines to split a run into phases")
            }
            Absence::NotWaitedFor => {
                f.write_str("the command did not wait for a process that it started")
            }
            Absence::FailedSelfTest => f.write_str("miscounts a loop of known length"),
            Absence::NotMeasured => f.write_str("the phase did not occur"),
            Absence::UnknownToBuild => f.write_str("not known to the sources of that build"),
            Absence::NoValgrind => f.write_str("there is no valgrind 3.19 or newer in PATH"),
            Absence::PhasesNotSeparated => {
                f.write_str("callgrind counts the program as a whole, not by phase")
            }
            Absence::NotUnderValgrind => {
                f.write_str("valgrind cannot run the program, or not within the time limit")
            }
            Absence::SystemCallsNotFollowed(errno) => {
                let reason = match errno {
                    1 => "forbidden: EPERM".to_owned(),
                    13 => "forbidden: EACCES".to_owned(),
                    16 => "another program follows them already: EBUSY".to_owned(),
                    22 => "the kernel does not know how: EINVAL".to_owned(),
                    38 => "the kernel does not know how: ENOSYS".to_owned(),
                    other => format!("errno {other}"),
                };
                write!(f, "system calls cannot be followed ({reason})")
            }
            Absence::Errno(errno) => write!(f, "refused by the kernel (errno {errno})"),
        }
    }
}
