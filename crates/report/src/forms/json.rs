//! The report as JSON: the facts as they stand. `docs/report.schema.json` describes them.

use crate::session::model::Facts;
use loadline_record::{Context, Result};

/// The whole document.
///
/// # Errors
/// When a fact cannot be written, which none is made to cause.
pub fn render(facts: &Facts) -> Result<String> {
    let mut text = serde_json::to_string(facts).context("cannot write the report as JSON")?;
    text.push('\n');
    Ok(text)
}
