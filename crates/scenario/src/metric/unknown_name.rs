//! The error about a name that no phase, metric or series has.

use std::fmt;

/// A phase, metric or series nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} {name:?} (known: {known})")]
pub struct UnknownName {
    /// `phase`, `metric` or `series`.
    pub what: &'static str,
    /// As it was written.
    pub name: String,
    /// The names there are.
    pub known: String,
}

pub(super) fn known<T: fmt::Display>(all: &[T]) -> String {
    let names: Vec<String> = all.iter().map(T::to_string).collect();
    names.join(", ")
}
