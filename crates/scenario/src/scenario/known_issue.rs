//! Growth beyond linear that a scenario states: [`KnownGrowth`], under which unwinders, why and until when.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::expiry::{Expiry, FORMS};
use crate::metric::series_name::SeriesName;
use crate::scenario::error::{ScenarioError, wrong};

/// Growth beyond linear that is known, why, and until when it is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownGrowth {
    /// The series it shows in.
    pub series: Vec<SeriesName>,
    /// The unwinders it shows under: `libgcc-list`, `libgcc-tree`, `llvm`, `other` or `any`.
    pub unwinders: Vec<String>,
    /// The fields, with their values, it depends on; it is not expected once one is changed.
    #[serde(default)]
    pub when: BTreeMap<String, String>,
    /// The growth expected.
    pub class: GrowthClass,
    /// The mechanism, as one sentence.
    pub reason: String,
    /// Where it is reported or described.
    pub link: String,
    /// Until when it is accepted, as [`Expiry`] reads it.
    pub until: String,
}

/// A growth beyond linear.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrowthClass {
    /// At most N².
    Quadratic,
}

/// The families a `known_growth` may name, and `any`.
const UNWINDERS: [&str; 5] = ["libgcc-list", "libgcc-tree", "llvm", "other", "any"];

impl KnownGrowth {
    /// Refuses what nobody could accept anything by.
    pub(super) fn check(
        field: &'static str,
        unwinders: &[String],
        link: &str,
        until: &str,
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
        if Expiry::parse(until).is_none() {
            return Err(wrong(field, format!("until must be {}", FORMS)));
        }
        Ok(())
    }
}
