//! What each verb does.

mod accept;
pub mod baseline;
pub mod calibrate;
pub mod completions;
mod detect;
pub mod diff;
pub mod explain;
pub mod fetch;
pub mod history;
pub mod init;
pub mod list;
pub mod merge;
mod past;
pub mod regress;
pub mod report;
