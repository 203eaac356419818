//! The locks of this crate. A poisoned lock is used as if it were not: the data behind each lock is consistent
//! whenever its holder can panic.
//!
//! In this crate's own unit tests on Linux, the locks also measure how long threads wait for them (`measured.rs`).
//! Otherwise they are plain wrappers of the standard library's locks.

#[cfg(all(test, target_os = "linux"))]
pub(crate) mod measured;
#[cfg(not(all(test, target_os = "linux")))]
mod plain;
#[cfg(all(test, target_os = "linux"))]
mod tests;

#[cfg(all(test, target_os = "linux"))]
pub(crate) use measured::{Condvar, FileHold, Mutex, RwLock, lock_file};
#[cfg(all(unix, not(all(test, target_os = "linux"))))]
pub(crate) use plain::RwLock;
#[cfg(not(all(test, target_os = "linux")))]
pub(crate) use plain::{Condvar, FileHold, Mutex, lock_file};
