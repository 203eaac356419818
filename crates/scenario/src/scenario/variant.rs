//! [`Variant`]: the changes to a scenario's file that change its workload.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// The changes to the fields of a scenario's file: field to value, sorted by field.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Variant(pub BTreeMap<String, String>);

impl Variant {
    /// Whether the scenario is unchanged.
    pub fn is_as_written(&self) -> bool {
        self.0.is_empty()
    }

    /// Reads `tables=strip,threads=2`. The empty text is the scenario as written.
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

/// Writes `tables=strip,threads=2`, or nothing for the scenario as written.
impl fmt::Display for Variant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pairs: Vec<String> =
            self.0.iter().map(|(key, value)| format!("{key}={value}")).collect();
        f.pad(&pairs.join(","))
    }
}
