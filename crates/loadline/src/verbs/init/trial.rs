//! Runs a new scenario once at its smallest size, so that a wrong path or a missing marker shows at once.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use loadline_measure::out;
use loadline_measure::process::interrupt::Interrupt;
use loadline_measure::process::runner::Runner;
use loadline_measure::project::files;
use loadline_measure::project::folders::Project;
use loadline_measure::session::bench::Bench;
use loadline_record::header::{Outcome, Side};
use loadline_record::{Error, Exit, Machine, Result};
use loadline_scenario::units::amount;
use loadline_scenario::{Collector, Run, Scenario, Unwinder};

use super::texts::{LARGEST, SMALLEST};

/// A first run that succeeded.
#[derive(Debug)]
pub struct Trial {
    n: usize,
    seconds: f64,
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Trial { n, seconds } = self;
        write!(f, "ran it once at N = {n}, in {}", amount(seconds * 1e9, "ns"))
    }
}

impl Trial {
    /// The largest size at which a run takes at most 20 seconds, if the cost is linear.
    pub fn largest(&self) -> usize {
        const LONGEST: f64 = 20.0;
        let takes = |size: usize| self.seconds * (size / self.n) as f64;
        let mut largest = LARGEST;
        while largest > 16 * SMALLEST && takes(largest) > LONGEST {
            largest /= 2;
        }
        largest
    }
}

/// Builds the project at `root` and runs its scenario `name` once at the smallest size. Returns `None`, after
/// a note, if the runner is not installed.
///
/// # Errors
/// When the build or the run fails, or the run does not mark a phase that is judged.
pub fn run(root: &Path, name: &str) -> Result<Option<Trial>> {
    let interrupt = Interrupt::listen()?;
    let project = Project::open(Some(root))?;
    let machine = Machine::under(&Unwinder::Host);
    let runner = match Runner::build(&project, &machine, &interrupt) {
        Ok(runner) => runner,
        Err(error) if project.is_installed => {
            out::note(format_args!("did not run it: {error:#}"));
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    project.build(&interrupt)?;
    let scenario = files::read(&project, project.scenario(name, &BTreeMap::new())?)?;
    let bench = Bench { project: &project, runner: &runner, before: None };
    let (environment, _) = bench.describe()?;
    let n = scenario.sizes.first().copied().unwrap_or(SMALLEST);
    let small = Scenario { sizes: vec![n], callgrind_sizes: vec![n], ..scenario };
    bench.prepare_all(std::slice::from_ref(&small), None)?;
    let visit =
        (Run { scenario: 0, modules: n, repetition: 0, collector: Collector::Clock }, Side::Now);
    let (record, _) =
        bench.run(&small, &visit, &small.metrics_by(Collector::Clock), 0, &environment)?;
    match record.outcome {
        Outcome::Failed { error } => Err(Error::new(Exit::CouldNotMeasure, error)),
        Outcome::Finished { .. } => Ok(Some(Trial { n, seconds: record.seconds })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_program_gets_smaller_sizes() {
        let largest = |seconds| Trial { n: SMALLEST, seconds }.largest();
        assert_eq!((largest(0.1), largest(0.6), largest(60.0)), (LARGEST, 2048, 1024));
    }
}
