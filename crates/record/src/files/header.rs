//! The header of a session (what was planned, and how the user asked for it) and the record of each run.

use std::collections::BTreeMap;

use loadline_scenario::{
    Absent, Collector, Environment, Metric, Proof, Sample, Scenario, Workload,
};
use serde::{Deserialize, Serialize};

use crate::reproduce::Again;
use crate::request::{Acceptance, Floor, Forecast, Machine, Shard};
use crate::time::now;

/// The format of a session's files.
pub(crate) const FORMAT: u32 = 2;

/// The header of a session: what was planned, and on which machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Header {
    /// The format of the session's files.
    pub format: u32,
    /// The start of the session, in seconds since 1970-01-01 UTC.
    pub started: u64,
    /// The seed that decided the order of runs.
    pub seed: u64,
    /// The scenarios by full name, with their sizes and repetitions.
    pub scenarios: Vec<Planned>,
    /// The machine and the build.
    pub environment: Environment,
    /// The metrics that cannot be counted on this machine.
    pub absent: Vec<Absent>,
    /// The sizes that the machine's limits left out, one sentence per case.
    #[serde(default)]
    pub left_out: Vec<String>,
    /// Where system limits end scenarios.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forecasts: Vec<Forecast>,
    /// How the user asked `regress`. A session that compares with another build has none and cannot be
    /// resumed.
    #[serde(default)]
    pub asked: Option<Asked>,
    /// The flags that ask `regress` for the same session again.
    #[serde(default)]
    pub again: Again,
    /// How the user asked `baseline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capture: Option<Capture>,
    /// A digest of the measured program.
    #[serde(default)]
    pub runner: Option<String>,
    /// When every run was finished and judged, in seconds since 1970-01-01 UTC.
    #[serde(default)]
    pub finished: Option<u64>,
    /// The other build, which was measured in turn with this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<Against>,
}

/// The build that a session's runs are compared with.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Against {
    /// The name of the build for people: `HEAD~1 (66a3cd8)`, `wasmtime 48.0.7`.
    pub name: String,
    /// The argument that selects this build again.
    pub argument: String,
    /// The environment that the build was made with.
    pub environment: Environment,
    /// The metrics that this build cannot count.
    pub absent: Vec<Absent>,
}

/// Returns the start of the sentence by which a session says that the machine refuses a size. The reason
/// follows.
pub fn not_measured(full_name: &str, size: u64) -> String {
    format!("{full_name}: N = {size} was not measured: ")
}

/// The build of a session that a run belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Hash)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// The build that is judged.
    #[default]
    Now,
    /// The build that the judged build is compared with.
    Before,
}

impl Side {
    /// Whether this is the judged build. It is in every session with only one build.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
    fn is_now(&self) -> bool {
        *self == Side::Now
    }
}

/// How the user asked `regress`: the settings, besides the runs, that decide its verdicts.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Asked {
    /// The settings that the measured processes ran under.
    #[serde(flatten)]
    pub machine: Machine,
    /// The baseline that the user insisted on.
    pub baseline: Option<String>,
    /// Seconds within which undecided series get more repetitions.
    pub budget: u64,
    /// Whether undecided series change the exit code.
    pub strict: bool,
    /// Whether missing baselines change the exit code.
    pub require_baseline: bool,
    /// Whether only exact counts are judged, and nothing is measured further.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub quick: bool,
    /// The part of a suite that this session measured, if any.
    pub part: Option<Part>,
}

/// How the user asked `baseline`, and what the command decided before its repetitions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Capture {
    /// The settings that the measured processes ran under.
    #[serde(flatten)]
    pub machine: Machine,
    /// Why the user writes the baselines.
    pub reason: String,
    /// The known issue that accepts superlinear growth, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<Acceptance>,
    /// The readings of an empty phase.
    pub floor: Floor,
    /// The sizes of every later session, by the scenario's full name.
    pub sizes: BTreeMap<String, Vec<usize>>,
}

/// A part of a suite.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Part {
    /// The number of the part, and of how many.
    pub shard: Shard,
    /// The scenarios of all parts in order, without controls, as their files plan them.
    pub suite: Vec<Planned>,
}

/// One scenario of a session, as planned.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Planned {
    /// The scenario's full name.
    pub scenario: String,
    /// The changed settings for measuring and judging, by field.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, String>,
    /// The sizes that the session measures.
    pub sizes: Vec<usize>,
    /// How many of the sizes, the largest ones, were added while the scenario was measured.
    #[serde(default)]
    pub n_larger: usize,
    /// The sizes under callgrind. Empty if valgrind cannot run the scenario's command.
    pub callgrind_sizes: Vec<usize>,
    /// The repetitions per exact collector, for collectors whose runs gave different counts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inexact: BTreeMap<Collector, usize>,
    /// The repetitions. The number rises before undecided series get more.
    pub repetitions: usize,
    /// The workload of each run.
    #[serde(default)]
    pub workload: Option<Workload>,
    /// A digest of the files that the scenario names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The metrics that were counted.
    #[serde(default)]
    pub metrics: Option<Vec<Metric>>,
}

impl Planned {
    /// Returns what a session plans for `scenario`.
    pub fn of(scenario: &Scenario) -> Planned {
        Planned {
            scenario: scenario.full_name(),
            settings: scenario.settings.clone(),
            sizes: scenario.sizes.clone(),
            n_larger: 0,
            callgrind_sizes: scenario.callgrind_sizes.clone(),
            inexact: BTreeMap::new(),
            repetitions: scenario.repetitions,
            workload: Some(scenario.workload.clone()),
            digest: scenario.digest.clone(),
            metrics: Some(scenario.metrics()),
        }
    }
}

/// The record of one run, written when the run ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunRecord {
    /// The scenario's full name.
    pub scenario: String,
    /// The size N of the run.
    pub modules: usize,
    /// The repetition, from 0.
    pub repetition: usize,
    /// The build that the run belongs to.
    #[serde(default, skip_serializing_if = "Side::is_now")]
    pub side: Side,
    /// The collector that counted the run.
    #[serde(default, skip_serializing_if = "Collector::is_clock")]
    pub collector: Collector,
    /// The file with the run's costs by function, in the session's folder of profiles.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// How the run ended.
    pub outcome: Outcome,
    /// How long the run took in seconds, including its process.
    #[serde(default)]
    pub seconds: f64,
}

impl RunRecord {
    /// Whether the run failed.
    pub fn has_failed(&self) -> bool {
        self.samples().is_none()
    }

    /// Returns the run's samples, or `None` if the run failed.
    pub fn samples(&self) -> Option<&[Sample]> {
        match &self.outcome {
            Outcome::Finished { samples, .. } => Some(samples),
            Outcome::Failed { .. } => None,
        }
    }
}

/// How a run ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The run proved its work and gave these samples.
    Finished {
        /// The counts that prove the work.
        proof: Proof,
        /// The samples.
        samples: Vec<Sample>,
    },
    /// The run failed.
    Failed {
        /// Why the run failed.
        error: String,
    },
}

impl Header {
    /// Returns a header for a session that starts now.
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
