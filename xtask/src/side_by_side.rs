//! Several runs at a time, for those that nothing beside them disturbs.

use std::num::NonZeroUsize;
use std::sync::mpsc;
use std::sync::{Mutex, PoisonError};
use std::thread::{available_parallelism, scope};

/// Carries out `run` on every one of `jobs`, as many at a time as there are processors, and gives
/// what comes of each to `keep` on this thread, in the order of ending.
///
/// # Errors
/// The first of `run` or `keep`; jobs that have not begun then are not.
pub fn side_by_side<J: Send, R: Send>(
    jobs: Vec<J>,
    run: impl Fn(&J) -> anyhow::Result<R> + Sync,
    mut keep: impl FnMut(R) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let workers = available_parallelism().map_or(1, NonZeroUsize::get).min(jobs.len());
    let jobs = Mutex::new(jobs.into_iter());
    let next = || jobs.lock().unwrap_or_else(PoisonError::into_inner).next();
    scope(|scope| {
        let (sender, results) = mpsc::channel();
        for _ in 0..workers {
            let (sender, next, run) = (sender.clone(), &next, &run);
            scope.spawn(move || {
                while let Some(job) = next() {
                    let result = run(&job);
                    // Whoever stopped listening wants no more.
                    if sender.send(result).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let kept = results.iter().try_for_each(|result| keep(result?));
        // Ends the workers: what has begun is not waited for twice.
        drop(results);
        kept
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_job_is_done_and_kept() {
        let mut kept = Vec::new();
        let jobs = (0..100).collect();
        side_by_side(
            jobs,
            |job| Ok(job * 2),
            |result: u32| {
                kept.push(result);
                Ok(())
            },
        )
        .unwrap();
        kept.sort_unstable();
        assert_eq!(kept, (0..100).map(|job| job * 2).collect::<Vec<_>>());
        side_by_side(Vec::<u32>::new(), |_| Ok(()), |()| Ok(())).unwrap();
    }

    #[test]
    fn the_first_error_ends_it() {
        let run = |job: &u32| if *job == 3 { anyhow::bail!("three") } else { Ok(*job) };
        let error = side_by_side((0..1_000_000).collect(), run, |_| Ok(())).unwrap_err();
        assert_eq!(error.to_string(), "three");
        let error = side_by_side(vec![1], |job| Ok(*job), |_| anyhow::bail!("full")).unwrap_err();
        assert_eq!(error.to_string(), "full");
    }
}
