//! Turns a session's records into the repetitions of each series, or the reason why there are none. Judges
//! nothing.

mod gather;
mod one;

pub use gather::is_given_up;
pub use one::{
    MeasuredScenario, Repetitions, can_be_judged, exact_collectors, reading, series, why_absent,
};

use gather::{Runs, gather};
use std::path::PathBuf;

use loadline_scenario::{Absent, Environment, Scenario};

use crate::Forecast;
use crate::Shard;
use crate::files::header::{Against, Header, RunRecord, Side};
use crate::files::profile;
use crate::files::session::{self};
use crate::reproduce::Again;
use crate::time;

/// The results of a session: the series of each scenario, in the order of scenarios.
#[derive(Debug)]
pub struct Measured {
    /// The machine and the build.
    pub environment: Environment,
    /// The metrics that cannot be counted on this machine.
    pub absent: Vec<Absent>,
    /// The measured scenarios.
    pub scenarios: Vec<MeasuredScenario>,
    /// The path of the raw samples.
    pub saved: PathBuf,
    /// When the session began, in seconds since 1970-01-01 UTC.
    pub started: u64,
    /// When the session ended, in seconds since 1970-01-01 UTC, if it did.
    pub finished: Option<u64>,
    /// The seed that decided the order of runs.
    pub seed: u64,
    /// The sizes that this machine's limits left out, one sentence per case.
    pub left_out: Vec<String>,
    /// Where system limits end scenarios.
    pub forecasts: Vec<Forecast>,
    /// The part of a suite that this session measured, if any.
    pub part: Option<Shard>,
    /// The measurements of another build, taken in turn with this one.
    pub before: Option<MeasuredBefore>,
    /// The flags that ask for this session again.
    pub again: Again,
    /// The day on which the session is judged, in UTC. It decides which known issues have expired.
    pub today: String,
}

/// The results of the other build.
#[derive(Debug)]
pub struct MeasuredBefore {
    /// The other build.
    pub build: Against,
    /// The scenarios, as the other build measured them.
    pub scenarios: Vec<MeasuredScenario>,
}

impl Measured {
    /// Computes the results of a session, new or saved earlier, from its records.
    pub fn of(
        header: &Header,
        scenarios: Vec<Scenario>,
        records: &[RunRecord],
        saved: PathBuf,
    ) -> Measured {
        let profiles = profile::folder(session::folder(&saved));
        let planned = |scenario: &Scenario| {
            let full_name = scenario.full_name();
            header.scenarios.iter().find(|planned| planned.scenario == full_name)
        };
        // The scenarios of the self-check are given up only together with all other scenarios.
        let mut asked = scenarios.iter().filter(|s| !s.workload.is_self_check()).peekable();
        let is_given_up = asked.peek().is_some() && asked.all(|s| is_given_up(s, records));
        let gather = |scenario: Scenario, side, absent: &[Absent]| {
            let planned = planned(&scenario);
            let profiles = &profiles;
            gather(scenario, &Runs { side, records, absent, profiles, planned, is_given_up })
        };
        let before = header.against.as_ref().map(|build| {
            let compared = scenarios.iter().filter(|s| is_compared(s)).cloned();
            let gathered = compared.map(|s| gather(s, Side::Before, &build.absent));
            MeasuredBefore { build: build.clone(), scenarios: gathered.collect() }
        });
        let gathered = scenarios.into_iter().map(|s| gather(s, Side::Now, &header.absent));
        Measured {
            environment: header.environment.clone(),
            absent: header.absent.clone(),
            scenarios: gathered.collect(),
            saved,
            started: header.started,
            finished: header.finished,
            seed: header.seed,
            left_out: header.left_out.clone(),
            forecasts: header.forecasts.clone(),
            part: header.asked.as_ref().and_then(|asked| asked.part.as_ref()).map(|p| p.shard),
            before,
            again: header.again.clone(),
            today: time::date(time::now()),
        }
    }
}

/// Whether both builds of a comparison run `scenario`. Self-checks check the session, so only one build
/// runs them.
pub fn is_compared(scenario: &Scenario) -> bool {
    !scenario.workload.is_self_check()
}
