//! Whether work is to be done faster by several threads than by one: [`Scaling`].

use std::collections::BTreeMap;
use std::num::NonZeroUsize;

use serde::Deserialize;

use crate::known::KnownGrowth;
use crate::metric::{MetricKind, SeriesName};
use crate::sample::Means;
use crate::scenario::{Control, Scenario, ScenarioError, wrong};
use crate::subject::Subject;

/// A scenario is measured on several threads as well, and so is its control; what threads gain is
/// judged beside what they gain there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Scaling {
    /// How many threads share the work, beside the one of the file.
    pub threads: NonZeroUsize,
    /// The time that they should save.
    pub series: SeriesName,
    /// Where it is known that they do not.
    #[serde(default)]
    pub known: Vec<KnownContention>,
}

/// Threads that are known to wait for each other, why, and until when it is accepted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownContention {
    /// The unwinders it shows under, as of [`KnownGrowth`].
    pub unwinders: Vec<String>,
    /// The fields, with their values, it depends on.
    #[serde(default)]
    pub when: BTreeMap<String, String>,
    /// What they wait for, as one sentence.
    pub reason: String,
    /// Where it is reported or described.
    pub link: String,
    /// Until when it is accepted, as [`Expiry`](crate::Expiry) reads it.
    pub until: String,
}

impl Scenario {
    /// What this scenario asks of several threads; `None` for one that already runs on several.
    pub fn scales(&self) -> Option<&Scaling> {
        self.scaling.as_ref().filter(|_| !self.has_threads())
    }

    /// Whether several threads load.
    fn has_threads(&self) -> bool {
        matches!(&self.subject, Subject::Modules(m) if m.lifecycle.threads.get() > 1)
    }

    /// The changes that make this scenario the same on several threads.
    pub fn changes_of_several(&self) -> Option<BTreeMap<String, String>> {
        let threads = self.scales()?.threads.to_string();
        let mut changes = self.variant.0.clone();
        changes.insert("threads".to_owned(), threads);
        Some(changes)
    }

    /// Why threads are known to gain nothing here under the unwinder family `unwinder`.
    pub fn known_contention(&self, unwinder: &str) -> Option<&KnownContention> {
        let mut known = self.scaling.as_ref()?.known.iter();
        known.find(|known| self.is_meant(&known.unwinders, &known.when, unwinder))
    }

    /// Leaves to the clock what is measured on several threads: it is there for its times.
    pub(crate) fn only_clock_on_threads(&mut self) {
        if self.scaling.is_some() && self.has_threads() {
            let by_clock = |name: &SeriesName| name.metric.means() == Means::Clock;
            self.judge.retain(by_clock);
            self.observe.retain(by_clock);
        }
    }

    pub(crate) fn check_scaling(&self) -> Result<(), ScenarioError> {
        let Some(Scaling { threads, series, known }) = &self.scaling else { return Ok(()) };
        if !matches!(self.subject, Subject::Modules(_)) {
            return Err(wrong("scaling", "is for scenarios that load modules"));
        }
        if !(2..=256).contains(&threads.get()) {
            return Err(wrong("scaling", format!("{threads} threads are not within 2 to 256")));
        }
        if series.metric.kind() != MetricKind::Time || !self.series().any(|own| own == *series) {
            let problem = format!("{series} is no time that is judged or observed here");
            return Err(wrong("scaling", problem));
        }
        if !self.judge.iter().any(|name| name.metric.means() == Means::Clock) {
            let problem = "needs a series that is measured by the clock in judge";
            return Err(wrong("scaling", problem));
        }
        if !matches!(self.control, Some(Control::Set(_))) {
            let problem = "needs a control = { set = … }, which says what threads gain here";
            return Err(wrong("scaling", problem));
        }
        known.iter().try_for_each(|KnownContention { unwinders, link, until, .. }| {
            KnownGrowth::check("scaling", unwinders, link, until)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::tests::EXAMPLE;

    const SCALING: &str = r#"
[scaling]
threads = 2
series = "load/wall-time"
[[scaling.known]]
unwinders = ["libgcc-list"]
when = { tables = "keep" }
reason = "one lock for the whole process"
link = "https://github.com/bytecodealliance/wasmtime/issues/10084"
until = "wasmtime 52"
"#;

    fn text() -> String {
        let observe = "observe = [\"unload/instructions\"]";
        let observed = EXAMPLE.replace(observe, "observe = [\"load/wall-time\"]");
        format!("{observed}{SCALING}")
    }

    fn with(changes: &[(&str, &str)]) -> Scenario {
        let changes = changes.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Scenario::parse_with("example", &text(), &changes).expect("a scenario")
    }

    #[test]
    fn on_several_threads_it_is_measured_by_the_clock_alone() {
        let one = with(&[]);
        let changes = one.changes_of_several().expect("it is on one thread");
        assert_eq!(changes, BTreeMap::from([("threads".to_owned(), "2".to_owned())]));
        assert!(one.means().len() > 1);
        let two = with(&[("threads", "2")]);
        assert_eq!((two.scales(), two.means()), (None, vec![Means::Clock]));
        assert_eq!(two.title(), "example:threads=2");
    }

    #[test]
    fn contention_is_known_by_unwinder_and_fields() {
        assert!(with(&[]).known_contention("libgcc-list").is_some());
        assert!(with(&[("threads", "2")]).known_contention("libgcc-list").is_some());
        assert!(with(&[]).known_contention("llvm").is_none());
        assert!(with(&[("tables", "strip")]).known_contention("libgcc-list").is_none());
    }

    #[test]
    fn what_cannot_be_judged_is_refused() {
        for (from, to, expected) in [
            ("threads = 2", "threads = 1", "not within 2 to 256"),
            ("threads = 2", "threads = 0", "nonzero"),
            ("series = \"load/wall-time\"", "series = \"load/page-faults\"", "no time"),
            ("series = \"load/wall-time\"", "series = \"call/wall-time\"", "no time"),
            ("control = { set = { tables = \"strip\" } }", "", "needs a control"),
            (
                "judge = [\"load/page-faults\", \"unload/task-clock\"]",
                "judge = [\"load/allocations\"]",
                "by the clock in judge",
            ),
            (
                "unwinders = [\"libgcc-list\"]\nwhen = { tables = \"keep\" }\nreason = \"one",
                "unwinders = [\"libgc\"]\nreason = \"one",
                "unknown unwinder",
            ),
        ] {
            assert!(text().contains(from), "the example has no {from}");
            let error = Scenario::parse("example", &text().replace(from, to));
            let error = error.expect_err("the change makes it no scenario").to_string();
            assert!(error.contains(expected), "{error:?} does not say {expected:?}");
        }
    }
}
