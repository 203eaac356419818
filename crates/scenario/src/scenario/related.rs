//! The scenarios that are measured because of another one: its control, and both on several threads.

use std::collections::BTreeMap;

use crate::metric::collector::Collector;
use crate::metric::series_name::SeriesName;
use crate::scenario::scaling::Scaling;
use crate::scenario::variant::Variant;
use crate::scenario::{Control, Scenario};
use crate::workload::Workload;

impl Scenario {
    /// The full name of the scenario's control, if it has one.
    #[must_use]
    pub fn control_full_name(&self) -> Option<String> {
        match self.control.as_ref()? {
            Control::Scenario(name) => Some(name.clone()),
            Control::Set(changes) => {
                let mut variant = self.variant.clone();
                variant.0.extend(changes.clone());
                // A variant that is its own control has no control.
                (variant != self.variant).then(|| Scenario { variant, ..self.clone() }.full_name())
            }
        }
    }

    /// Whether this is the variant that its file names as the control.
    #[must_use]
    pub fn is_control(&self) -> bool {
        self.control.is_some() && self.control_full_name().is_none()
    }

    /// The changes that make this scenario run on several threads. `None` for a control, which is measured on
    /// several threads together with the scenario that it controls.
    #[must_use]
    pub fn changes_for_threads(&self) -> Option<BTreeMap<String, String>> {
        self.changes_of_several().filter(|_| !self.is_control())
    }

    /// The full names of the scenarios that are measured on several threads because of this one: itself, and
    /// its control.
    #[must_use]
    pub fn full_names_on_threads(&self) -> Option<[String; 2]> {
        let variant = Variant(self.changes_for_threads()?);
        let several = Scenario { variant, ..self.clone() };
        Some([several.full_name(), several.control_full_name()?])
    }

    /// The full names of all scenarios that are measured because of this one. Its own comes first, then its
    /// control, then both on several threads.
    pub fn full_names_measured(&self) -> impl Iterator<Item = String> + use<> {
        let several = self.full_names_on_threads().into_iter().flatten();
        [self.full_name()].into_iter().chain(self.control_full_name()).chain(several)
    }

    /// What this scenario demands of several threads. `None` for a scenario that already runs on several.
    pub fn scales(&self) -> Option<&Scaling> {
        self.scaling.as_ref().filter(|_| !self.has_threads())
    }

    /// Whether several threads load modules.
    fn has_threads(&self) -> bool {
        matches!(&self.workload, Workload::Modules(m) if m.load_order.threads.get() > 1)
    }

    /// The changes that make this scenario run on several threads, also for a control.
    pub fn changes_of_several(&self) -> Option<BTreeMap<String, String>> {
        let threads = self.scales()?.threads.to_string();
        let mut changes = self.variant.0.clone();
        changes.insert("threads".to_owned(), threads);
        Some(changes)
    }

    /// Keeps only the series by the clock for a scenario on several threads, which is measured for its times.
    pub(super) fn only_clock_on_threads(&mut self) {
        if self.scaling.is_some() && self.has_threads() {
            let by_clock = |name: &SeriesName| name.metric.collector() == Collector::Clock;
            self.judge.retain(by_clock);
            self.observe.retain(by_clock);
        }
    }
}
