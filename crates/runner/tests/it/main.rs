//! Tests the runner in real processes.

#![allow(clippy::unwrap_used)]

#[cfg(target_os = "linux")]
mod accounting;
#[cfg(target_os = "linux")]
mod callgrind;
#[cfg(target_os = "linux")]
mod common;
mod findings;
#[cfg(target_os = "linux")]
mod module_operations;
#[cfg(target_os = "linux")]
mod operations;
#[cfg(target_os = "linux")]
mod orphan;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod registration;
