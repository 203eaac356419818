//! Measures CPU time and page faults of a command through the accounting of the operating system. This is for
//! machines where `perf_event_open` is refused or missing.
//!
//! For the whole program, getrusage(2) reports the usage of the command and of all children that were waited
//! for, exact to the microsecond. For a phase, the CPU clocks of the command's living processes are added up
//! while the command waits for the answer to a phase line. These clocks are exact to the nanosecond, but
//! leave out ended children. The `/proc/PID/stat` of the process that waited for a child contains the child's
//! usage, in clock ticks of usually 10 ms. So a phase in which a child ended is known to that resolution
//! only.
//!
//! Processes that no parent waits for are not counted after they have ended.

use std::collections::BTreeMap;
use std::io;
use std::process::{Child, ExitStatus};

use loadline_scenario::{Absence, Metric, Phase, Reading};

/// Returns whether the accounting can replace the counter of `metric`.
pub const fn stands_in_for(metric: Metric) -> bool {
    cfg!(unix) && matches!(metric, Metric::TaskClock | Metric::PageFaults)
}

/// The usage of processes since they began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time from exact clocks, in nanoseconds.
    cpu_ns: u64,
    /// CPU time of ended children, in whole ticks, in nanoseconds.
    ended_cpu_ns: u64,
    /// Page faults, including those of ended children.
    faults: u64,
    /// Page faults of ended children. Every process has some, so the number rises when a child ends.
    ended_faults: u64,
}

/// The usage of a command in each phase, for metrics without counters.
#[derive(Debug)]
pub struct Accounts {
    /// The metrics whose counters are missing.
    pub metrics: Vec<Metric>,
    /// The usage at the last border between phases, or the reason why it is unknown.
    last: Result<Usage, Absence>,
    shares: BTreeMap<Phase, Result<Share, Absence>>,
}

/// The usage in all stretches of one phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Share {
    cpu_ns: i128,
    faults: u64,
    /// The number of stretches in which children ended.
    n_coarse: u64,
}

impl Accounts {
    /// Creates accounts without usage.
    pub fn new(metrics: Vec<Metric>) -> Accounts {
        Accounts { metrics, last: Ok(Usage::default()), shares: BTreeMap::new() }
    }

    /// Ends a stretch and adds it to `phase`, or to no phase if `phase` is `None`.
    pub fn border(&mut self, phase: Option<Phase>, now: Result<Usage, Absence>) {
        let stretch = match (self.last, now) {
            (Ok(last), Ok(now)) => Share::between(&last, &now),
            (Err(absence), _) | (_, Err(absence)) => Err(absence),
        };
        if let Some(phase) = phase {
            let share = self.shares.entry(phase).or_insert(Ok(Share::default()));
            *share = share.and_then(|share| Ok(share.plus(&stretch?)));
        }
        self.last = now;
    }

    /// Returns the usage in a phase with these parts.
    pub fn reading(&self, parts: &[Phase], metric: Metric) -> Reading {
        let shares: Vec<_> = parts.iter().filter_map(|part| self.shares.get(part)).collect();
        if shares.is_empty() {
            return Reading::Unavailable(Absence::NotMeasured);
        }
        let mut shares = shares.into_iter().copied();
        match shares.try_fold(Share::default(), |sum, share| Ok(sum.plus(&share?))) {
            Ok(sum) => sum.reading(metric, tick_ns()),
            Err(absence) => Reading::Unavailable(absence),
        }
    }
}

impl Share {
    fn between(last: &Usage, now: &Usage) -> Result<Share, Absence> {
        let total = |usage: &Usage| i128::from(usage.cpu_ns) + i128::from(usage.ended_cpu_ns);
        let ended = |usage: &Usage| (usage.ended_faults, usage.ended_cpu_ns);
        let n_coarse = u64::from(ended(now) != ended(last));
        let share = Share {
            cpu_ns: total(now) - total(last),
            // The faults of a process that has left the tree are missing.
            faults: now.faults.checked_sub(last.faults).ok_or(Absence::NotWaitedFor)?,
            n_coarse,
        };
        if share.cpu_ns < -i128::from(share.resolution(tick_ns())) {
            return Err(Absence::NotWaitedFor);
        }
        Ok(share)
    }

    fn plus(self, other: &Share) -> Share {
        Share {
            cpu_ns: self.cpu_ns + other.cpu_ns,
            faults: self.faults.saturating_add(other.faults),
            n_coarse: self.n_coarse + other.n_coarse,
        }
    }

    /// Returns the resolution of the CPU time. User and system time of ended children are each truncated to
    /// whole ticks. The errors of several stretches add up like random errors.
    fn resolution(&self, tick_ns: u64) -> u64 {
        (2.0 * tick_ns as f64 * (self.n_coarse as f64).sqrt()) as u64
    }

