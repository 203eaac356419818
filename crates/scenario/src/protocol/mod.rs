//! The request to one runner process and its answer. This crate defines the types. The program and its runner
//! read and write them.

pub(crate) mod environment;
pub(crate) mod message;
pub(crate) mod request;
