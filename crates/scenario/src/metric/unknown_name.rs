//! The error about an unknown phase, metric or series.

use std::fmt;

use crate::renamed::{METRICS, new_name};

/// A name that no phase, metric or series has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} {name:?} ({})", hint(.name, .known))]
pub struct UnknownName {
    /// `phase`, `metric` or `series`.
    pub what: &'static str,
    /// The unknown name, as it was written.
    pub name: String,
    /// The names that exist.
    pub known: String,
}

fn hint(name: &str, known: &str) -> String {
    match new_name(&METRICS, name) {
        Some(new) => format!("it is called {new} now"),
        None => format!("known: {known}"),
    }
}

pub(super) fn known<T: fmt::Display>(all: &[T]) -> String {
    let names: Vec<String> = all.iter().map(T::to_string).collect();
    names.join(", ")
}
