//! What a session's records amount to: the rounds of each series, or why there are none. Judges nothing.

mod gather;
mod one;

pub use gather::is_given_up;
pub use one::{MeasuredScenario, Rounds, can_be_judged, exact_means, reading, series, why_absent};

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

/// A session's results: the series of each scenario, in the scenarios' order.
#[derive(Debug)]
pub struct Measured {
    /// The machine and the build.
    pub environment: Environment,
    /// The metrics that cannot be counted here.
    pub absent: Vec<Absent>,
    /// What was measured.
    pub scenarios: Vec<MeasuredScenario>,
    /// Where the raw samples are.
    pub saved: PathBuf,
    /// When it began, in seconds since 1970-01-01 UTC.
    pub started: u64,
    /// What decided the order of runs.
    pub seed: u64,
    /// Rungs that this machine's limits left out, one sentence each.
    pub left_out: Vec<String>,
    /// Where limits of the system end scenarios.
    pub forecasts: Vec<Forecast>,
    /// Which part of a suite this is, where it is one.
    pub part: Option<Shard>,
    /// What was measured in turn with it, by another build.
    pub before: Option<MeasuredBefore>,
    /// How it is asked for again.
    pub again: Again,
    /// The day on which it is judged, in UTC: what is accepted until a day depends on it.
    pub today: String,
}

/// The other build's results.
#[derive(Debug)]
pub struct MeasuredBefore {
    /// The build.
    pub build: Against,
    /// The scenarios, as it carried them out.
    pub scenarios: Vec<MeasuredScenario>,
}

impl Measured {
    /// What a session's records amount to, fresh or saved long ago.
    pub fn of(
        header: &Header,
        scenarios: Vec<Scenario>,
        records: &[RunRecord],
        saved: PathBuf,
    ) -> Measured {
        let profiles = profile::folder(session::folder(&saved));
        let planned = |scenario: &Scenario| {
            let title = scenario.title();
            header.scenarios.iter().find(|planned| planned.scenario == title)
        };
        // Planted work is not measured on when nothing else is.
        let mut asked = scenarios.iter().filter(|s| !s.subject.is_planted()).peekable();
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

/// Whether both builds of a comparison carry `scenario` out; planted work tells of the session.
pub fn is_compared(scenario: &Scenario) -> bool {
    !scenario.subject.is_planted()
}
