//! Tests every counter on work whose count is known before trusting it.
//!
//! Some virtual machines offer counters that open and run but stay at 0, or that count another machine. A
//! cost curve fitted through such counts would look flat. The rules are lenient: they tell a working counter
//! from a broken one, not a good counter from a better one. A rule that fails because of mere noise would
//! lose an event.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::event::Event;
use crate::group::CounterGroup;
use crate::known_work::{self, FreshPages};
use crate::perf::cores;
use crate::reading::{Absence, Reading};
use crate::tally::{Mark, SLOTS, Tally};

/// The results of the self-tests in this process.
pub(crate) static PROCESS_TRUST: Trust = Trust::new();

/// The number of attempts per counter. One attempt is not enough, because it may be disturbed by an interrupt
/// or a migration.
const ATTEMPTS: u32 = 5;

/// How long a counter may wait for a register before it counts as never running. The kernel switches counters
/// every `perf_event_mux_interval_ms`, by default one tick, which is at most 10 ms.
pub(crate) const PATIENCE: Duration = Duration::from_millis(25);

/// The number of steps of the shortest known loop.
const STEPS: u64 = 10_000;

/// The number of pages that are touched for the first time and whose lines are read.
const PAGES: usize = 64;

/// The self-test result of each counter. Each counter is tested once.
pub(crate) struct Trust {
    verdicts: [OnceLock<Result<(), Absence>>; SLOTS],
}

impl Trust {
    /// Creates an empty set of results.
    pub(crate) const fn new() -> Trust {
        Trust { verdicts: [const { OnceLock::new() }; SLOTS] }
    }

    /// Creates passed results for all events, for tests with simulated counters.
    #[cfg(test)]
    pub(crate) fn in_all() -> Trust {
        Trust { verdicts: std::array::from_fn(|_| OnceLock::from(Ok(()))) }
    }

    /// Opens `event` by itself and, the first time, runs its self-test.
    ///
    /// The reason why a counter could not be opened or was not scheduled is not remembered, because
    /// descriptors and registers may be free the next time.
    pub(crate) fn prove(&self, event: Event) -> Result<(), Absence> {
        let verdict = &self.verdicts[event as usize];
        if let Some(verdict) = verdict.get() {
            return *verdict;
        }
        let try_alone = || try_out(event, &mut CounterGroup::alone(event)?);
        let outcome = match event {
            // Test on another thread, so that the caller's thread is not moved.
            Event::CpuMigrations => std::thread::scope(|scope| scope.spawn(try_alone).join())
                .unwrap_or(Err(Absence::FailedSelfTest)),
            _ => try_alone(),
        };
        let is_final =
            matches!(outcome, Ok(()) | Err(Absence::FailedSelfTest | Absence::CountedNothing));
        if is_final { *verdict.get_or_init(|| outcome) } else { outcome }
    }
}

fn try_out(event: Event, counter: &mut CounterGroup) -> Result<(), Absence> {
    counter.enable()?;
    let begin = Instant::now();
    let mut outcome = Err(Absence::FailedSelfTest);
    let mut n_attempts = 0;
    while n_attempts < ATTEMPTS || (outcome == Err(Absence::NeverRan) && begin.elapsed() < PATIENCE)
    {
        outcome = attempt(event, counter);
        if outcome.is_ok() {
            break;
        }
        n_attempts += 1;
    }
    outcome
}

/// Lets the counter count known work once.
fn attempt(event: Event, counter: &mut CounterGroup) -> Result<(), Absence> {
    let is_right = match event {
        Event::Instructions | Event::Branches => counts_steps(counter)?,
        Event::Cycles => grows_with_steps(counter)?,
        Event::BranchMisses => counts_coin_tosses(counter)?,
        Event::CacheReferences | Event::CacheMisses => counts_cold_lines(counter)?,
        Event::DtlbMisses => counts_new_translations(counter)?,
        Event::PageFaults => counts_fresh_pages(counter)?,
        Event::TaskClock => keeps_to_the_wall_clock(counter)?,
        Event::ContextSwitches => counts_a_nap(counter)?,
        Event::CpuMigrations => counts_a_move(counter)?,
        // perf does not count this event, so this line is never reached.
        _ => false,
    };
    if is_right { Ok(()) } else { Err(Absence::FailedSelfTest) }
}

