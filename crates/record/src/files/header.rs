//! What a session is: what was planned, how it was asked for, and each run as it ended.

use std::collections::BTreeMap;

use loadline_scenario::{Absent, Environment, Means, Metric, Proof, Sample, Scenario, Subject};
use serde::{Deserialize, Serialize};

use crate::reproduce::Again;
use crate::request::{Acceptance, Floor, Forecast, Shard, Surroundings};
use crate::time::now;

/// The format of a session's files.
pub(crate) const FORMAT: u32 = 1;

/// What was planned, and on which machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Header {
    /// The format of the session's files.
    pub format: u32,
    /// Seconds since 1970-01-01 UTC.
    pub started: u64,
    /// What decided the order of runs.
    pub seed: u64,
    /// The scenarios by title, with their rungs and rounds.
    pub scenarios: Vec<Planned>,
    /// The machine and the build.
    pub environment: Environment,
    /// The metrics that cannot be counted there.
    pub absent: Vec<Absent>,
    /// Rungs that the machine's limits left out, one sentence each.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// Where limits of the system end scenarios.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forecasts: Vec<Forecast>,
    /// How `regress` was asked; a session with another build has none and cannot be taken up.
    #[serde(default)]
    pub asked: Option<Asked>,
    /// The flags that ask `regress` for the same.
    #[serde(default)]
    pub again: Again,
    /// How `baseline` was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<Capture>,
    /// The measured program, by a digest.
    #[serde(default)]
    pub runner: Option<String>,
    /// When every run was there and judged, in seconds since 1970-01-01 UTC.
    #[serde(default)]
    pub finished: Option<u64>,
    /// The other build that was measured in turn with this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<Against>,
}

/// The build that a session's runs are compared with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Against {
    /// What people call it: `HEAD~1 (66a3cd8)`, `wasmtime 48.0.7`.
    pub name: String,
    /// The argument that asks for it again.
    pub argument: String,
    /// What it was built with.
    pub environment: Environment,
    /// The metrics that it cannot count.
    pub absent: Vec<Absent>,
}

/// The start of the sentence by which a session says that the machine refuses a size; the reason
/// follows.
pub fn not_measured(title: &str, size: u64) -> String {
    format!("{title}: N = {size} was not measured: ")
}

/// Which of a session's builds a run belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Hash)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The one that is judged.
    #[default]
    Now,
    /// The one it is compared with.
    Before,
}

impl Side {
    /// Whether it is the judged one, as in every session with one build only.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    fn is_now(&self) -> bool {
        *self == Side::Now
    }
}

/// How `regress` was asked: what decides its verdicts beside the runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Asked {
    /// What the measured processes ran under.
    #[serde(flatten)]
    pub surroundings: Surroundings,
    /// The baseline insisted on.
    pub baseline: Option<String>,
    /// Seconds within which undecided series get more rounds.
    pub budget: u64,
    /// What the exit code tells of what stays undecided.
    pub strict: bool,
    /// What it tells of missing baselines.
    pub require_baseline: bool,
    /// Which part of which suite this is, where it is one.
    pub part: Option<Part>,
}

/// How `baseline` was asked, and what it decided before its rounds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Capture {
    /// What the measured processes ran under.
    #[serde(flatten)]
    pub surroundings: Surroundings,
    /// Why the baselines are written.
    pub reason: String,
    /// What accepts superlinear growth, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<Acceptance>,
    /// What an empty phase read.
    pub floor: Floor,
    /// The rungs of every session to come, by the scenario's title.
    pub ladders: BTreeMap<String, Vec<usize>>,
}

/// A part of a suite.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Part {
    /// Which part.
    pub shard: Shard,
    /// The scenarios of all parts in their order, without controls, as their files plan them.
    pub suite: Vec<Planned>,
}

/// One scenario of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// The scenario's title.
    pub scenario: String,
    /// What was changed of how it is measured and judged, field and value.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// Its rungs.
    pub ladder: Vec<usize>,
    /// How many of them, the largest, were added while it was measured.
    #[serde(default)]
    pub n_larger: usize,
    /// Its rungs under callgrind; empty in sessions that did not say, which have the scenario's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub callgrind_ladder: Vec<usize>,
    /// The rounds of runs by means that count exactly, where one does not say the same as another.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inexact: BTreeMap<Means, usize>,
    /// Its rounds; raised before undecided series get more.
    pub processes: usize,
    /// What a run did.
    #[serde(default)]
    pub subject: Option<Subject>,
    /// What the files held that it names, by a digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What was counted.
    #[serde(default)]
    pub metrics: Option<Vec<Metric>>,
}

impl Planned {
    /// What is planned of `scenario`.
    pub fn of(scenario: &Scenario) -> Planned {
        Planned {
            scenario: scenario.title(),
            settings: scenario.settings.clone(),
            ladder: scenario.ladder.clone(),
            n_larger: 0,
            callgrind_ladder: scenario.callgrind_ladder.clone(),
            inexact: BTreeMap::new(),
            processes: scenario.processes,
            subject: Some(scenario.subject.clone()),
            digest: scenario.digest.clone(),
            metrics: Some(scenario.metrics()),
        }
    }
}

/// One run, as it ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunRecord {
    /// The scenario's title.
    pub scenario: String,
    /// N.
    pub modules: usize,
    /// The round, from 0.
    pub round: usize,
    /// Which build.
    #[serde(default, skip_serializing_if = "Side::is_now")]
    pub side: Side,
    /// What watched it.
    #[serde(default, skip_serializing_if = "Means::is_clock")]
    pub means: Means,
    /// The file with its costs by symbol, in the session's folder of profiles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took, its process included.
    #[serde(default)]
    pub seconds: f64,
}

impl RunRecord {
    /// Whether it came to nothing.
    pub fn has_failed(&self) -> bool {
        self.samples().is_none()
    }

    /// What it read, where it came to anything.
    pub fn samples(&self) -> Option<&[Sample]> {
        match &self.outcome {
            Outcome::Finished { samples, .. } => Some(samples),
            Outcome::Failed { .. } => None,
        }
    }
}

/// What came of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It proved its work and gave these readings.
    Finished {
        /// The counts that prove the work.
        proof: Proof,
        /// The readings.
        samples: Vec<Sample>,
    },
    /// It did not.
    Failed {
        /// Why.
        error: String,
    },
}

impl Header {
    /// A header for a session that starts now.
    pub fn new(
        seed: u64,
        scenarios: Vec<Planned>,
        environment: Environment,
        absent: Vec<Absent>,
    ) -> Header {
        Header {
            format: FORMAT,
            started: now(),
            seed,
            scenarios,
            environment,
            absent,
            left_out: Vec::new(),
            forecasts: Vec::new(),
            asked: None,
            again: Again::default(),
            capture: None,
            runner: None,
            finished: None,
            against: None,
        }
    }
}
