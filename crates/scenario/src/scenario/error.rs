//! [`ScenarioError`]: the reason why a text is not a valid scenario.

/// The format of scenario files that this version reads.
pub const FORMAT: u32 = 1;

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

pub(crate) fn wrong(field: &'static str, problem: impl Into<String>) -> ScenarioError {
    ScenarioError::Field { field, problem: problem.into() }
}