fn counts_steps(counter: &mut CounterGroup) -> Result<bool, Absence> {
    let mut of_length = |length| counting(counter, || known_work::steps(length * STEPS));
    Ok(is_proportional([of_length(1)?, of_length(2)?, of_length(3)?], STEPS))
}

fn grows_with_steps(counter: &mut CounterGroup) -> Result<bool, Absence> {
    let short = counting(counter, || known_work::steps(STEPS))?;
    let long = counting(counter, || known_work::steps(8 * STEPS))?;
    Ok(short.value > 0.0 && (long.value > short.value || long.is_shared))
}

fn counts_coin_tosses(counter: &mut CounterGroup) -> Result<bool, Absence> {
    let count = counting(counter, || known_work::coin_tosses(STEPS))?;
    Ok(is_at_least(count, STEPS / 50))
}

fn counts_cold_lines(counter: &mut CounterGroup) -> Result<bool, Absence> {
    let mut pages = FreshPages::map(PAGES).map_err(Absence::Errno)?;
    // Write first, because reads of unwritten pages would all read the kernel's one page of zeroes.
    pages.write_each();
    pages.flush_lines();
    let count = counting(counter, || pages.read_lines())?;
    Ok(is_at_least(count, pages.n_lines() as u64 / 8))
}

fn counts_new_translations(counter: &mut CounterGroup) -> Result<bool, Absence> {
    // No translation of untouched pages can be cached.
    let pages = FreshPages::map(PAGES).map_err(Absence::Errno)?;
    let count = counting(counter, || pages.read_each())?;
    Ok(is_at_least(count, PAGES as u64 / 4))
}

fn counts_fresh_pages(counter: &mut CounterGroup) -> Result<bool, Absence> {
    let mut pages = FreshPages::map(PAGES).map_err(Absence::Errno)?;
    let count = counting(counter, || pages.write_each())?;
    Ok(is_fault_per_page(count, PAGES as u64))
}

fn keeps_to_the_wall_clock(counter: &mut CounterGroup) -> Result<bool, Absence> {
    let begin = Instant::now();
    let count = counting(counter, known_work::spin_until_later)?;
    Ok(is_time_within(count, begin.elapsed()))
}

fn counts_a_nap(counter: &mut CounterGroup) -> Result<bool, Absence> {
    let nap = || std::thread::sleep(Duration::from_micros(50));
    Ok(is_at_least(counting(counter, nap)?, 1))
}

fn counts_a_move(counter: &mut CounterGroup) -> Result<bool, Absence> {
    let mut moved = false;
    let count = counting(counter, || moved = known_work::visit_another_cpu())?;
    // On a single CPU there is nothing to prove and nothing to count.
    Ok(!moved || is_at_least(count, 1))
}

/// The count of known work.
#[derive(Debug, Clone, Copy)]
struct Count {
    value: f64,
    /// Whether the counter had its register only part of the time. The value is then an estimate, and the
    /// test can only require that it is not 0.
    is_shared: bool,
}

/// Counts `work` with a counter that is alone in its group.
fn counting(counter: &mut CounterGroup, work: impl FnOnce()) -> Result<Count, Absence> {
    let before = mark(counter)?;
    work();
    let after = mark(counter)?;
    let mut tally = Tally::default();
    tally.add(before, after);
    let event = counter.events().next().ok_or(Absence::NotMeasured)?;
    match tally.reading(event, cores(event)) {
        // The known work causes every event at least once, except a migration, which may be impossible.
        Reading::Exact(0) if event != Event::CpuMigrations => Err(Absence::CountedNothing),
        // The work took time on this thread, so the counter was enabled.
        Reading::Unavailable(Absence::TooShort) => Err(Absence::NeverRan),
        Reading::Unavailable(absence) => Err(absence),
        reading => Ok(Count {
            value: reading.value().unwrap_or_default(),
            is_shared: matches!(reading, Reading::Multiplexed { .. }),
        }),
    }
}

