//! How a session was asked for: what decides its runs and verdicts, as far as the scenarios do not say
//! it. Sessions save these values, so that they can be resumed, judged again and merged.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use loadline_scenario::{Metric, Unwinder};
use serde::{Deserialize, Serialize};

/// The settings that the measured processes run under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The unwinder that the processes use.
    pub unwinder: Unwinder,
    /// The CPUs to run on; all CPUs if empty.
    #[serde(default)]
    pub processors: Vec<usize>,
}

impl Machine {
    /// Returns the machine's own settings, with this unwinder.
    pub fn under(unwinder: &Unwinder) -> Machine {
        Machine { unwinder: unwinder.clone(), processors: Vec::new() }
    }
}

/// One part of a suite, as `I/K` on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// The number of the part, from 1.
    pub index: usize,
    /// The number of parts.
    pub count: usize,
}

/// The default seed of every part, so that all parts of a suite share one seed.
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

/// Which findings the user wants the exit code to report.
#[derive(Debug, Clone, Copy, Default)]
pub struct Strictness {
    /// Reports series that stay open: undecided, not measured, superlinear but not gated, or accepted and no
    /// longer seen.
    pub inconclusive: bool,
    /// Reports missing baselines.
    pub no_baseline: bool,
}

/// The noise floor of times: nine of ten readings of a phase that does nothing are at most this, per metric.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Floor(pub BTreeMap<Metric, f64>);

/// What a session found out about a forecast.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Forecast {
    /// The scenario's full name.
    pub scenario: String,
    /// The forecast and what was found at that size, as one sentence.
    pub sentence: String,
    /// Whether the forecast came true or could not be checked.
    pub holds: bool,
}

/// The link and the expiry of a known issue, besides its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// The report of the growth, as a link.
    pub link: String,
    /// When the known issue expires.
    pub expires: String,
}
