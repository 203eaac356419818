//! The files that Loadline keeps, and the types that it reads from them.

pub mod atomic;
pub mod baseline;
pub mod calibration;
pub mod format1;
pub mod header;
pub mod layout;
pub mod measured;
pub mod profile;
pub mod recipe;
pub mod session;
