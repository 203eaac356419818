//! [`assert_scaling`]: chooses how to measure, and panics on a failure.

use std::env;
use std::hint::black_box;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::clock::Clock;
use crate::count::callgrind::{self, Role};
use crate::count::{self, Test};
use crate::judgement::{Measured, Outcome, Scaling, Way, judge};
use crate::sizes::sizes;

/// Makes a missing counter a failure where it is `1`.
const REQUIRE_COUNTS: &str = "LOADLINE_REQUIRE_COUNTS";

/// Asserts that the cost of `work` grows with N at most as `allowed` says.
///
/// `work` is called at sizes from the `range`: the largest, half of it, and so on. The cost is one of
/// three, and the test's output says which:
///
/// 1. **Instructions counted by perf**, where the machine has such a counter.
/// 2. **Instructions counted by callgrind**, where valgrind is installed. This test then runs a second
///    time under valgrind, alone and up to its call of `assert_scaling`, for at most 60 s. Each size is
///    warmed up once, and the smallest of three counts is taken. Growth that makes up a fifth of the cost at
///    the largest N fails the test, and the message names the functions that grow.
/// 3. **The CPU time of this thread.** Only gross growth fails the test: a cost that more than triples with
///    each of the last two doublings of N. Smaller growth would not be seen.
///
/// With `LOADLINE_REQUIRE_COUNTS=1` in the environment, a test that can count no instructions fails.
///
/// Everything in `work` counts, so keep setup that does not depend on N outside. The value that
/// `work` returns is dropped outside of the measured stretch.
///
/// ```
/// use std::collections::HashMap;
///
/// use loadline_harness::{Scaling, assert_scaling};
///
/// assert_scaling(Scaling::Linear, 64..=4096, |n| {
///     (0..n).map(|i| (i, i)).collect::<HashMap<usize, usize>>()
/// });
/// ```
///
/// A list that is searched for each item fails:
///
/// ```should_panic
/// use loadline_harness::{Scaling, assert_scaling};
///
/// assert_scaling(Scaling::Linear, 64..=1024, |n| {
///     let mut seen = Vec::new();
///     for item in 0..n {
///         if !seen.contains(&item) {
///             seen.push(item);
///         }
///     }
/// });
/// ```
///
/// # Panics
/// When the cost grows faster than allowed, when the largest size is less than eight times the
/// smallest, and when counts are required but missing.
#[track_caller]
pub fn assert_scaling<R>(
    allowed: Scaling,
    range: RangeInclusive<usize>,
    mut work: impl FnMut(usize) -> R,
) {
    let sizes = match sizes(&range) {
        Ok(sizes) => sizes,
        Err(problem) => panic!("{problem}"),
    };
    let role = Role::of_this_process();
    if let Role::Counts { ordinal } = role {
        return count_one(ordinal, &sizes, &mut work);
    }
    // Shows at once where `work` itself panics, and does for the test what it may rely on.
    drop(work(sizes[0]));
    let (outcome, mut text) = match measure_counts(role, &sizes, &mut work) {
        Ok(measured) => judge(&measured, allowed),
        Err(reasons) if env::var(REQUIRE_COUNTS).is_ok_and(|value| value == "1") => {
            panic!(
                "no instructions could be counted, and {REQUIRE_COUNTS}=1 requires it: {reasons}"
            )
        }
        Err(reasons) => {
            let (outcome, text) = judge_times(allowed, &sizes, &mut work);
            (outcome, format!("{text} Instructions could not be counted: {reasons}."))
        }
    };
    text.insert_str(0, "assert_scaling: ");
    match outcome {
        Outcome::Fail => panic!("{text}"),
        Outcome::Pass | Outcome::Unsure => println!("{text}"),
    }
}

/// In the process that counts: counts the call that is meant, and leaves the test; other calls
/// return at once.
fn count_one<R>(ordinal: usize, sizes: &[usize], work: &mut impl FnMut(usize) -> R) {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    if CALLS.fetch_add(1, Ordering::Relaxed) != ordinal {
        return;
    }
    callgrind::count_here(sizes, work);
    // Unwinds, so that what the test has made is removed, and prints no message.
    std::panic::resume_unwind(Box::new("counted"));
}

/// Counts instructions by the first counter there is.
///
/// # Errors
/// The reasons why there is none.
fn measure_counts<R, F: FnMut(usize) -> R>(
    role: Role,
    sizes: &[usize],
    work: &mut F,
) -> Result<Measured, String> {
    let no_perf = match count::by_perf(sizes, work) {
        Ok(counted) => return Ok(Measured::counts(Way::Perf, sizes, counted)),
        Err(reason) => reason,
    };
    let no_callgrind = match role {
        Role::BelowCounts => "a counted test has started this process".to_owned(),
        _ => match callgrind::count(&Test::current::<F>(), sizes) {
            Ok((counted, version)) => {
                return Ok(Measured::counts(Way::Callgrind(version), sizes, counted));
            }
            Err(reason) => reason,
        },
    };
    Err(format!("perf: {no_perf}; callgrind: {no_callgrind}"))
}

