//! A scenario with some fields of its file changed: [`Variant`], the changes that make it another subject.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::scenario::{Scenario, ScenarioError};
use crate::scenario_file;
use crate::subject::Subject;

/// What was changed from a scenario's file: field and value, sorted by field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Variant(pub BTreeMap<String, String>);

impl Scenario {
    /// The scenario `name` from its file's text, with `changes` (field, value) made to it. A field
    /// inside a table is named with a dot: `artifact.types`.
    ///
    /// # Errors
    /// As [`Scenario::parse`], and when a field is not there or does not take the value.
    pub fn parse_with(
        name: &str,
        text: &str,
        changes: &BTreeMap<String, String>,
    ) -> Result<Scenario, ScenarioError> {
        let as_written = Scenario::parse(name, text)?;
        let mut table: toml::Table = text.parse().map_err(scenario_file::syntax)?;
        let mut scenario = as_written.clone();
        let mut variant = Variant::default();
        let mut settings = BTreeMap::new();
        for (key, value) in changes {
            let refuse = |problem: String| ScenarioError::Set {
                key: key.clone(),
                value: value.clone(),
                problem,
            };
            set(&mut table, key, value).map_err(&refuse)?;
            let text = toml::to_string(&table).map_err(|e| refuse(e.to_string()))?;
            let changed = Scenario::parse(name, &text).map_err(|e| refuse(e.to_string()))?;
            // What leaves the subject as it was does not change its growth: no other variant.
            if changed.subject != scenario.subject {
                if value.contains(',') {
                    return Err(refuse(
                        "a variant's name holds no comma (write a scenario file of its own)"
                            .to_owned(),
                    ));
                }
                variant.0.insert(key.clone(), canonical(&changed, key, value));
            } else {
                settings.insert(key.clone(), value.clone());
            }
            scenario = changed;
        }
        scenario.variant = variant;
        scenario.settings = settings;
        Ok(scenario)
    }
}

/// Puts `value` at the dotted `key`, as the TOML value it spells, or else as a string.
fn set(table: &mut toml::Table, key: &str, value: &str) -> Result<(), String> {
    let mut names = key.split('.').peekable();
    let mut inner = table;
    while let Some(name) = names.next() {
        if names.peek().is_none() {
            let parsed = format!("v = {value}").parse::<toml::Table>();
            let parsed = parsed.ok().and_then(|mut table| table.remove("v"));
            // What is a text stays one, even where the new text looks like a number.
            let is_text =
                key.starts_with("environment.") || inner.get(name).is_some_and(toml::Value::is_str);
            let typed = parsed.filter(|parsed| parsed.is_str() || !is_text);
            let value = typed.unwrap_or_else(|| toml::Value::String(value.to_owned()));
            inner.insert(name.to_owned(), value);
            return Ok(());
        }
        let next = inner.entry(name).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        inner = next.as_table_mut().ok_or_else(|| format!("{name} has no fields"))?;
    }
    Err("no field named".to_owned())
}

/// One spelling for each value, so that one variant has one name.
fn canonical(scenario: &Scenario, key: &str, value: &str) -> String {
    match (&scenario.subject, key) {
        (Subject::Modules(modules), "tables") => modules.tables.name().to_owned(),
        _ => value.to_owned(),
    }
}

impl Variant {
    /// Whether nothing was changed.
    pub fn is_as_written(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads `tables=strip,threads=2`; the empty text is the scenario as written.
    pub fn parse_changes(text: &str) -> Result<BTreeMap<String, String>, String> {
        let pairs = text.split(',').filter(|pair| !pair.is_empty());
        pairs
            .map(|pair| {
                let (key, value) = pair
                    .split_once('=')
                    .ok_or_else(|| format!("{pair:?} is not KEY=VALUE, as in tables=strip"))?;
                Ok((key.trim().to_owned(), value.trim().to_owned()))
            })
            .collect()
    }
}

/// `tables=strip,threads=2`; empty for the scenario as written.
impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> =
            self.0.iter().map(|(key, value)| format!("{key}={value}")).collect();
        f.pad(&pairs.join(","))
    }
}

#[cfg(test)]
mod tests {
    use crate::scenario::tests::with;

    #[test]
    fn a_change_of_the_subject_makes_a_variant() {
        let stripped = with(&[("tables", "stripped")]).expect("tables can be stripped");
        assert_eq!(stripped.title(), "example:tables=strip");
        let shared = with(&[("artifact.type_sharing", "shared"), ("threads", "2")]);
        assert_eq!(
            shared.expect("both can be set").title(),
            "example:artifact.type_sharing=shared,threads=2"
        );
    }

    #[test]
    fn what_leaves_the_subject_alone_is_no_variant() {
        let same = with(&[("tables", "keep"), ("processes", "3"), ("ladder.to", "1024")]);
        let same = same.expect("all can be set");
        assert!(same.variant.is_as_written());
        assert_eq!(same.settings.keys().collect::<Vec<_>>(), ["ladder.to", "processes", "tables"]);
        assert_eq!((same.processes, same.ladder.last()), (3, Some(&1024)));
    }

    #[test]
    fn a_change_that_cannot_be_made_is_refused() {
        for change in
            [("tabels", "strip"), ("tables", "sometimes"), ("question.x", "1"), ("threads", "0")]
        {
            let error = with(&[change]).expect_err("cannot be set").to_string();
            assert!(error.contains(change.0), "{error}");
        }
    }
}
