//! Known issues: growth beyond linear that a scenario states, with unwinders, reason and expiry
//! ([`KnownGrowth`]).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::expiry::{Expiry, FORMS};
use crate::metric::series_name::SeriesName;
use crate::scenario::error::{ScenarioError, wrong};

/// A known issue: growth beyond linear with its reason, accepted until it expires.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownGrowth {
    /// The series that show the growth.
    pub series: Vec<SeriesName>,
    /// The unwinder families that show the growth: `libgcc-list`, `libgcc-tree`, `llvm`, `other` or `any`.
    pub unwinders: Vec<String>,
    /// The fields and values on which the growth depends. If one is changed, the growth is not expected.
    #[serde(default)]
    pub when: BTreeMap<String, String>,
    /// The expected growth.
    pub class: GrowthClass,
    /// The mechanism, as one sentence.
    pub reason: String,
    /// The address where the growth is reported or described.
    pub link: String,
    /// The text of the expiry, in the form that [`Expiry`] reads.
    pub expires: String,
}

/// A class of growth beyond linear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrowthClass {
    /// At most N².
    Quadratic,
}

/// The unwinder families that a `known_issue` may name, and `any`.
const UNWINDERS: [&str; 5] = ["libgcc-list", "libgcc-tree", "llvm", "other", "any"];

impl KnownGrowth {
    /// Refuses a known issue with an unknown unwinder, or with an invalid link or expiry.
    pub(super) fn check(
        field: &'static str,
        unwinders: &[String],
        link: &str,
        expires: &str,
    ) -> Result<(), ScenarioError> {
        if let Some(unwinder) = unwinders.iter().find(|named| !UNWINDERS.contains(&named.as_str()))
        {
            let known = UNWINDERS.join(", ");
            let problem = format!("unknown unwinder {unwinder:?} (known: {known})");
            return Err(wrong(field, problem));
        }
        if !link.starts_with("https://") {
            return Err(wrong(field, "link must be an https:// address a reader can open"));
        }
        if Expiry::parse(expires).is_none() {
            return Err(wrong(field, format!("expires must be {}", FORMS)));
        }
        Ok(())
    }
}
