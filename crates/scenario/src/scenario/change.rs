//! Reads a scenario with some fields of its file changed.

use std::collections::BTreeMap;

use crate::scenario::Scenario;
use crate::scenario::error::ScenarioError;
use crate::scenario::file::syntax;
use crate::scenario::variant::Variant;
use crate::workload::Workload;

impl Scenario {
    /// Reads the scenario `name` from its file's text and makes `changes` (field to value). A dot names a
    /// field inside a table: `artifact.types`.
    ///
    /// # Errors
    /// As for [`Scenario::parse`], and when a field does not exist or does not accept the value.
    pub fn parse_with(
        name: &str,
        text: &str,
        changes: &BTreeMap<String, String>,
    ) -> Result<Scenario, ScenarioError> {
        let as_written = Scenario::parse(name, text)?;
        let mut table: toml::Table = text.parse().map_err(syntax)?;
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
            // A change that leaves the workload as it was does not change its growth, so it makes no other
            // variant.
            if changed.workload != scenario.workload {
                if value.contains(',') {
                    return Err(refuse(
                        "a variant's name cannot contain a comma (write a separate scenario file)"
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

/// Sets the dotted `key` to `value`, read as a TOML value if possible, or else as a string.
fn set(table: &mut toml::Table, key: &str, value: &str) -> Result<(), String> {
    let mut names = key.split('.').peekable();
    let mut inner = table;
    while let Some(name) = names.next() {
        if names.peek().is_none() {
            let parsed = format!("v = {value}").parse::<toml::Table>();
            let parsed = parsed.ok().and_then(|mut table| table.remove("v"));
            // A text field stays a text, even if the new value looks like a number.
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

/// Gives each value one spelling, so that one variant has one name.
fn canonical(scenario: &Scenario, key: &str, value: &str) -> String {
    match (&scenario.workload, key) {
        (Workload::Modules(modules), "tables") => modules.tables.name().to_owned(),
        _ => value.to_owned(),
    }
}