    fn reading(&self, metric: Metric, tick_ns: u64) -> Reading {
        let cpu_ns = u64::try_from(self.cpu_ns).unwrap_or(0);
        match metric {
            Metric::PageFaults => Reading::Exact(self.faults),
            _ if self.n_coarse > 0 => {
                Reading::Coarse { value: cpu_ns, resolution: self.resolution(tick_ns) }
            }
            _ if cpu_ns == 0 => Reading::Unavailable(Absence::TooShort),
            _ => Reading::Exact(cpu_ns),
        }
    }
}

/// The exit status of a command, and the usage of the command and of all children that were waited for.
#[derive(Debug)]
pub struct Ended {
    pub status: ExitStatus,
    pub used: Result<Usage, Absence>,
    /// The largest resident set of one of its processes, in bytes (`ru_maxrss` of getrusage(2)).
    pub peak_bytes: Result<u64, Absence>,
}

/// Waits for the end of a command that is the only child of this process.
///
/// # Errors
/// If the command cannot be waited for.
#[cfg(unix)]
pub fn wait_for(child: &mut Child) -> io::Result<Ended> {
    use nix::sys::resource::{UsageWho, getrusage};

    let status = child.wait()?;
    let used = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let ns = |time: nix::sys::time::TimeVal| {
        u64::try_from(time.tv_sec()).unwrap_or(0) * 1_000_000_000
            + u64::try_from(time.tv_usec()).unwrap_or(0) * 1_000
    };
    let faults = |number| u64::try_from(number).unwrap_or(0);
    let usage = Usage {
        cpu_ns: ns(used.user_time()) + ns(used.system_time()),
        faults: faults(used.minor_page_faults()) + faults(used.major_page_faults()),
        // All of it is exact, including the usage of ended children.
        ..Usage::default()
    };
    // Apple's systems report bytes, and other systems report kibibytes.
    let unit = if cfg!(target_vendor = "apple") { 1 } else { 1024 };
    let peak_bytes = u64::try_from(used.max_rss()).map(|peak| peak * unit);
    let peak_bytes = peak_bytes.map_err(|_| Absence::NotOnThisPlatform);
    Ok(Ended { status, used: Ok(usage), peak_bytes })
}

/// Waits for the end of the command. This platform does not report the command's usage.
///
/// # Errors
/// If the command cannot be waited for.
#[cfg(not(unix))]
pub fn wait_for(child: &mut Child) -> io::Result<Ended> {
    let missing = Absence::NotOnThisPlatform;
    Ok(Ended { status: child.wait()?, used: Err(missing), peak_bytes: Err(missing) })
}

/// Returns the usage so far of the living processes of a command, and of the children that they waited for.
///
/// # Errors
/// If the operating system does not report it.
#[cfg(target_os = "linux")]
pub fn of_living(child: &Child) -> Result<Usage, Absence> {
    // If processes end while they are read, the sum is wrong, so it is read again.
    const TRIES: usize = 20;
    (0..TRIES).find_map(|_| living::tree(child.id())).ok_or(Absence::NotOnThisPlatform)
}

/// Returns an error, because this platform does not offer the accounting.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn of_living(_child: &Child) -> Result<Usage, Absence> {
    Err(Absence::NotOnThisPlatform)
}

/// Returns the length of a clock tick of `/proc/PID/stat`.
fn tick_ns() -> u64 {
    #[cfg(unix)]
    let per_second = rustix::param::clock_ticks_per_second();
    #[cfg(not(unix))]
    let per_second = 100;
    1_000_000_000 / per_second.max(1)
}

#[cfg(target_os = "linux")]
mod living {
    use std::fs;

    use super::{Usage, tick_ns};

