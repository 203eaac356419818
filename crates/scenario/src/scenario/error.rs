//! [`ScenarioError`]: the reason why a text is not a valid scenario.

/// The format of scenario files that this version reads.
pub const FORMAT: u32 = 2;

/// The reason why a text is not a valid scenario.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// The text is not TOML, or has wrong keys. The message names line and column.
    #[error("{0}")]
    Syntax(String),
    /// The file was made for another version of this tool.
    #[error(
        "format {found} is not known to this version, which reads format {FORMAT} (update loadline)"
    )]
    Format {
        /// The format that the file names.
        found: u32,
    },
    /// The file has words of an older format. The texts name each old word and its new name.
    #[error(
        "format {found} is older than format {FORMAT}, which this version reads ({}write format = {FORMAT})",
        listed(.renamed)
    )]
    OldFormat {
        /// The format that the file names.
        found: u32,
        /// The fields and metrics of the file that have another name.
        renamed: Vec<String>,
    },
    /// A field has an invalid value.
    #[error("{field}: {problem}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// A change that cannot be made.
    #[error("cannot set {key}={value}: {problem}")]
    Set {
        /// The field to change.
        key: String,
        /// The requested value.
        value: String,
        /// The reason why the change cannot be made.
        problem: String,
    },
}

fn listed(renamed: &[String]) -> String {
    if renamed.is_empty() { String::new() } else { format!("{}; ", renamed.join(", ")) }
}

pub(crate) fn wrong(field: &'static str, problem: impl Into<String>) -> ScenarioError {
    ScenarioError::Field { field, problem: problem.into() }
}
