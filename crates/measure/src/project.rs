//! One repository: its folders and settings, its scenarios, and the files and programs that they name.

pub mod files;
pub mod folders;
pub mod git;
pub mod kept;
pub mod programs;
pub mod selection;
pub mod workspace;