fn mark(counter: &mut CounterGroup) -> Result<Mark, Absence> {
    let mut marks = [Mark::default(); SLOTS];
    counter.read(&mut marks)?;
    let event = counter.events().next().ok_or(Absence::NotMeasured)?;
    Ok(marks[event as usize])
}

/// Returns whether the counts of loops of lengths 1, 2 and 3 rise by equal amounts, with a plausible count
/// per step.
///
/// The differences do not contain the cost of reading itself. By cachegrind, a step is 4 instructions with 1
/// branch, and 59 with 3 in a build without optimisation. The bounds leave room for compilers that unroll.
fn is_proportional(counts: [Count; 3], steps: u64) -> bool {
    let [one, two, three] = counts.map(|count| count.value);
    if counts.iter().any(|count| count.is_shared) {
        return one > 0.0 || two > 0.0 || three > 0.0;
    }
    let (first, second) = (two - one, three - two);
    let believable = steps as f64 / 16.0..steps as f64 * 256.0;
    believable.contains(&first) && (first - second).abs() <= 0.02 * first
}

fn is_at_least(count: Count, least: u64) -> bool {
    count.value >= least as f64 || (count.is_shared && count.value > 0.0)
}

/// Expects one fault per page, or some more if the kernel unmapped something meanwhile (NUMA balancing).
fn is_fault_per_page(count: Count, n_pages: u64) -> bool {
    (n_pages..=n_pages + n_pages / 4).contains(&(count.value as u64))
}

/// Returns whether the counted time is above 0 and not longer than the wall time. A tick of 10 ms and a clock
/// that is a tenth off are allowed.
fn is_time_within(count: Count, wall: Duration) -> bool {
    let most = 1.1 * wall.as_nanos() as f64 + 10e6;
    count.value > 0.0 && count.value <= most
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn exact(value: f64) -> Count {
        Count { value, is_shared: false }
    }

    const fn shared(value: f64) -> Count {
        Count { value, is_shared: true }
    }

    #[test]
    fn only_equal_steps_are_proportional() {
        let table = [
            ([30_300.0, 60_300.0, 90_310.0], true),
            ([0.0, 0.0, 0.0], false),
            // A stuck counter, a falling one, a quadratic one, and one that counts another program.
            ([500.0, 500.0, 500.0], false),
            ([90_000.0, 60_000.0, 30_000.0], false),
            ([30_000.0, 120_000.0, 270_000.0], false),
            ([10.0, 12.0, 14.0], false),
        ];
        for (counts, expected) in table {
            assert_eq!(is_proportional(counts.map(exact), 10_000), expected, "{counts:?}");
        }
    }

    #[test]
    fn a_shared_counter_needs_only_be_there() {
        assert!(is_proportional([0.0, 70_000.0, 20_000.0].map(shared), 10_000));
        assert!(!is_proportional([0.0; 3].map(shared), 10_000));
        assert!(is_at_least(shared(3.0), 100));
        assert!(!is_at_least(shared(0.0), 100));
        assert!(!is_at_least(exact(3.0), 100));
    }

    #[test]
    fn faults_are_one_a_page() {
        assert!(is_fault_per_page(exact(64.0), 64));
        assert!(is_fault_per_page(exact(66.0), 64));
        assert!(!is_fault_per_page(exact(63.0), 64));
        assert!(!is_fault_per_page(exact(128.0), 64));
    }

    #[test]
    fn time_stands_still_for_no_clock_nor_outruns_the_wall() {
        let wall = Duration::from_millis(1);
        assert!(is_time_within(exact(900_000.0), wall));
        assert!(!is_time_within(exact(0.0), wall));
        assert!(!is_time_within(exact(1e9), wall));
    }
}
