//! Instructions counted by the processor, by way of Linux' perf events.

use std::hint::black_box;

use crate::count::counted::{COUNTS, Counted};

/// What the counter shows: instructions so far, and whether it has counted all the time.
#[derive(Debug, Clone, Copy)]
struct Reading {
    instructions: u64,
    is_complete: bool,
}

/// Counts the instructions of `work` on this thread and on threads that it starts.
///
/// # Errors
/// When this machine has no such counter, refuses it, or the counter is not to be trusted.
pub(crate) fn count<R>(
    sizes: &[usize],
    work: &mut impl FnMut(usize) -> R,
) -> Result<Counted, String> {
    let mut read = open()?;
    prove(&mut read)?;
    count_by(&mut read, sizes, work)
}

fn count_by<R>(
    read: &mut impl FnMut() -> Result<Reading, String>,
    sizes: &[usize],
    work: &mut impl FnMut(usize) -> R,
) -> Result<Counted, String> {
    let mut counts = Vec::new();
    for &n in sizes {
        drop(work(n));
        let mut least = u64::MAX;
        for _ in 0..COUNTS {
            let before = read()?;
            let value = black_box(work(black_box(n)));
            let after = read()?;
            drop(value);
            if !(before.is_complete && after.is_complete) {
                return Err("other events took turns with the counter".to_owned());
            }
            least = least.min(after.instructions.saturating_sub(before.instructions));
        }
        counts.push(least);
    }
    Ok(Counted { counts, functions: Vec::new() })
}

/// Counts two loops whose lengths are known: some virtual machines have a counter that stands still.
fn prove(read: &mut impl FnMut() -> Result<Reading, String>) -> Result<(), String> {
    const TURNS: u64 = 10_000;
    let counted = count_by(read, &[1, 2], &mut |n| {
        for turn in 0..n as u64 * TURNS {
            black_box(turn);
        }
    })?;
    // A turn is at least one instruction, and even without optimisation less than 200.
    let difference = counted.counts[1].saturating_sub(counted.counts[0]);
    if (TURNS..200 * TURNS).contains(&difference) {
        return Ok(());
    }
    Err(format!(
        "the counter miscounts: {TURNS} turns of a loop are {difference} instructions to it"
    ))
}

#[cfg(target_os = "linux")]
fn open() -> Result<impl FnMut() -> Result<Reading, String>, String> {
    let mut builder = perf_event::Builder::new().kind(perf_event::events::Hardware::INSTRUCTIONS);
    builder.inherit(true);
    let mut counter = builder.build().map_err(reason)?;
    counter.enable().map_err(reason)?;
    Ok(move || {
        let read = counter.read_count_and_time().map_err(reason)?;
        let is_complete = read.time_running == read.time_enabled;
        Ok(Reading { instructions: read.count, is_complete })
    })
}

/// Why the kernel refuses, in words that name the remedy's place.
#[cfg(target_os = "linux")]
fn reason(error: std::io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ENODEV | libc::EOPNOTSUPP) => {
            "this machine has no counter of instructions".to_owned()
        }
        Some(libc::EACCES | libc::EPERM) => {
            "not permitted to this user (kernel.perf_event_paranoid, or a container)".to_owned()
        }
        _ => error.to_string(),
    }
}

#[cfg(not(target_os = "linux"))]
fn open() -> Result<fn() -> Result<Reading, String>, String> {
    Err("perf events exist on Linux only".to_owned())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A counter whose readings the test feeds in: it advances by the cost of the work.
    struct Simulated {
        instructions: Cell<u64>,
        is_complete: bool,
    }

    impl Simulated {
        fn read(&self) -> Result<Reading, String> {
            Ok(Reading { instructions: self.instructions.get(), is_complete: self.is_complete })
        }

        fn add(&self, instructions: u64) {
            self.instructions.set(self.instructions.get() + instructions);
        }
    }

    #[test]
    fn the_smallest_of_three_counts_is_taken_after_a_warm_up() {
        let counter = Simulated { instructions: Cell::new(7), is_complete: true };
        // The warm-up costs the least, and is not among the counts.
        let mut costs = [1, 130, 110, 120, 2, 250, 240, 260].into_iter();
        let mut seen = Vec::new();
        let counted = count_by(&mut || counter.read(), &[64, 128], &mut |n| {
            seen.push(n);
            counter.add(costs.next().expect("four calls for each size"));
        });
        assert_eq!(counted.expect("counted").counts, [110, 240]);
        assert_eq!(seen, [64, 64, 64, 64, 128, 128, 128, 128]);
    }

    #[test]
    fn a_counter_that_took_turns_is_refused() {
        let counter = Simulated { instructions: Cell::new(0), is_complete: false };
        let counted = count_by(&mut || counter.read(), &[64], &mut |_| counter.add(1));
        assert!(counted.expect_err("refused").contains("took turns"));
    }

    #[test]
    fn a_counter_that_stands_still_is_refused() {
        let still = Simulated { instructions: Cell::new(5), is_complete: true };
        assert!(prove(&mut || still.read()).expect_err("refused").contains("are 0 instructions"));
    }

    #[test]
    fn a_real_counter_proves_itself() {
        match open() {
            Ok(mut read) => prove(&mut read).expect("a counter of this machine counts a loop"),
            Err(reason) => loadline_testing::skip!("{reason}"),
        }
    }
}
