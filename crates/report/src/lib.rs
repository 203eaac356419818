//! Turns the facts of a judged session into text, HTML, JSON, JUnit, Markdown and annotations.
//!
//! This crate only converts units; it computes nothing else. It reads and writes no file and returns texts.

mod forms;
mod session;
mod tables;

pub use forms::text::Look;
pub use forms::{github, html, json, junit, markdown, text};
pub use session::ending::{absent_lines, environment_line, same_program, word};
pub use session::facts::{facts, stand_in_sentence};
pub use session::model;
pub use session::next::{range, trimmed};
pub use session::places::Texts;
pub use tables::{by_unwinder, diff_text, explain_text, history_text};

// Has Cargo build this again for another clone with the same target folder (.cargo/config.toml).
const _: Option<&str> = option_env!("LOADLINE_CLONE");
