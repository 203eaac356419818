//! CPU time of this thread and of this process.

#![allow(unsafe_code)]

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
        let id = match self {
            Clock::Thread => libc::CLOCK_THREAD_CPUTIME_ID,
            Clock::Process => libc::CLOCK_PROCESS_CPUTIME_ID,
        };
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is a valid timespec that outlives the call, which writes nothing else. Both
        // clocks exist on every Unix that std supports; a failure would leave 0.
        unsafe { libc::clock_gettime(id, &mut time) };
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
