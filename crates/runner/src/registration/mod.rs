//! The registration bench: unwind tables without modules.

pub mod bench;
pub mod template;
