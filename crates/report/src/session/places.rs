//! Finds the file and line that a report names for a series.

use loadline_scenario::{Environment, Scenario, SeriesName};
use serde::Deserialize;

use crate::session::model::{AgainstKind, Place};
use loadline_record::baseline::Key;

/// The texts of a scenario's file and of its baseline file, each with the path from the project's root.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    /// The path and text of the scenario's file. A deleted file has an empty text.
    pub scenario: (String, String),
    /// The path and text of the baseline file, if there is one.
    pub baseline: Option<(String, String)>,
}

/// A function that finds the texts of a scenario.
pub type ReadTexts<'a> = &'a dyn Fn(&Scenario) -> Texts;

/// The files of a scenario, with their texts.
pub struct Files {
    /// The path of the scenario's file, from the project's root.
    pub scenario: String,
    scenario_text: String,
    /// The baseline file, if there is one.
    pub baseline: Option<BaselineText>,
}

/// A baseline file in which one baseline may fit.
pub struct BaselineText {
    /// The path of the file, from the project's root.
    pub file: String,
    text: String,
    /// The number of lines above the fitting baseline.
    n_lines_above: usize,
}

/// A baseline file, read only for its keys.
#[derive(Deserialize)]
struct Keys {
    baseline: Vec<OfKey>,
}

#[derive(Deserialize)]
struct OfKey {
    key: Key,
}

impl Files {
    /// Collects the files of `scenario`, measured in `environment`.
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

    /// Says where the scenario file has the entry that accepts the growth of `name`, for the user to remove.
    pub fn entry_to_remove(&self, name: SeriesName) -> String {
        let named = format!("\"{name}\"");
        let mut entry = None;
        for (place, line) in self.scenario_text.lines().enumerate() {
            if line.trim_start().starts_with("[[") {
                entry = line.contains("known_issue").then_some(place + 1);
            }
            if let Some(start) = entry
                && line.contains(&named)
            {
                return format!("the entry is at {}:{start}", self.scenario);
            }
        }
        format!("the entry is in {}", self.scenario)
    }

    /// Finds the line that records `name` in the baseline, if judged against one. Otherwise finds the line
    /// that asks for it.
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

/// Counts the lines above the baseline for `key`; 0 if no baseline fits.
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
        let text = format!("format = 2\n{}{}", entry(&other), entry(&own));
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
