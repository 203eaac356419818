//! Makes several runs at a time, for runs that other processes do not disturb.

use loadline_record::Result;
use std::num::NonZeroUsize;
use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};
use std::thread::{available_parallelism, scope};

/// The number of CPUs that this program uses: those in `asked`, or all if `asked` is empty.
pub fn n_processors(asked: &[usize]) -> usize {
    let all = available_parallelism().map_or(1, NonZeroUsize::get);
    if asked.is_empty() { all } else { asked.len().min(all) }
}

/// The number of jobs to run at a time on `processors` CPUs. Each job takes `each` bytes. All jobs together
/// get half of `memory`, if that is known.
pub fn n_workers(processors: usize, memory: Option<f64>, each: f64) -> usize {
    let by_memory = memory.map_or(f64::INFINITY, |memory| memory / 2.0 / each);
    // The cast saturates.
    (by_memory as usize).clamp(1, processors.max(1))
}

/// Calls `run` for each of `jobs`, on `workers` threads. Passes every result to `keep` on this thread, in the
/// order in which the jobs end.
///
/// # Errors
/// The first error of `run` or `keep`. Jobs that have not begun by then are skipped.
pub fn side_by_side<J: Send, R: Send>(
    jobs: Vec<J>,
    workers: usize,
    run: impl Fn(&J) -> Result<R> + Sync,
    mut keep: impl FnMut(R) -> Result<()>,
) -> Result<()> {
    let workers = workers.min(jobs.len());
    let jobs = Mutex::new(jobs.into_iter());
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
    scope(|scope| {
        let (sender, results) = mpsc::channel();
        for _ in 0..workers {
            let (sender, next, run) = (sender.clone(), &next, &run);
            scope.spawn(move || {
                while let Some(job) = next() {
                    let result = run(&job);
                    // The receiver is gone, so no more results are wanted.
                    if sender.send(result).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let kept = results.iter().try_for_each(|result| keep(result?));
        // Ends the workers. The scope waits for jobs that have begun.
        drop(results);
        kept
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use loadline_record::bail;

    use super::*;

    #[test]
    fn no_more_run_at_a_time_than_processors_and_memory_allow() {
        assert_eq!(n_processors(&[0]), 1);
        assert_eq!(n_workers(64, None, 1e9), 64);
        assert_eq!(n_workers(64, Some(16e9), 1e9), 8);
        assert_eq!(n_workers(2, Some(16e9), 1e9), 2);
        // At least one job runs. If its memory does not suffice, the job itself fails.
        assert_eq!(n_workers(2, Some(1e9), 1e9), 1);
        assert_eq!(n_workers(2, Some(0.0), 1e9), 1);
    }

    #[test]
    fn every_job_is_done_and_kept() {
        let mut kept = Vec::new();
        let jobs = (0..100).collect();
        side_by_side(
            jobs,
            2,
            |job| Ok(job * 2),
            |result: u32| {
                kept.push(result);
                Ok(())
            },
        )
        .unwrap();
        kept.sort_unstable();
        assert_eq!(kept, (0..100).map(|job| job * 2).collect::<Vec<_>>());
        side_by_side(Vec::<u32>::new(), 2, |_| Ok(()), |()| Ok(())).unwrap();
    }

    #[test]
    fn the_first_error_ends_it() {
        let run = |job: &u32| if *job == 3 { bail!("three") } else { Ok(*job) };
        let error = side_by_side((0..1_000_000).collect(), 2, run, |_| Ok(())).unwrap_err();
        assert_eq!(error.to_string(), "three");
        let error = side_by_side(vec![1], 2, |job| Ok(*job), |_| bail!("full")).unwrap_err();
        assert_eq!(error.to_string(), "full");
    }
}
