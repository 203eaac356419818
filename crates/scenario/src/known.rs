//! Growth beyond linear that a scenario states: [`KnownGrowth`], under which unwinders, why and until when.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::expiry::{self, Expiry};
use crate::metric::SeriesName;
use crate::scenario::{Scenario, ScenarioError, wrong};

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
    pub(crate) fn check(
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
            return Err(wrong(field, format!("until must be {}", expiry::FORMS)));
        }
        Ok(())
    }
}

impl Scenario {
    /// What is known to grow beyond linear in `series` under the unwinder family `unwinder`.
    pub fn known(&self, series: SeriesName, unwinder: &str) -> Option<&KnownGrowth> {
        self.known_growth.iter().find(|known| {
            known.series.contains(&series) && self.is_meant(&known.unwinders, &known.when, unwinder)
        })
    }

    /// The growth beyond linear that `series` is expected to have at most under the unwinder family
    /// `unwinder`; `None`: it is expected to be linear.
    pub fn expected(&self, series: SeriesName, unwinder: &str) -> Option<GrowthClass> {
        self.known(series, unwinder).map(|known| known.class)
    }

    /// Whether any series is expected to grow beyond linear under the unwinder family `unwinder`.
    pub fn grows_under(&self, unwinder: &str) -> bool {
        let mut series = self.known_growth.iter().flat_map(|known| &known.series);
        series.any(|series| self.expected(*series, unwinder).is_some())
    }

    /// Whether what is known under these `unwinders`, while fields have the values in `when`, is known
    /// of this scenario under the family `unwinder`.
    pub(crate) fn is_meant(
        &self,
        unwinders: &[String],
        when: &BTreeMap<String, String>,
        unwinder: &str,
    ) -> bool {
        unwinders.iter().any(|named| named == unwinder || named == "any")
            && when.iter().all(|(key, value)| self.still_has(key, value))
    }

    /// Whether the field `key` has not been changed away from `value`.
    fn still_has(&self, key: &str, value: &str) -> bool {
        self.variant.0.get(key).is_none_or(|changed| changed == value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metric::{Metric, Phase};
    use crate::scenario::tests::{EXAMPLE, with};

    #[test]
    fn known_growth_depends_on_unwinder_and_fields() {
        let series = SeriesName::new(Phase::Unload, Metric::TaskClock);
        let kept = Scenario::parse("example", EXAMPLE).expect("a scenario");
        assert!(kept.known(series, "libgcc-list").is_some());
        assert!(kept.known(series, "libgcc-tree").is_none());
        let stripped = with(&[("tables", "strip")]).expect("tables can be stripped");
        assert!(stripped.known(series, "libgcc-list").is_none());
        assert_eq!(kept.expected(series, "libgcc-list"), Some(GrowthClass::Quadratic));
        assert_eq!(kept.expected(series, "llvm"), None);
        assert!(kept.grows_under("libgcc-list") && !kept.grows_under("libgcc-tree"));
        assert!(!stripped.grows_under("libgcc-list"));
    }
}
