//! A scenario with some fields of its file changed: [`Variant`], the changes that make it another subject.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// What was changed from a scenario's file: field and value, sorted by field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Variant(pub BTreeMap<String, String>);

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
