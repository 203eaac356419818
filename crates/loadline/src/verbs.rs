//! The verbs of the command line, one module each.

pub mod baseline;
pub mod calibrate;
pub mod diff;
pub mod explain;
pub mod fetch;
pub mod history;
pub mod init;
pub mod list;
pub mod merge;
pub mod regress;
pub mod report;
pub mod sessions;
