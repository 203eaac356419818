//! The files that outlive a process, and what is read from them.

pub mod atomic;
pub mod baseline;
pub mod calibration;
pub mod header;
pub mod layout;
pub mod profile;
pub mod recipe;
pub mod rounds;
pub mod session;
