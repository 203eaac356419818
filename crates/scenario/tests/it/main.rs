//! Scenarios from their text: what they ask, what they expect, in which order they are measured.
#![allow(clippy::unwrap_used)]

mod commands;
mod example;
mod known_issues;
mod paths;
mod plan;
mod scaling;
mod scenarios;
mod variants;
