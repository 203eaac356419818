//! Every counter proves itself on work whose count is known before it is trusted.
//!
//! Some virtual machines offer counters that open, run and stay at 0, or count the neighbour; a
//! growth fitted through them would look flat. The rules are lenient: they tell a counter from
//! none, not a good one from a better, since a proof that fails by mere noise costs a event.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::event::Event;
use crate::group::CounterGroup;
use crate::known_work::{self, FreshPages};
use crate::perf::cores;
use crate::reading::{Absence, Reading};
use crate::tally::{Mark, SLOTS, Tally};

/// The verdicts of this process.
pub(crate) static PROCESS_TRUST: Trust = Trust::new();

/// Tries before a counter is given up: the first may fall into an interrupt or a migration.
const ATTEMPTS: u32 = 5;

/// How long a counter may wait for a register before it counts as never running. The kernel takes
/// turns every `perf_event_mux_interval_ms`, by default one tick: 10 ms at the most.
pub(crate) const PATIENCE: Duration = Duration::from_millis(25);

/// Steps of the known loop, in its shortest length.
const STEPS: u64 = 10_000;

/// Pages touched for the first time, and lines read of them.
const PAGES: usize = 64;

/// Which counters have proven themselves, each tried once.
pub(crate) struct Trust {
    verdicts: [OnceLock<Result<(), Absence>>; SLOTS],
}

impl Trust {
    /// Nothing proven yet.
    pub(crate) const fn new() -> Trust {
        Trust { verdicts: [const { OnceLock::new() }; SLOTS] }
    }

    /// Everything proven, for counters that are only simulated.
    #[cfg(test)]
    pub(crate) fn in_all() -> Trust {
        Trust { verdicts: std::array::from_fn(|_| OnceLock::from(Ok(()))) }
    }

    /// Opens `event` by itself and, the first time, has it prove itself.
    ///
    /// Why a counter could not be opened, or was not scheduled, is not remembered: descriptors and
    /// registers may be free the next time.
    pub(crate) fn prove(&self, event: Event) -> Result<(), Absence> {
        let verdict = &self.verdicts[event as usize];
        if let Some(verdict) = verdict.get() {
            return *verdict;
        }
        let try_alone = || try_out(event, &mut CounterGroup::alone(event)?);
        let outcome = match event {
            // The caller's thread stays where it is.
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

/// Has the counter count known work once.
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
        // Not counted by perf, so never here.
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
    // Read before they are written, all pages would be the kernel's one page of zeroes.
    pages.write_each();
    pages.flush_lines();
    let count = counting(counter, || pages.read_lines())?;
    Ok(is_at_least(count, pages.n_lines() as u64 / 8))
}

fn counts_new_translations(counter: &mut CounterGroup) -> Result<bool, Absence> {
    // Of pages never touched no translation can be cached.
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
    // Bound to one processor there is nothing to prove, and nothing to count.
    Ok(!moved || is_at_least(count, 1))
}

/// What a counter made of known work.
#[derive(Debug, Clone, Copy)]
struct Count {
    value: f64,
    /// It had its register for a part of the time, so the value is a guess and only its being there
    /// proves something.
    is_shared: bool,
}

/// What the counter, alone in its group, makes of `work`.
fn counting(counter: &mut CounterGroup, work: impl FnOnce()) -> Result<Count, Absence> {
    let before = mark(counter)?;
    work();
    let after = mark(counter)?;
    let mut tally = Tally::default();
    tally.add(before, after);
    let event = counter.events().next().ok_or(Absence::NotMeasured)?;
    match tally.reading(event, cores(event)) {
        // The known work causes some of everything, except a move, which may be impossible.
        Reading::Exact(0) if event != Event::CpuMigrations => Err(Absence::CountedNothing),
        // The work took time on this thread, so the counter was wanted.
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

/// Counts of a loop in lengths 1, 2 and 3 rise by equal amounts, each of a believable number a
/// step.
///
/// The differences are free of what reading itself costs. By cachegrind a step is 4 instructions
/// with 1 branch, and 59 with 3 in a build without optimisation; the bounds leave room for
/// compilers that unroll.
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

/// One fault a page; some more if the kernel unmapped something meanwhile (NUMA balancing).
fn is_fault_per_page(count: Count, n_pages: u64) -> bool {
    (n_pages..=n_pages + n_pages / 4).contains(&(count.value as u64))
}

/// Time went by, and not more than by the wall clock; a tick of 10 ms and a clock that is a tenth
/// off are granted.
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
            // Stuck, backwards, quadratic, somebody else's.
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
