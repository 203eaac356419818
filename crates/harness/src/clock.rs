//! CPU time of this thread and of this process.

use std::time::Duration;

/// A clock that runs only while code of ours does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Clock {
    /// The CPU time of the calling thread.
    Thread,
    /// The CPU time of all threads of this process.
    Process,
}

impl Clock {
    /// What the clock shows now. Only the difference of two readings means something.
    #[cfg(unix)]
    pub(crate) fn now(self) -> Duration {
        use rustix::time::{ClockId, clock_gettime};

        let time = clock_gettime(match self {
            Clock::Thread => ClockId::ThreadCPUTime,
            Clock::Process => ClockId::ProcessCPUTime,
        });
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }

    /// Wall time: this system's CPU clocks tick every 15 ms.
    #[cfg(not(unix))]
    pub(crate) fn now(self) -> Duration {
        use std::sync::OnceLock;
        use std::time::Instant;

        static START: OnceLock<Instant> = OnceLock::new();
        START.get_or_init(Instant::now).elapsed()
    }

    /// The clock's name in a sentence.
    pub(crate) fn name(self) -> &'static str {
        match self {
            _ if cfg!(not(unix)) => "wall time",
            Clock::Thread => "thread CPU time",
            Clock::Process => "CPU time",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_advance_with_work() {
        for clock in [Clock::Thread, Clock::Process] {
            let start = clock.now();
            let mut n = 0_u64;
            // Ends only when the clock has advanced.
            while clock.now() <= start {
                n = std::hint::black_box(n + 1);
            }
        }
    }
}
