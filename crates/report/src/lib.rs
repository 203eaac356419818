//! Facts to output: what a judged session amounts to, as text, HTML, JSON, JUnit, Markdown, annotations.
//!
//! This crate computes nothing but units, reads no file and writes none: it returns texts.

mod advice;
pub mod by_unwinder;
mod chart;
pub mod diff_text;
mod ending;
mod evidence;
pub mod explain_text;
mod facts;
pub mod github;
pub mod history_text;
pub mod html;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod model;
mod next;
mod places;
mod plot;
pub mod text;
mod words;

pub use ending::{absent_lines, same_program, word};
pub use facts::{facts, stand_in_sentence};
pub use next::{range, trimmed};
pub use places::Texts;
pub use text::Look;

// Has Cargo build this again for another clone with the same target folder (.cargo/config.toml).
const _: Option<&str> = option_env!("LOADLINE_CLONE");
