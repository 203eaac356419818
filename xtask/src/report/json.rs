//! The report as JSON: the facts as they stand. `docs/report.schema.json` describes them.

use anyhow::Context;

use super::model::Facts;

/// The whole document.
///
/// # Errors
/// When a fact cannot be written, which none is made to cause.
pub fn render(facts: &Facts) -> anyhow::Result<String> {
    let mut text = serde_json::to_string(facts).context("cannot write the report as JSON")?;
    text.push('\n');
    Ok(text)
}
