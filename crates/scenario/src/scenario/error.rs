//! [`ScenarioError`]: why a text is no scenario.

/// The format of scenario files this version reads.
pub const FORMAT: u32 = 1;

/// Why a scenario's text is no scenario.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// Not TOML, or not these keys; the text names line and column.
    #[error("{0}")]
    Syntax(String),
    /// Made for another version of this tool.
    #[error(
        "format {found} is not known to this version, which reads format {FORMAT} (update loadline)"
    )]
    Format {
        /// The format the file names.
        found: u32,
    },
    /// A field whose value cannot be.
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
        /// The value asked for.
        value: String,
        /// Why not.
        problem: String,
    },
}

pub(crate) fn wrong(field: &'static str, problem: impl Into<String>) -> ScenarioError {
    ScenarioError::Field { field, problem: problem.into() }
}