    /// Returns the usage of a process and all its descendants, or `None` if one of them ended meanwhile.
    pub fn tree(root: u32) -> Option<Usage> {
        let mut usage = Usage::default();
        let mut pending = vec![root];
        while let Some(pid) = pending.pop() {
            // Read parents first. A child that ends after that is not yet in its parent's account.
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            add_stat(&mut usage, &stat, tick_ns())?;
            usage.cpu_ns += cpu_ns(pid)?;
            for thread in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
                let children = fs::read_to_string(thread.path().join("children")).ok()?;
                pending
                    .extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
            }
        }
        Some(usage)
    }

    /// Adds the page faults of a process and the usage of its ended children, from the text of its
    /// `/proc/PID/stat` (proc(5)).
    pub fn add_stat(usage: &mut Usage, stat: &str, tick_ns: u64) -> Option<()> {
        // The name before this bracket may contain anything, even brackets and spaces.
        let (_, rest) = stat.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split(' ').collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let [minor, ended_minor, major, ended_major] =
            [field(10)?, field(11)?, field(12)?, field(13)?];
        let ended_ticks = field(16)? + field(17)?;
        usage.faults += minor + major + ended_minor + ended_major;
        usage.ended_faults += ended_minor + ended_major;
        usage.ended_cpu_ns += ended_ticks * tick_ns;
        Some(())
    }

    /// Returns the CPU time of one process with all its threads, including threads that have ended.
    fn cpu_ns(pid: u32) -> Option<u64> {
        use nix::time::{clock_getcpuclockid, clock_gettime};

        let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).ok()?);
        let time = clock_gettime(clock_getcpuclockid(pid).ok()?).ok()?;
        Some(
            u64::try_from(time.tv_sec()).ok()? * 1_000_000_000
                + u64::try_from(time.tv_nsec()).ok()?,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn usage(cpu_ms: u64, ended_ms: u64, faults: u64, ended_faults: u64) -> Usage {
        Usage { cpu_ns: cpu_ms * MS, ended_cpu_ns: ended_ms * MS, faults, ended_faults }
    }

    /// Returns the readings of load, unload and both, for these usages at the borders load, unload, none,
    /// end.
    fn readings(borders: [Usage; 4], metric: Metric) -> [Reading; 3] {
        let mut accounts = Accounts::new(vec![metric]);
        let phases = [None, Some(Phase::Load), Some(Phase::Unload), None];
        phases.into_iter().zip(borders).for_each(|(phase, now)| accounts.border(phase, Ok(now)));
        let both = [Phase::Load, Phase::Unload];
        [&both[..1], &both[1..], &both].map(|parts| accounts.reading(parts, metric))
    }

    #[test]
    fn clocks_are_exact_where_no_child_ended() {
        let borders =
            [usage(1, 0, 50, 0), usage(4, 0, 60, 0), usage(9, 0, 90, 0), usage(9, 0, 90, 0)];
        let expected = [3, 5, 8].map(|ms| Reading::Exact(ms * MS));
        assert_eq!(readings(borders, Metric::TaskClock), expected);
        assert_eq!(readings(borders, Metric::PageFaults), [10, 30, 40].map(Reading::Exact));
    }

    /// A child of 3 ms ends while loading. No clock contains its time, which is shorter than a tick. Its page
    /// faults show that it existed.
    #[test]
    fn a_phase_in_which_a_child_ended_is_coarse() {
        let borders =
            [usage(1, 0, 50, 0), usage(4, 0, 95, 35), usage(9, 0, 99, 35), usage(9, 0, 99, 35)];
        let resolution = 2 * tick_ns();
        let coarse = |ms| Reading::Coarse { value: ms * MS, resolution };
        let expected = [coarse(3), Reading::Exact(5 * MS), coarse(8)];
        assert_eq!(readings(borders, Metric::TaskClock), expected);
        assert_eq!(readings(borders, Metric::PageFaults), [45, 4, 49].map(Reading::Exact));
    }

    /// A child that was alive at the previous border moves from its own clock to its parent's ticks.
    #[test]
    fn ticks_cut_off_are_no_time_that_runs_backwards() {
        let borders =
            [usage(19, 0, 50, 0), usage(4, 10, 95, 35), usage(4, 10, 99, 35), usage(4, 10, 99, 35)];
        let [load, unload, _] = readings(borders, Metric::TaskClock);
        assert_eq!(load, Reading::Coarse { value: 0, resolution: 2 * tick_ns() });
        assert_eq!(unload, Reading::Unavailable(Absence::TooShort));
    }

    #[test]
    fn a_process_that_leaves_takes_its_time_along() {
        let borders =
            [usage(80, 0, 90, 0), usage(4, 0, 70, 0), usage(9, 0, 75, 0), usage(9, 0, 75, 0)];
        let lost = Reading::Unavailable(Absence::NotWaitedFor);
        let expected = [lost, Reading::Exact(5 * MS), lost];
        assert_eq!(readings(borders, Metric::TaskClock), expected);
    }

    #[test]
    fn several_coarse_stretches_add_up_as_random_errors_do() {
        let mut share = Share::default();
        for _ in 0..4 {
            share = share.plus(&Share { cpu_ns: 1, faults: 1, n_coarse: 1 });
        }
        let resolution = 2 * 2 * 10 * MS;
        let expected = Reading::Coarse { value: 4, resolution };
        assert_eq!(share.reading(Metric::TaskClock, 10 * MS), expected);
    }

    #[test]
    fn without_answers_there_are_no_phases() {
        let mut accounts = Accounts::new(vec![Metric::TaskClock]);
        accounts.border(None, Err(Absence::NotAcknowledged));
        accounts.border(Some(Phase::Load), Ok(usage(9, 0, 9, 0)));
        let of = |phase| accounts.reading(&[phase], Metric::TaskClock);
        assert_eq!(of(Phase::Load), Reading::Unavailable(Absence::NotAcknowledged));
        assert_eq!(of(Phase::Unload), Reading::Unavailable(Absence::NotMeasured));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_account_of_a_process_is_read_behind_its_name() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 100 20 3 4 11 12 5 6 20 0 1 0 9 9 9";
        let mut used = Usage::default();
        assert_eq!(living::add_stat(&mut used, stat, 10), Some(()));
        let expected = Usage { cpu_ns: 0, ended_cpu_ns: 110, faults: 127, ended_faults: 24 };
        assert_eq!(used, expected);
        assert_eq!(living::add_stat(&mut used, "7 (a) S 1", 10), None);
    }
}
