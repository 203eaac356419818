//! Which line of which file a reader is pointed to for a series.

use loadline_scenario::{Environment, Scenario, SeriesName};
use serde::Deserialize;

use crate::session::model::{AgainstKind, Place};
use loadline_record::baseline::Key;

/// The text of a scenario's file and of its baselines, each with the path from the project's root.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    /// The scenario's. A file that is gone has no text.
    pub scenario: (String, String),
    /// The one with its baselines, where there is one.
    pub baseline: Option<(String, String)>,
}

/// Finds the texts of a scenario.
pub type ReadTexts<'a> = &'a dyn Fn(&Scenario) -> Texts;

/// The files of a scenario, with their text.
pub struct Files {
    /// The scenario's, from the project's root.
    pub scenario: String,
    scenario_text: String,
    /// The one with its baselines, where there is one.
    pub baseline: Option<BaselineText>,
}

/// A file with baselines of which one fits.
pub struct BaselineText {
    /// The file, from the project's root.
    pub file: String,
    text: String,
    /// Above the one that fits.
    n_lines_above: usize,
}

/// A file with baselines, read for their keys alone.
#[derive(Deserialize)]
struct Keys {
    baseline: Vec<OfKey>,
}

#[derive(Deserialize)]
struct OfKey {
    key: Key,
}

impl Files {
    /// Those of `scenario`, measured in `environment`.
    pub fn of(scenario: &Scenario, environment: &Environment, texts: Texts) -> Files {
        let key = Key::of(scenario, environment);
        let (file, scenario_text) = texts.scenario;
        Files {
            scenario: file,
            scenario_text,
            baseline: texts.baseline.map(|(file, text)| BaselineText {
                file,
                n_lines_above: line_of(&text, &key),
                text,
            }),
        }
    }

    /// Where the scenario accepts the growth of `name`, to be removed.
    pub fn entry_to_remove(&self, name: SeriesName) -> String {
        let named = format!("\"{name}\"");
        let mut entry = None;
        for (place, line) in self.scenario_text.lines().enumerate() {
            if line.trim_start().starts_with("[[") {
                entry = line.contains("known_growth").then_some(place + 1);
            }
            if let Some(start) = entry
                && line.contains(&named)
            {
                return format!("the entry is at {}:{start}", self.scenario);
            }
        }
        format!("the entry is in {}", self.scenario)
    }

    /// The line that records `name` where it is judged against a baseline, else the one that asks it.
    pub fn place(&self, name: SeriesName, against: AgainstKind) -> Place {
        let quoted = format!("\"{name}\"");
        let is_named = |line: &str| line.contains(&quoted);
        if against == AgainstKind::Baseline
            && let Some(BaselineText { file, text, n_lines_above }) = &self.baseline
            && let Some(found) = text.lines().skip(*n_lines_above).position(is_named)
        {
            return Place { file: file.clone(), line: n_lines_above + found + 1 };
        }
        let found = self.scenario_text.lines().position(is_named).unwrap_or(0);
        Place { file: self.scenario.clone(), line: found + 1 }
    }
}

/// The line above which other baselines stand than the one for `key`; the first where none fits.
fn line_of(text: &str, key: &Key) -> usize {
    let place = || {
        let Keys { baseline } = toml::from_str(text).ok()?;
        let place = baseline.iter().position(|one| one.key == *key)?;
        let lines = text.lines().enumerate().filter(|(_, line)| *line == "[[baseline]]");
        lines.map(|(line, _)| line).nth(place)
    };
    place().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_series_is_pointed_to_in_the_baseline_of_its_own_key() {
        let scenario = loadline_record::fixtures::scenario("keep");
        let environment = loadline_record::fixtures::environment();
        let name: SeriesName = "unload/task-clock".parse().unwrap();
        let own = Key::of(&scenario, &environment);
        let other = Key { arch: "another".to_owned(), ..own.clone() };
        let entry = |key: &Key| {
            let key = toml::Value::try_from(key).unwrap();
            format!("[[baseline]]\nkey = {key}\n[[baseline.series]]\nname = \"{name}\"\n")
        };
        let text = format!("format = 1\n{}{}", entry(&other), entry(&own));
        let place = |key: &Key| {
            let n_lines_above = line_of(&text, key);
            let baseline = BaselineText { file: String::new(), text: text.clone(), n_lines_above };
            let (scenario, scenario_text) = (String::new(), String::new());
            let files = Files { scenario, scenario_text, baseline: Some(baseline) };
            files.place(name, AgainstKind::Baseline).line
        };
        assert_eq!(place(&other), 5);
        assert_eq!(place(&own), 9);
    }
}
