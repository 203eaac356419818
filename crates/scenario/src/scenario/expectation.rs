//! What a scenario expects of its series: its known issues.

use std::collections::BTreeMap;

use crate::metric::series_name::SeriesName;
use crate::scenario::Scenario;
use crate::scenario::known_issue::{GrowthClass, KnownGrowth};
use crate::scenario::scaling::KnownContention;

impl Scenario {
    /// The known issue that covers `series` under the unwinder family `unwinder`, if there is one.
    pub fn known(&self, series: SeriesName, unwinder: &str) -> Option<&KnownGrowth> {
        self.known_issue.iter().find(|known| {
            known.series.contains(&series) && self.is_meant(&known.unwinders, &known.when, unwinder)
        })
    }

    /// The most growth that `series` is expected to have under the unwinder family `unwinder`. `None` means
    /// linear.
    pub fn expected(&self, series: SeriesName, unwinder: &str) -> Option<GrowthClass> {
        self.known(series, unwinder).map(|known| known.class)
    }

    /// Whether any series is expected to grow beyond linear under the unwinder family `unwinder`.
    pub fn grows_under(&self, unwinder: &str) -> bool {
        let mut series = self.known_issue.iter().flat_map(|known| &known.series);
        series.any(|series| self.expected(*series, unwinder).is_some())
    }

    /// The known issue that explains why threads gain nothing under the unwinder family `unwinder`.
    pub fn known_contention(&self, unwinder: &str) -> Option<&KnownContention> {
        let mut known = self.scaling.as_ref()?.known.iter();
        known.find(|known| self.is_meant(&known.unwinders, &known.when, unwinder))
    }

    /// Whether a known issue covers this scenario under the family `unwinder`. The issue names its
    /// `unwinders`, and in `when` the field values on which it depends.
    fn is_meant(
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
