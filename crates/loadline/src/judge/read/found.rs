//! The content of an input.

use super::super::series::Named;

/// The series and notes that were read from one path.
pub struct Found {
    pub series: Vec<Named>,
    /// Says what was not read, and why.
    pub notes: Vec<String>,
    /// Whether the input itself states what the flags for tables would say.
    pub states_itself: bool,
}
