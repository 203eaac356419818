//! How a session was asked for: what decides its runs and verdicts, as far as the scenarios do not say
//! it. Sessions save these values, so that they can be resumed, judged again and merged.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use loadline_scenario::{Metric, Unwinder};
use serde::{Deserialize, Serialize};

/// What the processes that are measured run under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Surroundings {
    /// Which unwinder they have.
    pub unwinder: Unwinder,
    /// The processors to stay on; all if empty.
    #[serde(default)]
    pub processors: Vec<usize>,
}

impl Surroundings {
    /// The machine as it is, but for the unwinder.
    pub fn under(unwinder: &Unwinder) -> Surroundings {
        Surroundings { unwinder: unwinder.clone(), processors: Vec::new() }
    }
}

/// One part of so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Which, from 1.
    pub index: usize,
    /// Of how many.
    pub count: usize,
}

/// The seed of every part that is not given another: parts of one suite have one seed.
pub const SHARD_SEED: u64 = 1;

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Shard, String> {
        let numbers = text.split_once('/').map(|(index, count)| (index.parse(), count.parse()));
        match numbers {
            Some((Ok(index), Ok(count))) if 1 <= index && index <= count => {
                Ok(Shard { index, count })
            }
            _ => Err("it is not I/K with I from 1 to K, as in 1/4".to_owned()),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

/// What the user asked to be told by the exit code.
#[derive(Debug, Clone, Copy, Default)]
pub struct Strictness {
    /// Whatever stays open counts: undecided, not measured, superlinear but not gated, or accepted
    /// and no longer seen.
    pub inconclusive: bool,
    /// Missing baselines count.
    pub no_baseline: bool,
}

/// What times read of a phase in which nothing is done: nine of ten readings are at most this.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Floor(pub BTreeMap<Metric, f64>);

/// What became of a forecast.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Forecast {
    /// The scenario's title.
    pub scenario: String,
    /// What was foretold, and what was found there, as one sentence.
    pub sentence: String,
    /// Whether it is what was foretold, or could not be looked at.
    pub holds: bool,
}

/// What an acceptance states beside its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// Where the growth is reported.
    pub link: String,
    /// When it is no longer accepted.
    pub expires: String,
}
