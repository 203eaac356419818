//! The texts of verbs that print something other than a report of a session.

pub mod by_unwinder;
pub mod diff_text;
pub mod explain_text;
pub mod history_text;
