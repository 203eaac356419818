//! What an input turned out to hold.

use super::super::series::Named;

/// What was read from one path.
pub struct Found {
    pub series: Vec<Named>,
    /// What was not read, and why.
    pub notes: Vec<String>,
    /// Whether it states by itself what the flags for tables say.
    pub states_itself: bool,
}
