//! The report as JSON: the facts as they are. `docs/report.schema.json` describes them.

use crate::session::model::Facts;
use loadline_record::{Context, Result};

/// Renders the whole document.
///
/// # Errors
/// Returns an error if a fact cannot be serialized, which no fact causes.
pub fn render(facts: &Facts) -> Result<String> {
    let mut text = serde_json::to_string(facts).context("cannot write the report as JSON")?;
    text.push('\n');
    Ok(text)
}
