//! The rule on labelled, generated and measured series.

#![allow(clippy::unwrap_used)]

mod cache_bound;
mod open_corpus;
mod properties;
mod rule;
mod severity;