/// Repetitions of each size: first, and again with new readings where the readings before suggest gross
/// growth.
const REPETITIONS: [usize; 4] = [10, 10, 40, 40];
/// How many of these have to show gross growth.
const FAILURES: usize = 2;
/// Fewest repetitions that can be judged.
const FEWEST_REPETITIONS: usize = 3;
/// A shorter call is repeated until a reading is as long as this.
const READING: Duration = Duration::from_micros(200);
/// About how long all repetitions together may take, where that leaves the fewest.
const PATIENCE: Duration = Duration::from_secs(20);

/// Judges CPU times. Only gross growth that is seen twice fails.
fn judge_times<R>(
    allowed: Scaling,
    sizes: &[usize],
    work: &mut impl FnMut(usize) -> R,
) -> (Outcome, String) {
    judge_repeatedly(|repetitions| judge(&time(sizes, repetitions, work), allowed))
}

fn judge_repeatedly(mut measure: impl FnMut(usize) -> (Outcome, String)) -> (Outcome, String) {
    let mut failures = 0;
    let mut last = (Outcome::Unsure, String::new());
    for repetitions in REPETITIONS {
        last = measure(repetitions);
        failures += usize::from(last.0 == Outcome::Fail);
        if last.0 == Outcome::Pass || failures == FAILURES {
            return last;
        }
    }
    (Outcome::Unsure, last.1)
}

/// CPU times of all sizes in turn, up and down.
fn time<R>(sizes: &[usize], repetitions: usize, work: &mut impl FnMut(usize) -> R) -> Measured {
    let warm_up: Vec<Duration> = sizes.iter().map(|&n| reading(n, 1, work)).collect();
    let calls: Vec<u32> = warm_up.iter().map(|once| calls(*once)).collect();
    let repetition: Duration = warm_up.iter().map(|once| (*once).max(READING)).sum();
    let affordable = PATIENCE.as_nanos() / repetition.as_nanos().max(1);
    let affordable = usize::try_from(affordable).unwrap_or(usize::MAX);
    let repetitions = repetitions.min(affordable).max(FEWEST_REPETITIONS);
    let mut costs = vec![Vec::new(); sizes.len()];
    for repetition in 0..repetitions {
        for i in 0..sizes.len() {
            let i = if repetition % 2 == 0 { i } else { sizes.len() - 1 - i };
            let spent = reading(sizes[i], calls[i], work);
            costs[i].push(spent.as_nanos() as f64 / f64::from(calls[i]));
        }
    }
    Measured::times(sizes, costs)
}

/// How many calls make a reading, where one takes `once`.
fn calls(once: Duration) -> u32 {
    let calls = READING.as_nanos() / once.as_nanos().max(1);
    u32::try_from(calls).unwrap_or(u32::MAX).clamp(1, 10_000)
}

fn reading<R>(n: usize, calls: u32, work: &mut impl FnMut(usize) -> R) -> Duration {
    let mut spent = Duration::ZERO;
    for _ in 0..calls {
        let start = Clock::Thread.now();
        let value = black_box(work(black_box(n)));
        spent += Clock::Thread.now().saturating_sub(start);
        drop(value);
    }
    spent
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_calls_are_repeated() {
        assert_eq!(calls(Duration::from_millis(3)), 1);
        assert_eq!(calls(Duration::from_micros(20)), 10);
        assert_eq!(calls(Duration::ZERO), 10_000);
    }

    #[test]
    fn gross_growth_has_to_be_seen_twice() {
        use Outcome::{Fail, Pass, Unsure};

        let table: [(&[Outcome], Outcome); 6] = [
            (&[Pass], Pass),
            (&[Fail, Fail], Fail),
            (&[Fail, Pass], Pass),
            (&[Unsure, Fail, Fail], Fail),
            (&[Fail, Unsure, Unsure, Fail], Fail),
            (&[Fail, Unsure, Unsure, Unsure], Unsure),
        ];
        for (seen, expected) in table {
            let mut outcomes = seen.iter();
            let next = |_| (*outcomes.next().expect("no more was to be measured"), String::new());
            assert_eq!(judge_repeatedly(next).0, expected, "{seen:?}");
            assert_eq!(outcomes.len(), 0, "{seen:?}");
        }
    }

    #[test]
    fn every_size_has_all_its_readings() {
        let sizes = [1, 2, 4, 8, 16];
        let measured = time(&sizes, 4, &mut |n| n);
        assert!(measured.series.costs().iter().all(|row| row.len() == 4));
        assert_eq!(measured.series.sizes(), [1, 2, 4, 8, 16]);
    }

    #[test]
    #[should_panic(expected = "at least eight times the smallest (512)")]
    fn a_range_that_cannot_be_judged_is_refused() {
        assert_scaling(Scaling::Linear, 64..=128, |n| n);
    }
}
