//! What one process is asked and what it answers. This crate names the types; the two programs read and
//! write them.

pub(crate) mod environment;
pub(crate) mod message;
pub(crate) mod request;
